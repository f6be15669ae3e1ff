# SPDX-License-Identifier: Apache-2.0
"""Brings one file over HTTP, going on where an earlier attempt broke off."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from sam_common.files import FileError, read_file
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.checkpoints import write_atomically
from sam_segmentation.models.received import Received

_WORTH_A_RETRY = frozenset({408, 425, 429, 500, 502, 503, 504})
_NETWORK = (
    urllib.error.URLError,
    http.client.HTTPException,
    TimeoutError,
    ConnectionError,
    ssl.SSLError,
)
# Called with the bytes that are there and those expected in all, or None.
Progress = Callable[[int, 'int | None'], None]
# Called with a line about an attempt that failed.
Report = Callable[[str], None]
_MAX_BYTES = 16 << 30  # of a file whose size nobody states
_MAX_NOTE_BYTES = 4096
_MARK = re.compile(r'[ -~]{1,200}')
_NUMBER = re.compile(r'[0-9]{1,15}')


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to put up with a server.

    Parameters
    ----------
    timeout_s : float
        Longest silence before a connection is given up.
    attempts : int
        How often to connect in all.
    pause_s : float
        Wait before the second attempt; doubles for each further one, up to a minute.
    total_s : float
        Longest time in all.
    resolving_s : float
        After which no further attempt is made at a name that does not resolve.
    name_s : float
        Longest wait for a name server.
    bytes_per_s : float
        A connection that brings less than this in `timeout_s` is given up.

    """

    timeout_s: float = 30.0
    attempts: int = 8
    pause_s: float = 1.0
    total_s: float = 6 * 3600.0
    resolving_s: float = 5.0
    name_s: float = 15.0
    bytes_per_s: float = 1000.0


