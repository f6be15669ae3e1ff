# SPDX-License-Identifier: Apache-2.0
"""What a node looks out for round about it: a clock that stands, another node of its name."""

from __future__ import annotations

from time import monotonic

from rclpy.node import Node

# A clock that has not moved for so long stands [s].
STANDS_AFTER_S = 3.0


class ClockWatch:
    """Sees whether a simulated clock moves."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._time_ns = -1
        self._moved_at = monotonic()

    def look(self) -> str:
        """Return why the node's clock does not move, '' if it does; to be called often."""
        clock = self._node.get_clock()
        now_ns = clock.now().nanoseconds
        if now_ns != self._time_ns or not self._node.get_parameter('use_sim_time').value:
            self._time_ns, self._moved_at = now_ns, monotonic()
            return ''
        stood_s = monotonic() - self._moved_at
        if stood_s < STANDS_AFTER_S:
            return ''
        if not now_ns:
            return (
                'use_sim_time is true, but no time has come on /clock; start the simulation, play '
                'the bag with --clock, or set use_sim_time to false'
            )
        return (
            f'use_sim_time is true, and /clock has stood at {now_ns / 1e9:.3f} s for '
            f'{stood_s:.0f} s; resume the simulation or the bag'
        )


class NamesakeWatch:
    """Sees whether another node has the same name: services of both would answer in turn."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._told = False

    def look(self) -> str:
        """Return that there is another node of the name, '' if there is none."""
        own = (self._node.get_name(), self._node.get_namespace())
        count = self._node.get_node_names_and_namespaces().count(own)
        if count < 2:
            self._told = False
            return ''
        text = (
            f'{count} nodes are called {self._node.get_fully_qualified_name()}, and whichever is '
            'first answers; stop the others, or rename this one (-r __node:=NAME)'
        )
        if not self._told:
            self._told = True
            self._node.get_logger().warning(text)
        return text
