# SPDX-License-Identifier: Apache-2.0
"""How one frame lies in another, from TF, or why that is not known."""

from __future__ import annotations

import tf2_ros
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from sam_grasping.core.errors import GraspingError
from sam_grasping.core.transform import Floats
from sam_grasping.ros.conversions import matrix_from_msg
from sam_segmentation.core.frame_ring import format_stamp
from sam_segmentation.ros.conversions import stamp_to_ns


class FrameError(GraspingError, LookupError):
    """A transform that is missing, or not known for the time in question."""


class Frames:
    """Listens to TF for as long as the node spins."""

    def __init__(self, node: Node) -> None:
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def close(self) -> None:
        """Stop listening."""
        self._listener.unregister()

    def transform(self, target: str, header: Header, *, timeout_s: float) -> Floats:
        """Return tf_target_source (4, 4), from a header's frame at its time.

        It waits, so it must not be called where the node spins.

        Parameters
        ----------
        target : str
            A frame's name.
        header : Header
            The source frame and when.
        timeout_s : float
            How long to wait for it [s].

        Raises
        ------
        FrameError
            If it is not known; says what to do.

        """
        source, stamp_ns = header.frame_id, stamp_to_ns(header.stamp)
        if not source:
            raise FrameError(
                f'the depth image names no frame, so nothing leads to {target!r}; let the camera '
                'driver set header.frame_id'
            )
        if stamp_ns < 0:
            raise FrameError(
                f'the depth image is stamped {format_stamp(stamp_ns)}, before all of TF; check '
                "the camera's clock"
            )
        try:
            found = self._buffer.lookup_transform(
                target, source, Time(nanoseconds=stamp_ns), Duration(seconds=timeout_s)
            )
        except tf2_ros.TransformException as error:
            raise FrameError(
                f'TF from {source!r} to {target!r} (target_frame) is not known at the depth '
                f"image's stamp {format_stamp(stamp_ns)}: {str(error).strip()}; {_remedy(error)}"
            ) from error
        return matrix_from_msg(found.transform)


def _remedy(error: tf2_ros.TransformException) -> str:
    if isinstance(error, tf2_ros.ExtrapolationException):
        return 'check that its publisher is alive and its clock right, or raise tf_timeout_s'
    if isinstance(error, tf2_ros.ConnectivityException):
        return 'publish a transform that connects them'
    return (
        'start what publishes it (robot_state_publisher, say, or static_transform_publisher), or '
        'set target_frame right'
    )
