# SPDX-License-Identifier: Apache-2.0
"""The topics that a managed node's results come out on."""

from __future__ import annotations

from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile


class PublishedTopics:
    """Lifecycle publishers that begin and end together; what nobody listens to is not made.

    Parameters
    ----------
    node : LifecycleNode

    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._publishers: list[Any] = []

    def add(self, kind: Any, topic: str, qos: QoSProfile | int = 5) -> Any:
        """Return a publisher of one more topic."""
        publisher = self._node.create_lifecycle_publisher(kind, topic, qos)
        self._publishers.append(publisher)
        return publisher

    @property
    def subscribers(self) -> int:
        """How many listen to what is published."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers)

    def close(self) -> None:
        """End the topics."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)
