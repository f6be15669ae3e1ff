# SPDX-License-Identifier: Apache-2.0
"""How large an object is, which way it is turned, and where its middle is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import FloatArray
from sam_grasping.core.errors import TargetError


@dataclass(frozen=True, eq=False, kw_only=True)
class OrientedBox:
    """A box that stands upright in the frame of the points that it encloses.

    Parameters
    ----------
    pose : array of float64, shape (4, 4)
        From its own frame to that of the points: the origin in its middle, x along the longer
        side of its base, z up [m].
    size_xyz_m : array of float64, shape (3,)
        Of its sides [m].

    Examples
    --------
    >>> import numpy as np
    >>> OrientedBox(pose=np.eye(4), size_xyz_m=np.array([0.2, 0.1, 0.3])).yaw_rad
    0.0

    """

    pose: FloatArray
    size_xyz_m: FloatArray

    @property
    def yaw_rad(self) -> float:
        """The direction of its longer side, from -pi / 2 (included) to pi / 2 [rad]."""
        yaw = np.arctan2(self.pose[1, 0], self.pose[0, 0])
        return float((yaw + np.pi / 2) % np.pi - np.pi / 2)


def standing_box(points: FloatArray) -> OrientedBox:
    """Return the box with the smallest base round points (N, 3) of a frame whose z is up [m].

    Its base is their smallest rectangle seen from above (Freeman and Shapira, 1975).

    Raises
    ------
    TargetError
        If there is no point.

    Examples
    --------
    >>> import numpy as np
    >>> corners = np.array([[0, 0, 0], [2, 0, 0], [0, 1, 0], [2, 1, 4]], float)
    >>> standing_box(corners).size_xyz_m.round(3).tolist()
    [2.0, 1.0, 4.0]

    """
    if not len(points):
        raise TargetError('there is no point to measure; give at least one')
    middle, sides, angle_deg = cv2.minAreaRect(points[:, :2].astype(np.float32))
    angle = np.radians(angle_deg)
    if sides[0] < sides[1]:
        sides, angle = sides[::-1], angle + np.pi / 2
    low, high = points[:, 2].min(), points[:, 2].max()
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    pose[:3, 3] = *middle, (low + high) / 2
    return OrientedBox(pose=pose, size_xyz_m=np.array([*sides, high - low]))
