# SPDX-License-Identifier: Apache-2.0
"""What a node says about itself on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType

from sam_common.ros.managed_node import ManagedNode
from sam_common.ros.watches import ClockWatch, NamesakeWatch

PERIOD_S = 1.0
# Work, images and a subscriber, but nothing that comes out for so long, is worth a warning [s].
STANDS_STILL_AFTER_S = 5.0


@dataclass(frozen=True)
class Report:
    """How a node is.

    Parameters
    ----------
    level : bytes
        Of DiagnosticStatus.
    message : str
        Above all, why nothing comes out.
    facts : mapping of str to object
        The figures behind it.
    hardware_id : str

    """

    level: bytes
    message: str
    facts: Mapping[str, object]
    hardware_id: str = ''


class StatusPublisher:
    """Publishes a node's report once a second, with what the node cannot know of itself.

    Parameters
    ----------
    node : ManagedNode
    report : callable
        Returns the Report.

    """

    def __init__(self, node: ManagedNode, report: Callable[[], Report]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self._watches = (ClockWatch(node), NamesakeWatch(node))
        # A clock of its own: when a simulated one stands, people want to know (ros2/rclcpp#940).
        node.create_timer(PERIOD_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _publish(self) -> None:
        report, faults = self._made(), self._node.faults
        level, reasons = report.level, [report.message]
        warnings = [watch.look() for watch in self._watches]
        warnings.append(faults.recent)
        if any(warnings):
            if level == DiagnosticStatus.OK:
                level, reasons = DiagnosticStatus.WARN, []
            reasons += [warning for warning in warnings if warning]
        facts = {**report.facts, 'faults of callbacks': faults.count}
        if faults.last:
            facts['last fault'] = faults.last
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name(),
            message='; '.join(reasons),
            hardware_id=report.hardware_id,
            values=[KeyValue(key=key, value=str(fact)) for key, fact in facts.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)

    def _made(self) -> Report:
        """Return the report, or why there is none: even then people must not be left alone."""
        try:
            return self._report()
        except Exception as error:
            self._node.faults.note('the report for /diagnostics', error)
            return Report(DiagnosticStatus.ERROR, 'the node could not be reported on', {})


def mean_ms(times_s: Iterable[float]) -> str:
    """Return the mean of times [s] as milliseconds, in words for a report."""
    times = list(times_s)
    return f'{1e3 * fmean(times):.1f}' if times else 'none yet'
