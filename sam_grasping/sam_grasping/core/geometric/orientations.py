# SPDX-License-Identifier: Apache-2.0
"""Which ways to turn the gripper: along the faces of the object first, then all round."""

from __future__ import annotations

import numpy as np

from sam_common.types import FloatArray
from sam_grasping.core.geometric.oriented_box import standing_box

YAW_STEP_RAD = np.radians(20.0)
# Leaning about the jaw axis keeps the fingers on the same faces.
LEANS_RAD = np.radians([0.0, -25.0, 25.0, -50.0, 50.0, -75.0, 75.0])
# Tilting the jaw axis out of the horizontal follows walls that slope, as of a bowl; by much more
# it would pinch the edge between two faces of a box.
TILTS_RAD = np.radians([-25.0, 25.0])
SAME_YAW_RAD = np.radians(4.0)
# Jaws that are a little askew to a face would only turn the object.
ALMOST_YAW_RAD = np.radians(11.0)
UPRIGHT = 0.3  # |z| of the normal of a side face at most
PEAK_RAD = np.radians(10.0)
FACE_SHARE = 0.12  # of all upright points that a face holds at least


def find_rotations(
    points: FloatArray, normals: FloatArray, *, cone_rad: float
) -> tuple[FloatArray, int]:
    """Return orientations of the tool in the table frame.

    Parameters
    ----------
    points, normals : arrays of float64, shape (N, 3)
        Of the object's surface in the table frame [m].
    cone_rad : float
        How far the approach may lean from straight down [rad].

    Returns
    -------
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    outside : int
        Orientations that the cone left out.

    """
    yaws = _yaws(points, normals)
    lean = np.concatenate([LEANS_RAD, np.zeros(len(TILTS_RAD))])
    tilt = np.concatenate([np.zeros(len(LEANS_RAD)), TILTS_RAD])
    inside = np.abs(lean) + np.abs(tilt) <= cone_rad + 1e-9
    outside = int((~inside).sum()) * len(yaws)
    lean, tilt = lean[inside], tilt[inside]
    turned = _down(yaws)[:, None] @ (_about_y(lean) @ _about_x(tilt))[None]
    return turned.reshape(-1, 3, 3), outside


def _yaws(points: FloatArray, normals: FloatArray) -> FloatArray:
    """Return directions of the jaw axis in the plane of the table, modulo pi [rad]."""
    first = standing_box(points).yaw_rad
    faces = _face_yaws(normals)
    preferred = np.concatenate([faces, faces + np.pi / 2, [first, first + np.pi / 2]])
    grid = preferred[0] + np.arange(0.0, np.pi - 1e-9, YAW_STEP_RAD)
    chosen: list[float] = []
    for yaws, least in ((preferred, SAME_YAW_RAD), (grid, ALMOST_YAW_RAD)):
        for yaw in yaws:
            apart = [abs((yaw - other + np.pi / 2) % np.pi - np.pi / 2) for other in chosen]
            if min(apart, default=np.pi) > least:
                chosen.append(yaw)
    return np.array(chosen)


def _face_yaws(normals: FloatArray) -> FloatArray:
    """Return up to two directions that many upright normals share, modulo pi / 2 [rad]."""
    upright = normals[np.abs(normals[:, 2]) < UPRIGHT]
    if len(upright) == 0:
        return np.zeros(0)
    yaws = np.arctan2(upright[:, 1], upright[:, 0])
    found = []
    for _ in range(2):
        # Each direction's neighbours, modulo a quarter turn.
        grid = np.arange(0.0, np.pi / 2, np.radians(3.0))
        off = (yaws[None] - grid[:, None] + np.pi / 4) % (np.pi / 2) - np.pi / 4
        counts = (np.abs(off) < PEAK_RAD / 2).sum(axis=1)
        best = int(np.argmax(counts))
        if counts[best] < max(8.0, FACE_SHARE * len(upright)):
            break
        near = np.abs(off[best]) < PEAK_RAD
        found.append(grid[best] + float(np.median(off[best][near])))
        yaws = yaws[~near]
        if len(yaws) == 0:
            break
    return np.array(found)


def _down(yaws: FloatArray) -> FloatArray:
    """Return rotations (n, 3, 3) of a tool that points straight down, its jaws along the yaws."""
    cos, sin = np.cos(yaws), np.sin(yaws)
    zero, one = np.zeros_like(cos), np.ones_like(cos)
    y = np.stack([cos, sin, zero], axis=-1)
    z = np.stack([zero, zero, -one], axis=-1)
    return np.stack([np.cross(y, z), y, z], axis=-1)


def _about_y(angles: FloatArray) -> FloatArray:
    cos, sin, zero, one = *_cos_sin(angles), np.zeros_like(angles), np.ones_like(angles)
    turn = [cos, zero, sin, zero, one, zero, -sin, zero, cos]
    return np.asarray(np.stack(turn, axis=-1).reshape(-1, 3, 3))


def _about_x(angles: FloatArray) -> FloatArray:
    cos, sin, zero, one = *_cos_sin(angles), np.zeros_like(angles), np.ones_like(angles)
    turn = [one, zero, zero, zero, cos, -sin, zero, sin, cos]
    return np.asarray(np.stack(turn, axis=-1).reshape(-1, 3, 3))


def _cos_sin(angles: FloatArray) -> tuple[FloatArray, FloatArray]:
    return np.cos(angles), np.sin(angles)
