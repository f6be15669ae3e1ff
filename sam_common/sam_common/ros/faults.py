# SPDX-License-Identifier: Apache-2.0
"""Errors in a node: what a message says of them, and what keeps them from ending the node."""

from __future__ import annotations

import inspect
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from threading import Lock
from time import monotonic
from traceback import extract_tb, format_exception
from typing import Any

from sam_common.errors import NoFrameYetError, SamError
from sam_common.worker import StoppedError

# So many kinds of fault are remembered, the latest ones.
MAX_KINDS = 64
# So long the diagnostics speak of a fault [s]; its count stays.
RECENT_S = 30.0
# No reason is longer [characters]: what arrived may be quoted in it.
MAX_REASON = 1000
# The core states the fact and the Python remedy; over ROS this is the remedy.
_ROS_REMEDIES: dict[type[SamError], str] = {
    StoppedError: 'the node was deactivated: activate it and ask again',
    NoFrameYetError: 'check the camera and the image topic; /diagnostics says what is missing',
}


def explain(error: BaseException) -> str:
    """Return the message of an error, and what a user of ROS does about it where that differs."""
    text = str(error).strip()
    for kind, remedy in _ROS_REMEDIES.items():
        if isinstance(error, kind):
            return f'{text} (over ROS: {remedy})'
    return text


def reason(error: BaseException) -> str:
    """Return why something failed, in one text that ROS can carry, MAX_REASON long at most."""
    text = explain(error)
    if not isinstance(error, SamError):
        text = f'{type(error).__name__}: {text}' if text else type(error).__name__
    # What arrived may be quoted: no control characters in a log, and nothing that is no text.
    text = ''.join(
        c if c.isprintable() or c == '\n' else c.encode('unicode_escape').decode() for c in text
    )
    if len(text) > MAX_REASON:
        half = MAX_REASON // 2 - 3
        text = f'{text[:half]} ... {text[-half:]}'
    return text


class Faults:
    """The faults of one node's callbacks.

    Two faults are of one kind when the same callback raised them at the same place. Each kind is
    logged once: who sends such messages all day must not fill the log.

    Parameters
    ----------
    logger : callable
        Returns the node's logger.

    Attributes
    ----------
    count : int
        All faults so far.
    last : str
        What failed last, and why; '' when nothing did.

    """

    def __init__(self, logger: Callable[[], Any]) -> None:
        self.count = 0
        self.last = ''
        self._logger = logger
        self._last_at = 0.0
        self._kinds: OrderedDict[tuple[object, ...], None] = OrderedDict()
        self._lock = Lock()

    @property
    def recent(self) -> str:
        """What failed last if it was a short while ago, else ''."""
        return self.last if self.last and monotonic() - self._last_at < RECENT_S else ''

    def guard(
        self,
        what: str,
        callback: Callable[..., Any],
        otherwise: Callable[..., Any] = lambda *_: None,
    ) -> Callable[..., Any]:
        """Return a callback that notes what another one raises.

        Parameters
        ----------
        what : str
            Names it in the log.
        callback : callable
        otherwise : callable
            Called like it once it has failed; says what is returned.

        """
        if inspect.iscoroutinefunction(callback):

            @wraps(callback)
            async def guarded_async(*args: Any) -> Any:
                try:
                    return await callback(*args)
                except Exception as error:
                    self.note(what, error)
                    return otherwise(*args)

            return guarded_async

        @wraps(callback)
        def guarded(*args: Any) -> Any:
            try:
                return callback(*args)
            except Exception as error:
                self.note(what, error)
                return otherwise(*args)

        return guarded

    def note(self, what: str, error: Exception) -> None:
        """Remember a fault, and log it with its traceback if it is the first of its kind."""
        frames = extract_tb(error.__traceback__)
        place = (frames[-1].filename, frames[-1].lineno) if frames else ()
        kind = (what, type(error), *place)
        text = f'{what} failed: {reason(error)}'
        with self._lock:
            self.count += 1
            self.last, self._last_at = text, monotonic()
            is_known = kind in self._kinds
            self._kinds[kind] = None
            self._kinds.move_to_end(kind)
            if len(self._kinds) > MAX_KINDS:
                self._kinds.popitem(last=False)
        if not is_known:
            trace = ''.join(format_exception(error))[-4 * MAX_REASON :]
            self._logger().error(
                f'{text}; the node goes on, and others of this kind are counted in /diagnostics '
                f'only\n{trace.encode("utf-8", "replace").decode()}'
            )
