# SPDX-License-Identifier: Apache-2.0
"""A subscription that can tell why nothing comes in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from sam_common.rate_counter import RateCounter

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # as Humble calls it
    from rclpy.qos_event import SubscriptionEventCallbacks

# How often it is looked for somebody who keeps messages for those who come late [s].
LOOK_PERIOD_S = 0.5
# What a user may override for each subscription, by parameters of ROS's own names.
OVERRIDABLE = (
    QoSPolicyKind.HISTORY,
    QoSPolicyKind.DEPTH,
    QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
# The values with which a subscription takes what any publisher offers.
UNDEMANDING = {
    QoSPolicyKind.RELIABILITY: 'best_effort',
    QoSPolicyKind.DURABILITY: 'volatile',
}


class TopicInput:
    """Subscribes to a topic, best effort unless told, and counts what comes.

    Parameters
    ----------
    node : Node
    kind : type
        Of the messages.
    topic : str
        Before remapping.
    on_message : callable
        Called, quickly, with each message.
    depth : int
        How many messages wait. With one, a message that comes while another is looked at
        replaces it.
    reliable : bool
        Whether none may be lost on the way.
    latched : bool
        Whether to take, too, what was published before, if its publisher keeps it for those who
        come late (transient local).

    Attributes
    ----------
    received : int
        Messages that arrived, usable or not.
    error : str
        Why the last message was unusable; '' if it was usable.
    is_closed : bool
        Whether the subscription has ended.
    was_latched : bool
        Whether the publisher keeps messages for those who come late: it may publish but once.
    incompatible : str
        What keeps publishers away, and the remedy; '' if nothing does.

    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        topic: str,
        on_message: Callable[[Any], None],
        *,
        depth: int = 1,
        reliable: bool = False,
        latched: bool = False,
    ) -> None:
        self.received = 0
        self.error = ''
        self.was_latched = False
        self.is_closed = False
        self.incompatible = ''
        self._node = node
        self._on_message = on_message
        self._depth = depth
        self._arrivals = RateCounter()
        policy = ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT
        self._subscription = node.create_subscription(
            kind,
            topic,
            self._take,
            QoSProfile(depth=depth, reliability=policy),
            callback_group=MutuallyExclusiveCallbackGroup(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=QoSOverridingOptions(OVERRIDABLE),
        )
        self._kept: Any = None
        self._look: Any = None
        if latched:
            # Steady: it must go on when a simulated clock stands.
            clock = Clock(clock_type=ClockType.STEADY_TIME)
            self._look = node.create_timer(LOOK_PERIOD_S, self._look_for_kept, clock=clock)

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
        return self._arrivals.rate_hz

    def close(self) -> None:
        """End the subscription."""
        self.is_closed = True
        if self._look is not None:
            self._node.destroy_timer(self._look)
        for subscription in filter(None, (self._subscription, self._kept)):
            self._node.destroy_subscription(subscription)

    def refuse(self, error: Exception) -> None:
        """Remember, and tell, why the last message was unusable."""
        self.error = str(error)
        self._node.get_logger().warning(
            f'message on {self.topic} refused: {error}', throttle_duration_sec=5.0
        )

    def _take(self, msg: Any) -> None:
        self.received += 1
        self._arrivals.note()
        self._on_message(msg)

    def _look_for_kept(self) -> None:
        """Ask for what was published before, as soon as there is somebody who keeps it."""
        # Not from the start: one that asks for it gets nothing of others, and makes them warn.
        # Nor instead: a subscription that hears all must stay.
        offers = self._node.get_publishers_info_by_topic(self.topic)
        if all(o.qos_profile.durability != DurabilityPolicy.TRANSIENT_LOCAL for o in offers):
            return
        self._look.cancel()
        self._kept = self._node.create_subscription(
            self._subscription.msg_type,
            self.topic,
            self._take_kept,
            QoSProfile(
                depth=self._depth,
                reliability=ReliabilityPolicy.RELIABLE,
                durability=DurabilityPolicy.TRANSIENT_LOCAL,
            ),
            callback_group=self._subscription.callback_group,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=lambda _: None),
        )

    def _take_kept(self, msg: Any) -> None:
        # A publisher that keeps messages reaches the other subscription, too, unless it came late.
        self.was_latched = True
        self.received = max(self.received, 1)
        self._on_message(msg)

    def _on_incompatible(self, event: Any) -> None:
        policy = QoSPolicyKind(int(event.last_policy_kind))
        name = policy.name.lower()
        remedy = 'change the QoS of the publisher'
        if policy in UNDEMANDING:
            remedy = (
                f'start the node with qos_overrides.{self.topic}.subscription.{name}:='
                f'{UNDEMANDING[policy]}, or {remedy}'
            )
        self.incompatible = (
            f'the QoS policy {name} of a publisher on {self.topic} is incompatible; {remedy}'
        )
        self._node.get_logger().warning(self.incompatible)
