# SPDX-License-Identifier: Apache-2.0
"""How one frame lies in another, from TF, or why that is not known."""

from __future__ import annotations

import tf2_ros
from geometry_msgs.msg import Transform
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from sam_segmentation.core.errors import SamError
from sam_segmentation.core.frame_ring import format_stamp
from sam_segmentation.ros.conversions import stamp_to_ns


class FrameError(SamError, LookupError):
    """A transform that is missing, or not known for the time in question."""


class Frames:
    """Listens to TF for as long as the node spins."""

    def __init__(self, node: Node) -> None:
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()

    def lookup(self, target: str, source: Header, *, timeout_s: float = 0.0) -> Transform:
        """Return the transform that takes points from a header's frame to a target frame.

        Parameters
        ----------
        target : str
            A frame's name.
        source : Header
            The frame, and when; a stamp of 0: the newest that is known.
        timeout_s : float
            How long to wait for it [s]; above 0 only where another thread spins the node.

        Raises
        ------
        FrameError
            If it is not known; says what to do.

        """
        stamp_ns = stamp_to_ns(source.stamp)
        if not source.frame_id:
            raise FrameError(
                f'the message names no frame, so nothing leads from there to {target!r}; let its '
                'sender set header.frame_id'
            )
        if stamp_ns < 0:
            raise FrameError(
                f'the stamp is {format_stamp(stamp_ns)}, before all of TF; check the clock of '
                'what sends it'
            )
        try:
            found = self._buffer.lookup_transform(
                target, source.frame_id, Time(nanoseconds=stamp_ns), Duration(seconds=timeout_s)
            )
        except tf2_ros.TransformException as error:
            raise FrameError(
                f'TF from {source.frame_id!r} to {target!r} is not known at '
                f'{format_stamp(stamp_ns)}: {str(error).strip()}; {_remedy(error)}'
            ) from error
        transform: Transform = found.transform
        return transform


def _remedy(error: tf2_ros.TransformException) -> str:
    if isinstance(error, tf2_ros.ExtrapolationException):
        return 'check that its publisher is alive and its clock right, or wait longer for it'
    if isinstance(error, tf2_ros.ConnectivityException):
        return 'publish a transform that connects them'
    return (
        'start what publishes it (robot_state_publisher, say, or static_transform_publisher), or '
        'correct the name of the frame'
    )
