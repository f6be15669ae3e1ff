# SPDX-License-Identifier: Apache-2.0
"""The bag's time while it is played, on the steady clock, and on /clock if asked for."""

import time

from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from ros2_standin.stopping import StopRequest


class PlayClock:
    """Maps the bag's stamps to moments of the steady clock; delays thus don't add up."""

    def __init__(
        self, node: Node, *, rate: float, publish_hz: float | None, stop: StopRequest
    ) -> None:
        self._rate = rate
        self._stop = stop
        self._period_ns = round(1e9 / publish_hz) if publish_hz else None
        self._publisher = node.create_publisher(Clock, '/clock', 1) if publish_hz else None
        self.start(0)

    def start(self, stamp_ns: int) -> None:
        """Let the bag's time be `stamp_ns` now."""
        self._bag_start_ns = stamp_ns
        self._start_ns = time.monotonic_ns()
        self._next_tick_ns = self._start_ns

    def wait_until(self, stamp_ns: int) -> bool:
        """Wait for a moment of the bag's time, and tell whether to stop instead."""
        due_ns = self._start_ns + round((stamp_ns - self._bag_start_ns) / self._rate)
        if self._publisher is not None and self._period_ns is not None:
            while self._next_tick_ns <= due_ns:
                if self._sleep_until(self._next_tick_ns):
                    return True
                self._publish(self._next_tick_ns)
                self._next_tick_ns += self._period_ns
        return self._sleep_until(due_ns)

    def _sleep_until(self, moment_ns: int) -> bool:
        left_ns = moment_ns - time.monotonic_ns()
        return self._stop.wait(left_ns / 1e9) if left_ns > 0 else self._stop.is_set()

    def _publish(self, moment_ns: int) -> None:
        bag_ns = self._bag_start_ns + round((moment_ns - self._start_ns) * self._rate)
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(bag_ns, 1_000_000_000)
        if self._publisher is not None:
            self._publisher.publish(message)
