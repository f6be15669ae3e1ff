# SPDX-License-Identifier: Apache-2.0
"""What the camera could not see: space behind the object or behind what stands before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull, QhullError

from sam_common.types import BoolArray, FloatArray, IntArray
from sam_grasping.core.geometric.collision import Jaws
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observe.observation import Observation

# A direction's cell is as wide as the distance between two points of a cloud, seen from nearby.
CELL_RAD = 0.008
BEHIND_M = 0.008
INSIDE_M = 0.004

# Where to look for hindrances: so far behind the tips, in the middle of each finger [m].
DEPTHS_M = (0.002, 0.01, 0.02)


class OcclusionVolume:
    """A map of how far a camera sees in each direction, made of points.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        What the camera sees [m].
    viewpoint : array of float64, shape (3,)
        Where the camera is, in the same frame [m].

    """

    def __init__(self, points: FloatArray, viewpoint: FloatArray) -> None:
        self._viewpoint = viewpoint
        direction, distance = self._polar(points)
        self._low = direction.min(axis=0) if len(points) else np.zeros(2, np.int64)
        size = (direction.max(axis=0) if len(points) else self._low) - self._low + 1
        self._far = np.full(size, np.inf)
        np.minimum.at(self._far, tuple((direction - self._low).T), distance)

    def covers(self, points: FloatArray) -> BoolArray:
        """Return whether points (..., 3) are behind what is seen, bool (...)."""
        direction, distance = self._polar(points.reshape(-1, 3))
        cell = direction - self._low
        known = ((cell >= 0) & (cell < self._far.shape)).all(axis=1)
        result = np.zeros(len(cell), bool)
        nearest = self._far[tuple(cell[known].T)]
        result[known] = distance[known] > nearest + BEHIND_M
        return result.reshape(points.shape[:-1])

    def _polar(self, points: FloatArray) -> tuple[IntArray, FloatArray]:
        ray = points - self._viewpoint
        flat = np.hypot(ray[:, 0], ray[:, 1])
        angles = np.stack([np.arctan2(ray[:, 1], ray[:, 0]), np.arctan2(ray[:, 2], flat)], axis=1)
        return np.floor(angles / CELL_RAD).astype(np.int64), np.linalg.norm(ray, axis=1)


def above_footprint(points: FloatArray, footprint_xy: FloatArray) -> BoolArray:
    """Return which points (..., 3) are over the convex hull of a footprint (N, 2), bool (...)."""
    try:
        sides = ConvexHull(footprint_xy).equations
    except (QhullError, ValueError):
        return np.zeros(points.shape[:-1], bool)
    beyond = points[..., :2] @ sides[:, :2].T + sides[:, 2]
    return np.asarray((beyond < -INSIDE_M).all(axis=-1))


@dataclass(frozen=True, eq=False)
class OcclusionFractions:
    """Shares of the fingers' ends that the camera could not see [0-1], each shape (C,).

    Parameters
    ----------
    hidden
        Behind what stands before the object.
    behind
        Behind the object.
    inside
        Behind either and over the object's footprint, where it may be solid.

    """

    hidden: FloatArray
    behind: FloatArray
    inside: FloatArray


def finger_occlusion(
    observation: Observation,
    jaws: Jaws,
    rotations: FloatArray,
    opening: FloatArray,
    gripper: Gripper,
) -> OcclusionFractions:
    """Return how far grippers go blindly.

    Parameters
    ----------
    observation : Observation
    jaws : Jaws
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    opening : array of float64, shape (C,)
        Of the fingers beyond the width, on each side [m].
    gripper : Gripper

    """
    points = _finger_points(jaws, rotations, opening, gripper)
    viewpoint = observation.viewpoint
    behind = OcclusionVolume(observation.seen.points, viewpoint).covers(points)
    hidden = OcclusionVolume(observation.obstacles, viewpoint).covers(points)
    surface = np.concatenate([observation.seen.points, observation.unseen.points])
    inside = (hidden | behind) & (points[..., 2] < surface[:, 2].max())
    inside[inside] = above_footprint(points[inside], surface[:, :2])
    return OcclusionFractions(hidden.mean(axis=1), behind.mean(axis=1), inside.mean(axis=1))


def _finger_points(
    jaws: Jaws, rotations: FloatArray, opening: FloatArray, gripper: Gripper
) -> FloatArray:
    """Return points in the fingers of each open gripper, in the table frame (C, P, 3) [m]."""
    out = jaws.width / 2 + opening + gripper.finger_thickness_m / 2
    side = np.repeat([-1.0, 1.0], len(DEPTHS_M))
    shape = (len(out), len(side))
    local = np.stack(
        [
            np.broadcast_to(jaws.x[:, None], shape),
            jaws.y[:, None] + side * out[:, None],
            jaws.tip[:, None] - np.tile(DEPTHS_M, 2),
        ],
        axis=2,
    )
    return np.asarray(np.einsum('cij,cpj->cpi', rotations[jaws.orientation], local))
