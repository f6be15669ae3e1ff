# SPDX-License-Identifier: Apache-2.0
"""Points in one frame and in another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def moved(
    point: npt.ArrayLike, translation: npt.ArrayLike, quaternion_xyzw: npt.ArrayLike
) -> tuple[float, float, float]:
    """Return a point after a rotation, by a quaternion of unit length, and a translation [m]."""
    v, q = np.asarray(point, np.float64), np.asarray(quaternion_xyzw, np.float64)
    axis, w = q[:3], q[3]
    turned = v + 2 * np.cross(axis, np.cross(axis, v) + w * v)
    x, y, z = map(float, turned + np.asarray(translation, np.float64))
    return x, y, z
