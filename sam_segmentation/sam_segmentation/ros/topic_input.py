# SPDX-License-Identifier: Apache-2.0
"""A subscription that can tell why nothing comes in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # as Humble calls it
    from rclpy.qos_event import SubscriptionEventCallbacks


class TopicInput:
    """Subscribes to a topic of sensor data, best effort, and counts what comes.

    Parameters
    ----------
    node : Node
    kind : type
        Of the messages.
    topic : str
        Before remapping.
    on_message : callable
        Called, quickly, with each message.

    Attributes
    ----------
    received : int
        Messages that arrived, usable or not.
    error : str
        Why the last message was unusable; empty: it was not.
    incompatible : str
        The QoS policy that keeps publishers away; empty: none does.

    """

    def __init__(
        self, node: Node, kind: Any, topic: str, on_message: Callable[[Any], None]
    ) -> None:
        self.received = 0
        self.error = ''
        self.incompatible = ''
        self._node = node
        self._on_message = on_message
        self._arrivals: deque[float] = deque(maxlen=30)
        self._subscription = node.create_subscription(
            kind,
            topic,
            self._take,
            # A queue of one: a message that comes while another is looked at replaces it.
            QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
            callback_group=MutuallyExclusiveCallbackGroup(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    @property
    def topic(self) -> str:
        """The topic's name after remapping."""
        return str(self._subscription.topic_name)

    @property
    def publishers(self) -> int:
        """How many publish on the topic."""
        return int(self._node.count_publishers(self.topic))

    @property
    def rate_hz(self) -> float:
        """At what rate the last messages arrived [Hz]; 0 when none came for two seconds."""
        arrivals = list(self._arrivals)
        if len(arrivals) < 2 or monotonic() - arrivals[-1] > 2.0:
            return 0.0
        return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])

    def close(self) -> None:
        """End the subscription."""
        self._node.destroy_subscription(self._subscription)

    def refuse(self, error: Exception) -> None:
        """Remember, and tell, why the last message was unusable."""
        self.error = str(error)
        self._node.get_logger().warning(
            f'message on {self.topic} refused: {error}', throttle_duration_sec=5.0
        )

    def _take(self, msg: Any) -> None:
        self.received += 1
        self._arrivals.append(monotonic())
        self._on_message(msg)

    def _on_incompatible(self, event: Any) -> None:
        self.incompatible = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().warning(
            f'a publisher on {self.topic} offers an incompatible QoS ({self.incompatible}); set '
            f'the parameter qos_overrides.{self.topic}.subscription.reliability to best_effort'
        )
