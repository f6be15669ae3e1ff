# SPDX-License-Identifier: Apache-2.0
"""What /tf and /tf_static tell, into a buffer."""

from __future__ import annotations

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from tf2_ros.buffer import Buffer

DEPTH = 100
AUTHORITY = 'Authority undetectable'


class TransformListener:
    """Fills a buffer for as long as the node spins.

    Parameters
    ----------
    buffer : Buffer
    node : Node
    qos, static_qos : QoSProfile or None
        Of /tf and /tf_static; None: as everybody publishes them.

    """

    def __init__(
        self,
        buffer: Buffer,
        node: Node,
        *,
        qos: QoSProfile | None = None,
        static_qos: QoSProfile | None = None,
    ) -> None:
        self.buffer = buffer
        self.node = node
        # Reentrant: a callback that waits for a transform must not keep it away.
        group = ReentrantCallbackGroup()
        latched = QoSProfile(depth=DEPTH, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.tf_sub = node.create_subscription(
            TFMessage,
            '/tf',
            self._on_tf,
            qos or QoSProfile(depth=DEPTH),
            callback_group=group,
        )
        self.tf_static_sub = node.create_subscription(
            TFMessage,
            '/tf_static',
            self._on_tf_static,
            static_qos or latched,
            callback_group=group,
        )

    def unregister(self) -> None:
        """Stop listening."""
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)

    def _on_tf(self, msg: TFMessage) -> None:
        for transform in msg.transforms:
            self.buffer.set_transform(transform, AUTHORITY)

    def _on_tf_static(self, msg: TFMessage) -> None:
        for transform in msg.transforms:
            self.buffer.set_transform_static(transform, AUTHORITY)
