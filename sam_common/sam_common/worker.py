# SPDX-License-Identifier: Apache-2.0
"""The one thread that runs the model."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Thread
from time import monotonic
from typing import Any

from sam_common.bounds import MAX_PENDING_BYTES
from sam_common.errors import SamError
from sam_common.steps import Steps, T

Job = Callable[[], Any]

_THREAD_NAME = 'inference'
# How much of a frame's time requests may take before the next frame, if one part is not enough; to
# the millisecond, since a part that only looks whether it may go on takes no time.
_SHARE, _INSTANT_S = 0.5, 1e-3
# How long the part that runs is waited for when the worker stops [s].
STOP_TIMEOUT_S = 1.0


class BusyError(SamError):
    """More requests are waiting than are allowed to."""


class StoppedError(BusyError):
    """The worker was stopped, and begins nothing more."""


@dataclass(eq=False)
class _Request:
    future: Future[Any]
    steps: Steps[Any]
    what: str
    payload: int
    is_begun: bool = False


class Worker:
    """Runs requests in order and, in turn with them, the newest job of a stream.

    A request that waits is kept, up to a bound. Of the stream only the newest job waits, so a
    stream faster than the model makes nothing grow, and neither starves the other: while frames
    come, one part of a request runs between two of them, or as many short ones as take half of the
    time of a frame.

    Who no longer waits for a request cancels its future: the request ends before its next part.

    Parameters
    ----------
    max_pending : int
        Requests that may wait; one more raises BusyError.
    on_stream_error : callable
        Told what a job of the stream raised, or a request as it was broken off; nobody else waits
        for it.

    Attributes
    ----------
    replaced : int
        Stream jobs that were replaced by a newer one before their turn came.

    """

    def __init__(self, max_pending: int, on_stream_error: Callable[[Exception], None]) -> None:
        self._max_pending = max_pending
        self._on_stream_error = on_stream_error
        self._requests: deque[_Request] = deque()
        self._request: _Request | None = None
        self._part: tuple[str, float] | None = None
        self._stream_job: Job | None = None
        self._stream_since: float | None = None
        self._stream_is_next = False
        self._frame_s = self._requests_s = 0.0
        self._stopping = False
        self._free: Job = lambda: None
        self._freed: Future[None] = Future()
        self._wake = Condition()
        self.replaced = 0
        self._thread = Thread(target=self._run, name=_THREAD_NAME, daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """How many requests wait."""
        return len(self._requests)

    @property
    def at_work(self) -> tuple[str, float] | None:
        """What runs, and for how long it has without a pause [s]; None: nothing."""
        part = self._part
        return None if part is None else (part[0], monotonic() - part[1])

    @property
    def stream_waits_s(self) -> float:
        """For how long the stream has offered jobs while none was done [s]; 0: it does not."""
        since = self._stream_since
        return 0.0 if since is None else monotonic() - since

    @property
    def is_stopping(self) -> bool:
        """Whether it was stopped, and what still runs is of no use any more."""
        return self._stopping

    def submit(
        self, job: Callable[[], T], *, what: str = 'a request', payload: int = 0
    ) -> Future[T]:
        """Run a request when its turn comes; parameters and errors are those of `submit_steps`."""
        return self.submit_steps(_once(job), what=what, payload=payload)

    def submit_steps(
        self, steps: Steps[T], *, what: str = 'a request', payload: int = 0
    ) -> Future[T]:
        """Run a request part by part, each when its turn comes: others run between them.

        What it returns, or raises, is in the future.

        Parameters
        ----------
        steps : generator
            Closed in the worker's thread if it is broken off.
        what : str
            What the request is called while it runs.
        payload : int
            How much memory it holds while it waits [bytes].

        Raises
        ------
        BusyError
            If too many requests, or too large ones, wait already.
        StoppedError
            If the worker was stopped.

        """
        future: Future[T] = Future()
        with self._wake:
            if self._stopping:
                raise StoppedError('the worker is stopped; start one and ask again')
            # What was cancelled before it began holds nothing that must be let go of in order.
            self._requests = deque(
                other for other in self._requests if other.is_begun or not other.future.done()
            )
            if len(self._requests) >= self._max_pending:
                raise BusyError(
                    f'{len(self._requests)} requests are waiting already; ask again later, or '
                    'raise max_pending_requests'
                )
            held = [*self._requests, *([self._request] if self._request else [])]
            held_bytes = sum(other.payload for other in held)
            if held_bytes + payload > MAX_PENDING_BYTES:
                raise BusyError(
                    f'the requests that wait hold {held_bytes >> 20} MiB and this one '
                    f'{payload >> 20}, more than {MAX_PENDING_BYTES >> 20} MiB; ask again later, '
                    'or send smaller images'
                )
            self._requests.append(_Request(future, steps, what, payload))
            self._wake.notify()
        return future

    def offer(self, job: Job) -> None:
        """Run a job of the stream when its turn comes, unless a newer one is offered before."""
        with self._wake:
            if self._stopping:
                return
            if self._stream_since is None:
                self._stream_since = monotonic()
            self.replaced += self._stream_job is not None
            self._stream_job = job
            self._wake.notify()

    def stop(self, free: Job = lambda: None, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """Refuse what waits, break off what runs at the end of its part, and end the thread.

        A part cannot be interrupted. One that lasts longer than the timeout is left to itself:
        what it returns is dropped, and the thread ends after it.

        Parameters
        ----------
        free : callable
            Called in the thread as the last thing.
        timeout_s : float
            How long to wait for the part that runs [s].

        Returns
        -------
        bool
            Whether the thread has ended, and so everything is free.

        Raises
        ------
        Exception
            What `free` raises, if that is waited for.

        """
        with self._wake:
            self._stopping = True
            self._free = free
            self._stream_job = self._stream_since = None
            waiting, running = list(self._requests), self._request
            self._wake.notify()
        for request in waiting:
            _fail(request.future, _stopped())
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            if running is not None:
                _fail(running.future, _stopped())
            return False
        self._freed.result()
        return True

    def _run(self) -> None:
        while self._turn():
            pass
        for request in self._requests:
            self._close(request.steps)
        self._requests.clear()
        try:
            self._freed.set_result(self._free())
        except Exception as error:  # goes to whoever stopped the worker
            self._freed.set_exception(error)

    def _turn(self) -> bool:
        """Run the next part; return whether another one may follow."""
        with self._wake:
            self._wake.wait_for(
                lambda: self._stopping or self._requests or self._stream_job is not None
            )
            if self._stopping:
                return False
            job = None
            if self._stream_job is not None and (self._stream_is_next or not self._requests):
                job, self._stream_job = self._stream_job, None
            else:
                self._request = self._requests.popleft()
            what = self._request.what if self._request else 'the newest frame of the stream'
            begin = monotonic()
            self._part = what, begin
        try:
            if job is not None:
                self._run_stream(job)
            elif self._request is not None:
                self._run_part(self._request)
        finally:
            # What is done must not keep its images alive here while the worker waits.
            self._request = self._part = None
        self._share(monotonic() - begin, is_frame=job is not None)
        return True

    def _share(self, took_s: float, *, is_frame: bool) -> None:
        """Decide whether a frame is next, after what has just run."""
        if is_frame:
            self._frame_s, self._requests_s = took_s, 0.0
        else:
            self._requests_s += took_s
        due_s = _SHARE * self._frame_s - _INSTANT_S
        self._stream_is_next = not is_frame and self._requests_s >= due_s

    def _run_stream(self, job: Job) -> None:
        try:
            job()
        except Exception as error:  # nobody else waits for it
            if not self._stopping:
                self._on_stream_error(error)
        with self._wake:
            self._stream_since = None if self._stream_job is None else monotonic()

    def _run_part(self, request: _Request) -> None:
        if request.future.done():  # nobody waits for it any more
            self._close(request.steps)
            return
        request.is_begun = True
        try:
            next(request.steps)
        except StopIteration as end:
            _settle(request.future, end.value)
            return
        except Exception as error:  # goes to whoever asked
            _fail(request.future, error)
            return
        with self._wake:
            # A worker that stops closes them all.
            self._requests.append(request)
            if not self._stopping:
                return
        _fail(request.future, _stopped())

    def _close(self, steps: Steps[Any]) -> None:
        try:
            steps.close()
        except Exception as error:  # who asked has been answered
            self._on_stream_error(error)


def is_left_running() -> bool:
    """Tell whether a worker's thread is still at work in this process."""
    return any(thread.name == _THREAD_NAME for thread in threading.enumerate())


def _once(job: Callable[[], T]) -> Steps[T]:
    """Return a request of a single part."""
    return job()
    yield  # makes this a generator


def _settle(future: Future[T], result: T) -> None:
    with suppress(InvalidStateError):  # it was cancelled, or answered otherwise, meanwhile
        future.set_result(result)


def _fail(future: Future[Any], error: Exception) -> None:
    with suppress(InvalidStateError):  # as above
        future.set_exception(error)


def _stopped() -> StoppedError:
    return StoppedError('the worker was stopped before the request was done; ask again later')
