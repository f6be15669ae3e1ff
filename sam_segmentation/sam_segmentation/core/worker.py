# SPDX-License-Identifier: Apache-2.0
"""The one thread that runs the model."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from threading import Condition, Thread
from typing import Any, TypeVar

from sam_segmentation.core.errors import SamError

T = TypeVar('T')
Job = Callable[[], Any]
# A request in parts: it goes on from each `yield` when its turn comes again.
Steps = Generator[None, None, T]


class BusyError(SamError):
    """More requests are waiting than are allowed to."""


class Worker:
    """Runs requests in order and, in turn with them, the newest job of a stream.

    A request that waits is kept, up to a bound. Of the stream only the newest job waits, so a
    stream faster than the model makes nothing grow, and neither starves the other: while frames
    come, at most one request, or one part of one, runs between two of them.

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
        self._requests: deque[tuple[Future[Any], Steps[Any]]] = deque()
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
        return self.submit_steps(_once(job))

    def submit_steps(self, steps: Steps[T]) -> Future[T]:
        """Run a request part by part, each when its turn comes: others run between them.

        What it returns, or raises, is in the future.

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
            self._requests.append((future, steps))
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
            future.set_exception(_stopped())
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
                    job, self._stream_job = self._stream_job, None
                    request = None
                else:
                    request = self._requests.popleft()
                self._stream_is_next = request is not None
            # In functions of their own: what is done must not keep its images alive here while
            # the worker waits.
            if request is None:
                self._run_stream(job)
                del job
            else:
                self._run_part(*request)
                del request

    def _run_stream(self, job: Job) -> None:
        try:
            job()
        except Exception as error:  # nobody else waits for it
            self._on_stream_error(error)

    def _run_part(self, future: Future[Any], steps: Steps[Any]) -> None:
        try:
            next(steps)
        except StopIteration as end:
            future.set_result(end.value)
            return
        except Exception as error:  # goes to whoever asked
            future.set_exception(error)
            return
        with self._wake:
            if not self._stopping:
                self._requests.append((future, steps))
                return
        future.set_exception(_stopped())


def _once(job: Callable[[], T]) -> Steps[T]:
    """Return a request of a single part."""
    return job()
    yield  # makes this a generator


def _stopped() -> BusyError:
    return BusyError('the node was deactivated before the request was done; ask again later')
