# SPDX-License-Identifier: Apache-2.0
"""The one thread that runs the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any, TypeVar

from sam_segmentation.core.errors import SamError

T = TypeVar('T')
Job = Callable[[], Any]


class BusyError(SamError):
    """More requests are waiting than are allowed to."""


class Worker:
    """Runs requests in order and, in turn with them, the newest job of a stream.

    A request that waits is kept, up to a bound. Of the stream only the newest job waits, so a
    stream faster than the model makes nothing grow, and neither starves the other.

    Parameters
    ----------
    max_pending : int
        Requests that may wait; one more raises BusyError.
    on_stream_error : callable
        Told what a job of the stream raised; nobody else waits for it.

    Attributes
    ----------
    replaced : int
        Stream jobs that were replaced by a newer one before their turn came.

    """

    def __init__(self, max_pending: int, on_stream_error: Callable[[Exception], None]) -> None:
        self._max_pending = max_pending
        self._on_stream_error = on_stream_error
        self._requests: deque[tuple[Future[Any], Job]] = deque()
        self._stream_job: Job | None = None
        self._stream_is_next = False
        self._stopping = False
        self._wake = Condition()
        self.replaced = 0
        self._thread = Thread(target=self._run, name='inference', daemon=True)
        self._thread.start()

    @property
    def pending(self) -> int:
        """How many requests wait."""
        return len(self._requests)

    def submit(self, job: Callable[[], T]) -> Future[T]:
        """Run a request when its turn comes; what it raises is in the future.

        Raises
        ------
        BusyError
            If too many requests wait already, or the worker was stopped.

        """
        future: Future[T] = Future()
        with self._wake:
            if self._stopping:
                raise BusyError('the node is being deactivated; activate it and ask again')
            if len(self._requests) >= self._max_pending:
                raise BusyError(
                    f'{len(self._requests)} requests are waiting already; ask again later, or '
                    'raise max_pending_requests'
                )
            self._requests.append((future, job))
            self._wake.notify()
        return future

    def offer(self, job: Job) -> None:
        """Run a job of the stream when its turn comes, unless a newer one is offered before."""
        with self._wake:
            self.replaced += self._stream_job is not None
            self._stream_job = job
            self._wake.notify()

    def stop(self) -> None:
        """Finish the running job, refuse the waiting ones, and end the thread."""
        with self._wake:
            self._stopping = True
            self._stream_job = None
            refused, self._requests = self._requests, deque()
            self._wake.notify()
        for future, _ in refused:
            future.set_exception(BusyError('the node was deactivated before the request ran'))
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(
                    lambda: self._stopping or self._requests or self._stream_job is not None
                )
                if self._stopping:
                    return
                if self._stream_job is not None and (self._stream_is_next or not self._requests):
                    future, job = None, self._stream_job
                    self._stream_job = None
                else:
                    future, job = self._requests.popleft()
                self._stream_is_next = future is not None
            try:
                result = job()
            except Exception as error:  # goes to whoever asked
                future.set_exception(error) if future else self._on_stream_error(error)
            else:
                if future:
                    future.set_result(result)
                del result
            # A finished job must not keep its images alive while the worker waits.
            del future, job
