# SPDX-License-Identifier: Apache-2.0
"""TF's buffer, safe from what anybody may publish on /tf."""

from __future__ import annotations

from collections.abc import Callable
from math import hypot
from threading import RLock
from time import monotonic
from typing import Any

import tf2_ros
from geometry_msgs.msg import TransformStamped

from sam_common.ros.conversions import stamp_to_ns
from sam_common.stamp_order import NANOSECONDS

# The buffer never forgets a name, not even when it is cleared.
MAX_FRAMES, MAX_NAME = 5_000, 256
# A frame's stamps went back if so many in a row are by more than this before its newest one.
SEVERAL, BACK_NS = 3, 500_000_000
# What is further ahead than the buffer remembers would make it forget all before.
AHEAD_NS = 10_000_000_000
# As tf2: how far a quaternion's squared length may be from one.
UNIT_TOLERANCE = 1e-2


class TfBuffer(tf2_ros.Buffer):  # type: ignore[misc]  # without types where ROS 2 is not installed
    """Takes in transforms as the original does, but for those that would harm.

    A transform without a meaning is left out, and so are those of frames above 5,000. When the
    stamps of a frame go back and stay back, what was told before is forgotten; one odd stamp, be
    it ahead or back, costs nothing.

    Parameters
    ----------
    logger : rclpy logger
    clock : callable
        Returns the time that has passed since any moment [s].

    Attributes
    ----------
    overflow : str
        For an error's message: that frames were left out; '' if none was.

    """

    def __init__(self, logger: Any, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self._clock = clock
        self.overflow = ''
        self._logger = logger
        self._names: set[str] = set()
        self._newest_ns: dict[str, int] = {}
        self._came_s: dict[str, float] = {}
        # Of each frame, those in a row that are far before its newest one; and one far ahead.
        self._back: dict[str, list[TransformStamped]] = {}
        self._ahead: dict[str, TransformStamped] = {}
        # Transforms arrive and are forgotten in different threads.
        self._lock = RLock()

    def set_transform(self, transform: TransformStamped, authority: str) -> None:
        """Take in a transform."""
        with self._lock:
            if not self._is_usable(transform) or self._waits(transform):
                return
            self._keep(transform, authority)
            if self._stays_back(transform):
                self.forget(f'the stamps of TF of {transform.child_frame_id!r} went back')

    def set_transform_static(self, transform: TransformStamped, authority: str) -> None:
        """Take in a transform that holds at every time."""
        with self._lock:
            if self._is_usable(transform):
                super().set_transform_static(transform, authority)

    def forget(self, why: str) -> None:
        """Forget every transform but those that hold at every time, or came since."""
        self._logger.warning(f'{why}; what TF told before is forgotten', throttle_duration_sec=5.0)
        with self._lock:
            since = [transform for back in self._back.values() for transform in back]
            self._newest_ns.clear()
            self._back.clear()
            self._ahead.clear()
            self.clear()
            for transform in since:
                self._keep(transform, '')

    def _keep(self, transform: TransformStamped, authority: str) -> None:
        child, stamp_ns = transform.child_frame_id, stamp_to_ns(transform.header.stamp)
        self._newest_ns[child] = max(stamp_ns, self._newest_ns.get(child, stamp_ns))
        self._came_s[child] = self._clock()
        super().set_transform(transform, authority)

    def _waits(self, transform: TransformStamped) -> bool:
        """Tell whether a transform leaps ahead, and is to wait for another that does so, too."""
        child, stamp_ns = transform.child_frame_id, stamp_to_ns(transform.header.stamp)
        held = self._ahead.pop(child, None)
        # After a pause it may well be ahead.
        passed_ns = 2 * (self._clock() - self._came_s.get(child, 0.0)) * NANOSECONDS
        if stamp_ns <= self._newest_ns.get(child, stamp_ns) + AHEAD_NS + passed_ns:
            return False
        if held is None or stamp_ns < stamp_to_ns(held.header.stamp):
            self._ahead[child] = transform
            return True
        self._keep(held, '')
        return False

    def _stays_back(self, transform: TransformStamped) -> bool:
        child, stamp_ns = transform.child_frame_id, stamp_to_ns(transform.header.stamp)
        if stamp_ns >= self._newest_ns[child] - BACK_NS:
            self._back.pop(child, None)
            return False
        back = self._back.setdefault(child, [])
        if back and stamp_ns < stamp_to_ns(back[-1].header.stamp):
            # They must go on from there.
            back.clear()
        back.append(transform)
        return len(back) >= SEVERAL

    def _is_usable(self, transform: TransformStamped) -> bool:
        parent, child = transform.header.frame_id, transform.child_frame_id
        t, q = transform.transform.translation, transform.transform.rotation
        length = hypot(q.x, q.y, q.z, q.w)
        # Written so that NaN is none.
        is_rigid = abs(length**2 - 1) <= UNIT_TOLERANCE if length < 2 else False
        is_near = all(abs(x) < float('inf') for x in (t.x, t.y, t.z))
        names = {parent, child}
        are_names = '' not in names and len(names) == 2 and '\0' not in parent + child
        if not (is_rigid and is_near and are_names and max(map(len, names)) <= MAX_NAME):
            self._logger.warning(
                f'TF from {child[:80]!r} to {parent[:80]!r} is left out: two names of at most '
                f'{MAX_NAME} characters, finite numbers and a quaternion of unit length are '
                'needed; correct what publishes it',
                throttle_duration_sec=5.0,
            )
            return False
        if len(self._names) + len(names - self._names) > MAX_FRAMES:
            self.overflow = f'; TF tells of more than {MAX_FRAMES} frames, the rest is left out'
            self._logger.warning(self.overflow.strip('; '), throttle_duration_sec=5.0)
            return False
        self._names |= names
        return True