class _Retry(Exception):  # noqa: N818  (no error that anybody sees)
    """An attempt failed in a way that another one may mend."""


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str
    ) -> Any:
        encrypted = req.full_url.startswith('https:')
        if not newurl.startswith('https:' if encrypted else ('https:', 'http:')):
            raise CheckpointError(
                f'{req.full_url} redirects to {newurl}, which is not encrypted or no '
                'web address; not followed'
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetch(
    url: str,
    partial: IO[bytes],
    notes: Path,
    *,
    size: int | None,
    patience: Patience,
    progress: Progress,
    report: Report = lambda text: None,
) -> None:
    """Complete a partial file from an address.

    Parameters
    ----------
    url : str
        http or https; from https, only redirects to https are followed.
    partial : binary file, open for reading and writing
        What earlier attempts brought; more is appended, or it is emptied where the server cannot
        or must not go on from there.
    notes : path
        Where the server's mark (ETag or date) of the partial file's version is kept.
    size : int or None
        Bytes of the whole file, if known.

    Raises
    ------
    CheckpointError
        If the server has something else, or the attempts are used up.

    """
    start = time.monotonic()
    failure, pause_s = '', 0.0
    for attempt in range(1, patience.attempts + 1):
        time.sleep(pause_s)
        try:
            _attempt(url, partial, notes, size, patience, start + patience.total_s, progress)
        except _Retry as error:
            failure = str(error)
            unresolved = False
        except _NETWORK as error:
            failure = str(error) or type(error).__name__
            unresolved = isinstance(getattr(error, 'reason', error), socket.gaierror)
        else:
            return
        pause_s = min(patience.pause_s * 2 ** (attempt - 1), 60.0)
        spent = time.monotonic() - start + pause_s
        last = attempt == patience.attempts or spent > patience.total_s
        last = last or (unresolved and spent > patience.resolving_s)
        report(
            f'attempt {attempt} of {patience.attempts} failed: {failure}'
            + ('' if last else f'; the next one is in {pause_s:g} s')
        )
        if last:
            break
    raise CheckpointError(
        f'{url} could not be fetched in {attempt} attempts, the last one: {failure}; '
        'check the network and type the command again, it goes on from here'
    )


def _attempt(
    url: str,
    partial: IO[bytes],
    notes: Path,
    size: int | None,
    patience: Patience,
    end: float,
    progress: Progress,
) -> None:
    have = partial.seek(0, 2)
    if have and have == size:
        return
    mark = _read_mark(notes, url) if have else None
    if have and mark is None:
        # Nothing says that the server still has the version that this is the beginning of.
        have = _restart(partial)
    headers = {'User-Agent': 'sam_segmentation', 'Accept-Encoding': 'identity'}
    if mark is not None:
        headers |= {'Range': f'bytes={have}-', 'If-Range': mark}
    opener = urllib.request.build_opener(_SecureRedirects)
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  (checked by the caller)
    received = Received(opener, request, patience.timeout_s)
    try:
        _wait_for_the_name(received, request.host, patience)
        response = received.next(patience.timeout_s)
        _receive(received, response, partial, notes, url, size, patience, end, progress)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and have:
                _restart(partial)
                raise _Retry('the server has no more of the partial file') from error
            if error.code in _WORTH_A_RETRY:
                raise _Retry(f'the server answers {error.code} {error.reason}') from error
            raise CheckpointError(f'{url} answers {error.code} {error.reason}') from error
    finally:
        received.close()


def _wait_for_the_name(received: Received, host: str, patience: Patience) -> None:
    try:
        received.next(patience.name_s)
    except TimeoutError as error:
        unresolved = socket.gaierror(f'no name server knows {host} within {patience.name_s:g} s')
        raise urllib.error.URLError(unresolved) from error


def _receive(
    received: Received,
    response: Any,
    partial: IO[bytes],
    notes: Path,
    url: str,
    size: int | None,
    patience: Patience,
    end: float,
    progress: Progress,
) -> None:
    have = partial.seek(0, 2)
    if response.status == http.HTTPStatus.PARTIAL_CONTENT:
        start, total = _content_range(response.headers.get('Content-Range', ''))
        if start != have or (size is not None and total not in (None, size)):
            _restart(partial)
            raise _Retry(f'the server goes on at {start} of {total} instead of {have}')
    else:
        have = _restart(partial)
        length = response.headers.get('Content-Length', '')
        total = int(length) if _NUMBER.fullmatch(length) else None
    expected = size if size is not None else total
    if expected is not None and total not in (None, expected):
        kind = response.headers.get('Content-Type', 'an unknown type')
        raise CheckpointError(
            f'{url} answers with {total} bytes of {kind} where {expected} are expected; a proxy '
            'or login page may be in the way'
        )
    if not have:
        _write_mark(notes, url, response.headers)
    progress(have, expected)
    limit = _MAX_BYTES if expected is None else expected
    window_end, window_have = time.monotonic() + patience.timeout_s, have
    while block := received.next(patience.timeout_s):
        _store(partial, block)
        have += len(block)
        now = time.monotonic()
        if now > end:
            raise CheckpointError(
                f'{url} took more than {patience.total_s:g} s; type the command again, it goes on '
                'from here'
            )
        if now > window_end:
            if have - window_have < patience.bytes_per_s * patience.timeout_s:
                raise _Retry(
                    f'the server brought {have - window_have} bytes in {patience.timeout_s:g} s'
                )
            window_end, window_have = now + patience.timeout_s, have
        progress(have, expected)
        if have > limit:
            _restart(partial)
            raise CheckpointError(f'{url} sends more than the {limit} bytes expected')
    partial.flush()
    if expected is not None and have < expected:
        raise _Retry(f'the connection broke off at {have} of {expected} bytes')


def _store(partial: IO[bytes], block: bytes) -> None:
    try:
        partial.write(block)
    except OSError as error:
        raise CheckpointError(
            f'{partial.name} cannot be written: {error.strerror}; free some space and type the '
            'command again, it goes on from here'
        ) from error


def _restart(partial: IO[bytes]) -> int:
    partial.seek(0)
    partial.truncate()
    return 0


def _content_range(value: str) -> tuple[int | None, int | None]:
    match = re.fullmatch(r'bytes ([0-9]{1,15})-[0-9]{1,15}/([0-9]{1,15}|\*)', value.strip())
    if match is None:
        return None, None
    return int(match[1]), None if match[2] == '*' else int(match[2])


def _read_mark(notes: Path, url: str) -> str | None:
    try:
        noted = json.loads(read_file(notes, max_bytes=_MAX_NOTE_BYTES))
        mark: str = noted['mark']
        return mark if noted['url'] == url and _MARK.fullmatch(mark) else None
    except (FileError, ValueError, KeyError, TypeError, RecursionError):
        return None  # without it the download starts anew


def _write_mark(notes: Path, url: str, headers: Any) -> None:
    mark = headers.get('ETag')
    if mark is None or mark.startswith('W/'):  # a weak one says nothing about single bytes
        mark = headers.get('Last-Modified')
    write_atomically(notes, json.dumps({'url': url, 'mark': mark}) + '\n')
