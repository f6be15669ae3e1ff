# SPDX-License-Identifier: Apache-2.0
"""How one frame lies in another, from TF, or why that is not known."""

from __future__ import annotations

from math import hypot, isfinite

import tf2_ros
from geometry_msgs.msg import Transform
from rclpy.clock import JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.time import Time
from std_msgs.msg import Header

from sam_common.errors import SamError
from sam_common.ros.conversions import stamp_to_ns
from sam_common.ros.tf_buffer import TfBuffer
from sam_common.stamp_order import format_stamp

# By how little /clock must go back for TF to be forgotten [s].
CLOCK_BACK_S = 0.1
# How far a quaternion's length may be from one, and the farthest that a frame may be [m]: beyond
# all coordinates on Earth.
UNIT_TOLERANCE, MAX_DISTANCE_M = 0.01, 1e8


class FrameError(SamError, LookupError):
    """A transform that is missing, not known for the time in question, or none."""


class TfLookup:
    """Listens to TF for as long as the node spins; forgets it when time goes back.

    What TF told before a bag began anew, or a simulation, is not what it tells now; and as long as
    it is remembered, what is told now counts as too old (ros2/geometry2#606). Frames that stand
    still (/tf_static) are not told of again, and are kept.
    """

    def __init__(self, node: Node) -> None:
        self._logger = node.get_logger()
        self._buffer = TfBuffer(self._logger)
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        threshold = JumpThreshold(
            min_forward=None, min_backward=Duration(seconds=-CLOCK_BACK_S), on_clock_change=True
        )
        self._jumps = node.get_clock().create_jump_callback(
            threshold, post_callback=self._on_clock_jump
        )

    def close(self) -> None:
        """Stop listening."""
        self._jumps.unregister()
        self._listener.unregister()

    def forget(self, why: str) -> None:
        """Forget where frames were, but for those that stand still."""
        self._buffer.forget(why)

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

        Returns
        -------
        Transform
            Finite, its quaternion of unit length.

        Raises
        ------
        FrameError
            If it is not known, or is none; says what to do.

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
        way = f'TF from {source.frame_id[:80]!r} to {target[:80]!r}'
        try:
            found = self._buffer.lookup_transform(
                target, source.frame_id, Time(nanoseconds=stamp_ns), Duration(seconds=timeout_s)
            )
        except (tf2_ros.TransformException, ValueError) as error:
            # ValueError: a name with a null character, which the original can't take.
            raise FrameError(
                f'{way} is not known at {format_stamp(stamp_ns)}: {str(error).strip()}; '
                f'{_remedy(error)}{self._buffer.overflow}'
            ) from error
        return _checked(found.transform, way)

    def _on_clock_jump(self, jump: TimeJump) -> None:
        self._buffer.forget('the clock went back')


def _checked(transform: Transform, way: str) -> Transform:
    t, q = transform.translation, transform.rotation
    # Not by squares, which overflow.
    length = hypot(q.x, q.y, q.z, q.w)
    is_near = all(abs(x) <= MAX_DISTANCE_M for x in (t.x, t.y, t.z))
    if not (is_near and isfinite(length) and abs(length - 1) <= UNIT_TOLERANCE):
        raise FrameError(
            f'{way} is no transform: it moves by ({t.x:g}, {t.y:g}, {t.z:g}) m, at most '
            f'{MAX_DISTANCE_M:g} is accepted, and its quaternion has the length {length:g} '
            'instead of 1; correct what publishes it'
        )
    q.x, q.y, q.z, q.w = (part / length for part in (q.x, q.y, q.z, q.w))
    return transform


def _remedy(error: Exception) -> str:
    if isinstance(error, tf2_ros.ExtrapolationException):
        return 'check that its publisher is alive and its clock right, or wait longer for it'
    if isinstance(error, tf2_ros.ConnectivityException):
        return 'publish a transform that connects them'
    return (
        'start what publishes it (robot_state_publisher, say, or static_transform_publisher), or '
        'correct the name of the frame'
    )
