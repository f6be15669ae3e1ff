# SPDX-License-Identifier: Apache-2.0
"""The camera's side of the node: keeps frames, decodes none, remembers what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from sam_common.errors import ImageError
from sam_common.images import check_raw
from sam_common.ros.conversions import compressed_to_rgb, image_to_rgb, stamp_to_ns
from sam_common.ros.topic_input import TopicInput
from sam_common.stamp_order import StampOrder
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer

TRANSPORTS = ('raw', 'compressed')


class ImageInput(TopicInput):
    """Subscribes to the image topic and keeps the newest frames.

    Parameters
    ----------
    node : Node
    transport : str
        'raw' or 'compressed'.
    capacity : int
        How many frames are kept.
    order : StampOrder or None
        What is known of the stream's time; None: nothing.
    on_frame : callable
        Called, quickly, after each usable frame.

    Attributes
    ----------
    buffer : FrameBuffer
    encoding : str
        Of the last image.

    """

    def __init__(
        self,
        node: Node,
        *,
        transport: str,
        capacity: int,
        order: StampOrder[Frame] | None,
        on_frame: Callable[[], None],
    ) -> None:
        if transport not in TRANSPORTS:
            raise ImageError(f'image_transport is {transport!r}; use {" or ".join(TRANSPORTS)}')
        self.buffer = FrameBuffer(capacity, order)
        self.encoding = ''
        self._on_frame = on_frame
        if transport == 'raw':
            super().__init__(node, Image, '~/image', self._keep_raw)
        else:
            super().__init__(node, CompressedImage, '~/image/compressed', self._keep_compressed)

    def close(self) -> None:
        """End the subscription and forget the frames."""
        super().close()
        self.buffer.clear()

    def _keep_raw(self, msg: Image) -> None:
        self.encoding = msg.encoding
        try:
            check_raw(msg)
        except ImageError as error:
            self.refuse(error)
            return
        self._keep(msg, partial(image_to_rgb, msg))

    def _keep_compressed(self, msg: CompressedImage) -> None:
        self.encoding = msg.format
        self._keep(msg, partial(compressed_to_rgb, msg))

    def _keep(self, msg: Any, decode: Callable[[], Any]) -> None:
        self.error = ''
        self.buffer.add(Frame(stamp_to_ns(msg.header.stamp), msg.header, decode))
        self._on_frame()
