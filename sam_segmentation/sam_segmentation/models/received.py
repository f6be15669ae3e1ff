# SPDX-License-Identifier: Apache-2.0
"""An answer of a server, waited for on another thread, since no timeout bounds all of a wait.

A socket's timeout bounds one silence: a server that sends a header byte by byte, or a name server
that does not answer, outlasts it.
"""

from __future__ import annotations

import http.client
import queue
import socket
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from sam_common.errors import SamError

_BLOCK = 1 << 18
_AHEAD = 4  # blocks
_STEP_S = 0.2  # in which the thread notices that it is no longer wanted


class Received:
    """What comes back for a request: that its name resolved, the response, its blocks.

    Parameters
    ----------
    opener : urllib.request.OpenerDirector
    request : urllib.request.Request
    timeout_s : float
        Longest silence of the connection.

    """

    def __init__(
        self,
        opener: urllib.request.OpenerDirector,
        request: urllib.request.Request,
        timeout_s: float,
    ) -> None:
        self._items: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._unwanted = threading.Event()
        # A daemon: nothing can end a thread that waits for a name server.
        threading.Thread(
            target=self._run, args=(opener, request, timeout_s), daemon=True, name='download'
        ).start()

    def next(self, within_s: float) -> Any:
        """Return the next of: None (the name resolved), the response, blocks, b'' (the end).

        Raises
        ------
        TimeoutError
            If it does not come in time.
        OSError, http.client.HTTPException
            What went wrong with the connection.
        SamError
            What a handler of the opener refused.

        """
        try:
            item = self._items.get(timeout=max(within_s, 0.0))
        except queue.Empty:
            raise TimeoutError(f'nothing that can be used came in {within_s:g} s') from None
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Let the thread end as soon as its wait does."""
        self._unwanted.set()

    def _run(
        self,
        opener: urllib.request.OpenerDirector,
        request: urllib.request.Request,
        timeout_s: float,
    ) -> None:
        try:
            _resolve(request)
            self._put(None)
            with opener.open(request, timeout=timeout_s) as response:
                self._put(response)
                # read1 returns what is there, so that a server that trickles is seen as such.
                while not self._unwanted.is_set() and (block := response.read1(_BLOCK)):
                    self._put(block)
            self._put(b'')
        except (urllib.error.URLError, http.client.HTTPException, SamError) as error:
            self._put(error)
        except Exception as error:  # goes to the thread that waits
            reason = error if isinstance(error, OSError) else f'{type(error).__name__}: {error}'
            self._put(urllib.error.URLError(reason))

    def _put(self, item: Any) -> None:
        while not self._unwanted.is_set():
            try:
                self._items.put(item, timeout=_STEP_S)
            except queue.Full:
                continue
            return


def _resolve(request: urllib.request.Request) -> None:
    address = urllib.parse.urlsplit(request.full_url)
    host = address.hostname or ''
    if address.scheme in urllib.request.getproxies() and not urllib.request.proxy_bypass(host):
        return  # the proxy resolves it
    socket.getaddrinfo(host, address.port or 443, type=socket.SOCK_STREAM)
