# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms, as messages and as matrices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import Transform
from scipy.spatial.transform import Rotation, Slerp

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Rigid:
    """A rotation followed by a translation.

    Parameters
    ----------
    rotation : Rotation
        Of SciPy, a single one.
    translation : array of float64, shape (3,)
        [m].

    """

    rotation: Rotation
    translation: Floats

    @classmethod
    def identity(cls) -> Rigid:
        """Return what moves nothing."""
        return cls(Rotation.identity(), np.zeros(3))

    @classmethod
    def from_msg(cls, msg: Transform) -> Rigid:
        """Return a message's transform; its quaternion must be of unit length."""
        t, q = msg.translation, msg.rotation
        return cls(Rotation.from_quat([q.x, q.y, q.z, q.w]), np.array([t.x, t.y, t.z]))

    def to_msg(self) -> Transform:
        """Return it as a message."""
        msg = Transform()
        x, y, z, w = map(float, self.rotation.as_quat())
        msg.rotation.x, msg.rotation.y, msg.rotation.z, msg.rotation.w = x, y, z, w
        x, y, z = map(float, self.translation)
        msg.translation.x, msg.translation.y, msg.translation.z = x, y, z
        return msg

    def __matmul__(self, other: Rigid) -> Rigid:
        """Return what the other does, followed by this."""
        return Rigid(
            self.rotation * other.rotation,
            self.rotation.apply(other.translation) + self.translation,
        )

    def inverse(self) -> Rigid:
        """Return what undoes it."""
        back = self.rotation.inv()
        return Rigid(back, -back.apply(self.translation))

    def towards(self, other: Rigid, share: float) -> Rigid:
        """Return what lies between this (share 0) and the other (share 1)."""
        turn = Slerp([0, 1], Rotation.concatenate([self.rotation, other.rotation]))
        step = share * (other.translation - self.translation)
        return Rigid(turn(share), self.translation + step)
