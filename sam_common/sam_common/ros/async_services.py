# SPDX-License-Identifier: Apache-2.0
"""How the services of `sam_node` answer: always, and without holding up one another."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future as WorkerFuture
from functools import partial
from traceback import format_exc
from typing import Any, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

from sam_common.bounds import check_payload
from sam_common.errors import SamError
from sam_common.ros.faults import explain
from sam_common.ros.parameters import NodeOptions, read_options

T = TypeVar('T')
# Requests that may arrive while the node is busy; ROS keeps 10 unless told.
QUEUE = 100


class LateError(SamError):
    """A request that was not done in time."""


class AsyncServices:
    """Offers services whose handlers wait for the worker, but not for ever.

    Parameters
    ----------
    node : Node
        Its parameter `request_timeout_s` says how long.

    """

    def __init__(self, node: Node) -> None:
        self._node = node
        # Reentrant: a request that waits for the worker must not hold up the next one.
        self._group = ReentrantCallbackGroup()
        # Its own clock: a simulated one may stand still.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)

    def serve(self, kind: Any, name: str, handler: Callable[..., Any]) -> None:
        """Offer a service; `await handler(request, response)` fills the answer or raises."""
        # What does not fit into the queue vanishes: better refused here, and told, than there.
        self._node.create_service(
            kind,
            name,
            partial(self._answer, handler),
            qos_profile=QoSProfile(depth=QUEUE),
            callback_group=self._group,
        )

    async def result(self, job: WorkerFuture[T]) -> T:
        """Wait for the worker; return, or raise, what its job did.

        Raises
        ------
        LateError
            If it is not done in time; the job then ends before its next part.

        """
        done: Future = Future()
        timeout_s = read_options(self._node, NodeOptions).request_timeout_s

        def wake(finished: WorkerFuture[T]) -> None:
            done.set_result(finished)
            # Without it the executor would see the result at its next event only.
            if self._node.executor is not None:
                self._node.executor.wake()

        job.add_done_callback(wake)
        # Cancelling is one of the ways to be done; a job that is done already stays as it is.
        timer = self._node.create_timer(timeout_s, job.cancel, clock=self._clock)
        try:
            finished: WorkerFuture[T] = await done
        finally:
            self._node.destroy_timer(timer)
        if finished.cancelled():
            raise LateError(
                f'not done within request_timeout_s ({timeout_s:g} s), so it is dropped; ask for '
                'less (fewer prompts or points, a smaller image), see in /diagnostics what else '
                'is at work, or raise request_timeout_s'
            )
        return finished.result()

    async def _answer(self, handler: Callable[..., Any], request: Any, response: Any) -> Any:
        """Answer a request, whatever happens: an exception here would end the node."""
        try:
            await handler(request, response)
            response.success = True
        except SamError as error:
            response.message = explain(error)
        except Exception as error:  # goes into the answer, and with its place into the log
            self._node.get_logger().error(f'internal error:\n{format_exc()}')
            response.message = f'internal error, please report it: {error!r}'
        return response


def payload_of(*data: Any) -> int:
    """Return how many bytes a request's arrays hold; raises TooLargeError if that is too much."""
    size = sum(len(part) * int(part.itemsize) for part in data)
    check_payload(size)
    return size
