# SPDX-License-Identifier: Apache-2.0
"""What is known of all frames, and how one lies in another."""

from __future__ import annotations

from threading import Condition
from time import monotonic

import numpy as np
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.logging import get_logger
from rclpy.node import Node
from rclpy.time import Time

from tf2_ros.errors import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.frame_history import FrameHistory, Placing, StandingFrame
from tf2_ros.rigid import Rigid

CACHE_TIME_S = 10.0
NANOSECONDS = 1_000_000_000
# As tf2: how far a quaternion's squared length may be from one.
UNIT_TOLERANCE = 1e-2
# Frame after frame upwards: those that lead from one to its root.
Path = dict[str, Rigid]


class Buffer:
    """Remembers transforms and answers how one frame lies in another; safe from several threads.

    Parameters
    ----------
    cache_time : Duration or None
        For how long; None: 10 s.
    node : Node or None
        Not needed here.

    """

    def __init__(self, cache_time: Duration | None = None, node: Node | None = None) -> None:
        keep = cache_time or Duration(seconds=CACHE_TIME_S)
        self._keep_ns: int = keep.nanoseconds
        self._frames: dict[str, FrameHistory | StandingFrame] = {}
        self._names: set[str] = set()
        self._changed = Condition()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Take in a transform; one that cannot be used is told of in the log."""
        self._set(transform, authority, static=False)

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Take in a transform that holds at every time."""
        self._set(transform, authority, static=True)

    def clear(self) -> None:
        """Forget every transform but those that hold at every time."""
        with self._changed:
            for name, frame in list(self._frames.items()):
                if isinstance(frame, FrameHistory):
                    del self._frames[name]

    def lookup_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration | None = None,
    ) -> TransformStamped:
        """Return how the source frame lies in the target frame: points go from source to target.

        Parameters
        ----------
        target_frame, source_frame : str
        time : Time
            When; Time(): the newest that is known of all frames between.
        timeout : Duration or None
            How long to wait for it; another thread must spin the listener's node.

        Raises
        ------
        TransformException
            LookupException for an unknown frame, ConnectivityException, ExtrapolationException.

        """
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Time,
        timeout: Duration | None = None,
    ) -> bool:
        """Wait for a transform, and return whether it is known."""
        deadline = monotonic() + (timeout.nanoseconds / 1e9 if timeout else 0.0)
        with self._changed:
            while not (known := self.can_transform_core(target_frame, source_frame, time)[0]):
                if (left := deadline - monotonic()) <= 0:
                    break
                self._changed.wait(left)
        return known

    def can_transform_core(
        self, target_frame: str, source_frame: str, time: Time
    ) -> tuple[bool, str]:
        """Return whether a transform is known now, and why not."""
        try:
            self.lookup_transform_core(target_frame, source_frame, time)
        except TransformException as error:
            return False, str(error)
        return True, ''

    def lookup_transform_core(
        self, target_frame: str, source_frame: str, time: Time
    ) -> TransformStamped:
        """Return a transform as `lookup_transform` does, without waiting."""
        with self._changed:
            for name, role in ((target_frame, 'target_frame'), (source_frame, 'source_frame')):
                self._check(name, role)
            stamp_ns = time.nanoseconds or self._latest_common_ns(target_frame, source_frame)
            try:
                tf = self._between(target_frame, source_frame, stamp_ns)
            except ExtrapolationException as error:
                raise ExtrapolationException(
                    f'{error}, when looking up transform from frame [{source_frame}] to frame '
                    f'[{target_frame}]'
                ) from None
        result = TransformStamped(child_frame_id=source_frame, transform=tf.to_msg())
        result.header.frame_id = target_frame
        stamp = result.header.stamp
        stamp.sec, stamp.nanosec = divmod(stamp_ns, NANOSECONDS)
        return result

    def _set(self, msg: TransformStamped, authority: str, *, static: bool) -> None:
        parent, child = msg.header.frame_id.lstrip('/'), msg.child_frame_id.lstrip('/')
        if problem := _problem(msg, parent, child):
            get_logger('tf2').error(f'Ignoring transform from {authority}: {problem}')
            return
        placing = Placing(parent, Rigid.from_msg(msg.transform))
        # By hand: a Time refuses negative ones, which nobody keeps from being sent.
        stamp = msg.header.stamp
        with self._changed:
            frame = self._frames.get(child)
            if frame is None or static != isinstance(frame, StandingFrame):
                frame = StandingFrame() if static else FrameHistory(self._keep_ns)
                self._frames[child] = frame
            if frame.add(stamp.sec * NANOSECONDS + stamp.nanosec, placing):
                self._names |= {parent, child}
                self._changed.notify_all()

    def _check(self, name: str, role: str) -> None:
        if not name or name.startswith('/'):
            raise InvalidArgumentException(
                f'Invalid argument "{name}" passed to lookupTransform argument {role} - in tf2 '
                "frame_ids cannot be empty or start with a '/'"
            )
        if name not in self._names:
            raise LookupException(
                f'"{name}" passed to lookupTransform argument {role} does not exist. '
            )

    def _latest_common_ns(self, target: str, source: str) -> int:
        """Return the newest time at which all frames between two are known; 0: they stand."""
        if target == source:
            frame = self._frames.get(target)
            return frame.latest_ns if frame else 0
        up = {name: self._newest_path(name) for name in (target, source)}
        common = next((name for name in up[target] if name in up[source]), None)
        if common is None:
            return 0
        stamps_ns = [
            self._frames[name].latest_ns
            for path in up.values()
            for name in path[: path.index(common)]
        ]
        return min((stamp_ns for stamp_ns in stamps_ns if stamp_ns), default=0)

    def _newest_path(self, name: str) -> list[str]:
        names = [name]
        while (frame := self._frames.get(names[-1])) and len(names) <= len(self._names):
            names.append(frame.at(frame.latest_ns).parent)
        return names

    def _between(self, target: str, source: str, stamp_ns: int) -> Rigid:
        if target == source:
            return Rigid.identity()
        up_target, missing_target = self._path(target, stamp_ns)
        up_source, missing_source = self._path(source, stamp_ns)
        common = next((name for name in up_target if name in up_source), None)
        if common is not None:
            return up_target[common].inverse() @ up_source[common]
        missing = missing_target or missing_source
        if missing is not None:
            raise missing
        raise ConnectivityException(
            f"Could not find a connection between '{target}' and '{source}' because they are not "
            'part of the same tree. Tf has two or more unconnected trees.'
        )

    def _path(self, name: str, stamp_ns: int) -> tuple[Path, ExtrapolationException | None]:
        """Return how a frame lies in each one above it, and what ended the way before a root."""
        tf, path = Rigid.identity(), {}
        start = name
        while name not in path:
            path[name] = tf
            frame = self._frames.get(name)
            if frame is None:
                return path, None
            try:
                placing = frame.at(stamp_ns)
            except ExtrapolationException as error:
                return path, error
            name, tf = placing.parent, placing.tf_parent_frame @ tf
        raise LookupException(
            f'The tf tree is invalid because it contains a loop above {start!r}.'
        )


def _problem(msg: TransformStamped, parent: str, child: str) -> str:
    """Return why a transform cannot be used; empty: it can."""
    if not child or not parent:
        return 'frame_id and child_frame_id must not be empty'
    if child == parent:
        return f'frame_id and child_frame_id are the same: {child!r}'
    t, q = msg.transform.translation, msg.transform.rotation
    if not np.isfinite([t.x, t.y, t.z, q.x, q.y, q.z, q.w]).all():
        return f'a value of {child!r} is NaN or infinite'
    if abs(q.x**2 + q.y**2 + q.z**2 + q.w**2 - 1) > UNIT_TOLERANCE:
        return f'the quaternion of {child!r} is not of unit length'
    return ''
