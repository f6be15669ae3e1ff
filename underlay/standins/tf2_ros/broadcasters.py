# SPDX-License-Identifier: Apache-2.0
"""Telling where frames are: now, and always."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import TransformStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

# ruff: noqa: N802  (the original's name)


class TransformBroadcaster:
    """Publishes on /tf.

    Parameters
    ----------
    node : Node
    qos : QoSProfile, int or None
        None: as everybody listens.

    """

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        self.pub_tf = node.create_publisher(TFMessage, '/tf', qos or QoSProfile(depth=100))

    def sendTransform(self, transform: TransformStamped | Sequence[TransformStamped]) -> None:
        """Publish one transform, or several."""
        self.pub_tf.publish(TFMessage(transforms=_listed(transform)))


class StaticTransformBroadcaster:
    """Publishes on /tf_static all that it was ever given, so that who comes late hears it too.

    Parameters
    ----------
    node : Node
    qos : QoSProfile, int or None
        None: the last message is kept for those who come late.

    """

    def __init__(self, node: Node, qos: QoSProfile | int | None = None) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.pub_tf = node.create_publisher(TFMessage, '/tf_static', qos or latched)
        self._transforms: dict[str, TransformStamped] = {}

    def sendTransform(self, transform: TransformStamped | Sequence[TransformStamped]) -> None:
        """Publish one transform, or several; one for the same frame takes the former's place."""
        self._transforms |= {one.child_frame_id: one for one in _listed(transform)}
        self.pub_tf.publish(TFMessage(transforms=list(self._transforms.values())))


def _listed(
    transform: TransformStamped | Sequence[TransformStamped],
) -> list[TransformStamped]:
    return list(transform) if isinstance(transform, Sequence) else [transform]
