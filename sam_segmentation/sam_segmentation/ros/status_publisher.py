# SPDX-License-Identifier: Apache-2.0
"""What a node says about itself on /diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

PERIOD_S = 1.0


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
    """Publishes a node's report once a second."""

    def __init__(self, node: Node, report: Callable[[], Report]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        node.create_timer(PERIOD_S, self._publish)

    def _publish(self) -> None:
        report = self._report()
        status = DiagnosticStatus(
            level=report.level,
            name=self._node.get_fully_qualified_name(),
            message=report.message,
            hardware_id=report.hardware_id,
            values=[KeyValue(key=key, value=str(fact)) for key, fact in report.facts.items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)


def mean_ms(times_s: Iterable[float]) -> str:
    """Return the mean of times [s] as milliseconds, in words for a report."""
    times = list(times_s)
    return f'{1e3 * fmean(times):.1f}' if times else 'none yet'
