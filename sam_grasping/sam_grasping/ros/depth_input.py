# SPDX-License-Identifier: Apache-2.0
"""The depth camera's side of the node: keeps images, decodes none before it is needed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam_common.errors import DepthError
from sam_common.ros.compressed_depth import check_compressed_depth, depth_from_compressed
from sam_common.ros.conversions import stamp_to_ns
from sam_common.ros.topic_input import TopicInput
from sam_common.stamp_buffer import StampBuffer
from sam_common.types import Float32Array
from sam_grasping.ros.conversions import check_depth, depth_from_msg

TRANSPORTS = ('raw', 'compressed', 'compressedDepth')


@dataclass(frozen=True, eq=False)
class DepthFrame:
    """A depth image, decoded when it is looked at.

    Parameters
    ----------
    stamp_ns : int
        When it was taken [ns].
    header : Header
    decode : callable
        Returns the image, float32 (H, W) [m]; raises DepthError.

    """

    stamp_ns: int
    header: Header
    decode: Callable[[], Float32Array]

    @property
    def depth_m(self) -> Float32Array:
        """The image, float32 (H, W) [m], NaN: no reading; raises DepthError."""
        return _decoded(self)


@lru_cache(maxsize=2)
def _decoded(frame: DepthFrame) -> Float32Array:
    # Several objects are planned for in one image, but few images are looked at again: kept in
    # each frame, the decoded images would triple the buffer's memory.
    return frame.decode()


class DepthInput(TopicInput):
    """Subscribes to the depth topic and keeps the newest images.

    Parameters
    ----------
    node : Node
    transport : str
        'raw', 'compressed' or 'compressedDepth'.
    capacity : int
        How many images are kept.
    on_frame : callable
        Called, quickly, after each usable image.

    Attributes
    ----------
    buffer : StampBuffer of DepthFrame
    encoding : str
        Of the last image.
    size_wh : (int, int)
        Of the last usable image [px].

    Raises
    ------
    DepthError
        If the transport is unknown.

    """

    def __init__(
        self, node: Node, *, transport: str, capacity: int, on_frame: Callable[[], None]
    ) -> None:
        if transport not in TRANSPORTS:
            raise DepthError(f'depth_transport is {transport!r}; use {", ".join(TRANSPORTS)}')
        self.buffer = StampBuffer[DepthFrame](capacity)
        self.encoding = ''
        self.size_wh = (0, 0)
        self._on_frame = on_frame
        self._arrival = Future()
        if transport == 'raw':
            super().__init__(node, Image, '~/depth', self._keep_raw)
        else:
            super().__init__(node, CompressedImage, f'~/depth/{transport}', self._keep_compressed)

    def close(self) -> None:
        """End the subscription and forget the images; nobody waits for one any longer."""
        super().close()
        self.buffer.clear()
        self._wake()

    def arrival(self) -> Future:
        """Return what is done when the next usable image arrives, or none will."""
        return self._arrival

    def _keep_raw(self, msg: Image) -> None:
        self.encoding = msg.encoding
        self._keep(msg, lambda: check_depth(msg), depth_from_msg)

    def _keep_compressed(self, msg: CompressedImage) -> None:
        self.encoding = msg.format
        self._keep(msg, lambda: check_compressed_depth(msg), depth_from_compressed)

    def _keep(
        self, msg: Any, size_wh: Callable[[], tuple[int, int]], decode: Callable[[Any], Any]
    ) -> None:
        try:
            self.size_wh = size_wh()
        except DepthError as error:
            self.refuse(error)
            return
        self.error = ''
        self.buffer.add(
            DepthFrame(stamp_to_ns(msg.header.stamp), msg.header, partial(decode, msg))
        )
        self._wake()
        self._on_frame()

    def _wake(self) -> None:
        arrived, self._arrival = self._arrival, Future()
        arrived.set_result(None)
