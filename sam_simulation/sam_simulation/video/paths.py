# SPDX-License-Identifier: Apache-2.0
"""How things move over a table: smooth paths as functions of time.

A path takes a time [s] and returns x, y, z [m] and yaw about z [rad], shape (4,).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sam_common.types import FloatArray
from sam_simulation.camera.viewpoint import Pose

Path = Callable[[float], FloatArray]


def through(times_s: Sequence[float], points: npt.ArrayLike) -> Path:
    """Return the path that comes to rest at each point at its time, and rests before and after.

    Between two points it moves with minimum jerk, as a hand does (Flash and Hogan, 1985).

    Parameters
    ----------
    times_s : sequence of float
        Ascending, at least one [s].
    points : array, shape (len(times_s), N)

    """
    times = np.asarray(times_s, np.float64)
    places = np.asarray(points, np.float64)
    if (np.diff(times) <= 0).any() or len(times) != len(places):
        raise ValueError(f'times are {times}, for {len(places)} points; give ascending ones, each')

    def path(time_s: float) -> FloatArray:
        last = int(np.searchsorted(times, time_s, side='right')) - 1
        if last < 0 or last == len(times) - 1:
            return np.array(places[max(0, last)])
        part = (time_s - times[last]) / (times[last + 1] - times[last])
        share = part**3 * (10 - 15 * part + 6 * part**2)
        return np.asarray(places[last] + share * (places[last + 1] - places[last]))

    return path


def around(centre_xy: FloatArray, half_axes: FloatArray, angle: Path, *, yaw_rad: float) -> Path:
    """Return the path along an ellipse on the table.

    Parameters
    ----------
    centre_xy : array of float64, shape (2,)
        [m].
    half_axes : array of float64, shape (2, 2)
        The vectors from the centre to where the angle is 0 and a quarter turn [m].
    angle : path of one number
        How far round [rad].
    yaw_rad : float
        Where the object faces at angle 0; it turns half as fast as it goes round.

    """

    def path(time_s: float) -> FloatArray:
        turned = float(angle(time_s)[0])
        x, y = centre_xy + np.cos(turned) * half_axes[0] + np.sin(turned) * half_axes[1]
        return np.array([x, y, 0.0, yaw_rad + turned / 2])

    return path


def to_pose(place: FloatArray) -> Pose:
    """Return the transform (4, 4) of an object at x, y, z [m], turned by yaw [rad]."""
    cos, sin = np.cos(place[3]), np.sin(place[3])
    pose = np.eye(4)
    pose[:2, :2] = [[cos, -sin], [sin, cos]]
    pose[:3, 3] = place[:3]
    return pose
