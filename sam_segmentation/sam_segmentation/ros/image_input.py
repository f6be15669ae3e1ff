# SPDX-License-Identifier: Apache-2.0
"""The camera's side of the node: keeps frames, decodes none, remembers what went wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

from sam_segmentation.core.decoding import check_raw
from sam_segmentation.core.errors import ImageError
from sam_segmentation.core.frame_ring import Frame, FrameRing
from sam_segmentation.ros.conversions import (
    compressed_to_rgb,
    image_to_rgb,
    stamp_to_ns,
)

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ModuleNotFoundError:  # as Humble calls it
    from rclpy.qos_event import SubscriptionEventCallbacks

TRANSPORTS = ('raw', 'compressed')


class ImageInput:
    """Subscribes to the image topic and keeps the newest frames.

    Parameters
    ----------
    node : Node
    transport : str
        'raw' or 'compressed'.
    capacity : int
        How many frames are kept.
    on_frame : callable
        Called, quickly, after each usable frame.

    Attributes
    ----------
    ring : FrameRing
    received : int
        Images that arrived, usable or not.
    error : str
        Why the last image was unusable; empty: it was not.
    incompatible : str
        The QoS policy that keeps publishers away; empty: none does.
    encoding : str
        Of the last image.

    """

    def __init__(
        self, node: Node, *, transport: str, capacity: int, on_frame: Callable[[], None]
    ) -> None:
        if transport not in TRANSPORTS:
            raise ImageError(f'image_transport is {transport!r}; use {" or ".join(TRANSPORTS)}')
        self.ring = FrameRing(capacity)
        self.received = 0
        self.error = ''
        self.incompatible = ''
        self.encoding = ''
        self._arrivals: deque[float] = deque(maxlen=30)
        self._on_frame = on_frame
        self._node = node
        raw = transport == 'raw'
        # A queue of one: a frame that comes while another is looked at replaces it.
        qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._subscription = node.create_subscription(
            Image if raw else CompressedImage,
            '~/image' if raw else '~/image/compressed',
            self._keep_raw if raw else self._keep_compressed,
            qos,
            callback_group=MutuallyExclusiveCallbackGroup(),
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    @property
    def topic(self) -> str:
        """The image topic's name after remapping."""
        return str(self._subscription.topic_name)

    @property
    def publishers(self) -> int:
        """How many publish on the image topic."""
        return int(self._node.count_publishers(self.topic))

    @property
    def rate_hz(self) -> float:
        """At what rate the last images arrived [Hz]; 0 when none came for two seconds."""
        arrivals = list(self._arrivals)
        if len(arrivals) < 2 or monotonic() - arrivals[-1] > 2.0:
            return 0.0
        return (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])

    def close(self) -> None:
        """End the subscription and forget the frames."""
        self._node.destroy_subscription(self._subscription)
        self.ring.clear()

    def _keep_raw(self, msg: Image) -> None:
        self.encoding = msg.encoding
        try:
            check_raw(msg)
        except ImageError as error:
            self._arrived()
            self._refuse(error)
            return
        self._keep(msg, partial(image_to_rgb, msg))

    def _keep_compressed(self, msg: CompressedImage) -> None:
        self.encoding = msg.format
        self._keep(msg, partial(compressed_to_rgb, msg))

    def _keep(self, msg: Any, decode: Callable[[], Any]) -> None:
        self._arrived()
        self.error = ''
        self.ring.add(Frame(stamp_to_ns(msg.header.stamp), msg.header, decode))
        self._on_frame()

    def _arrived(self) -> None:
        self.received += 1
        self._arrivals.append(monotonic())

    def _refuse(self, error: ImageError) -> None:
        self.error = str(error)
        self._node.get_logger().warning(
            f'image on {self.topic} refused: {error}', throttle_duration_sec=5.0
        )

    def _on_incompatible(self, event: Any) -> None:
        self.incompatible = qos_policy_name_from_kind(event.last_policy_kind)
        self._node.get_logger().warning(
            f'a publisher on {self.topic} offers an incompatible QoS ({self.incompatible}); set '
            f'the parameter qos_overrides.{self.topic}.subscription.reliability to best_effort'
        )
