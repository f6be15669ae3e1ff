# SPDX-License-Identifier: Apache-2.0
"""The sides of an object that the camera can't see: what is seen, extruded down to the table.

At each height the object is taken to fill the outline of what is seen there or higher. The walls
of these slices are its unseen sides, as far as the camera could not have seen past them.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from scipy.spatial import cKDTree

from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_grasping.core.observe.downsampling import VOXEL_M, voxel_means
from sam_grasping.core.observe.observation import Surface

MARGIN = 3
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))
# Nearer than this to what is seen, and facing as it does, a wall is what is seen [m].
SAME_M = 0.005
REACH = 0.25
NEIGHBOURS, SMOOTH_M = 16, 0.0075


def complete(
    points: FloatArray, seen: Surface, hidden: Callable[[FloatArray], BoolArray]
) -> Surface:
    """Return the unseen sides of an object in the table frame.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        All that is seen of it [m].
    seen : Surface
        The same, thinned.
    hidden : callable
        Tells of points (K, 3) [m] whether something stands between them and the camera, bool (K,).

    """
    corner = np.floor(points[:, :2].min(axis=0) / VOXEL_M) - MARGIN
    slices = _slices(points, corner)
    outlines = np.stack([cv2.GaussianBlur(each, (0, 0), 1.5) for each in slices])
    # Down the slope of the blurred outline is out of the object.
    slope_y, slope_x = np.gradient(outlines, axis=(1, 2))
    walls, normals = [], []
    for dx, dy in SIDES:
        beyond = np.roll(slices, (-dy, -dx), axis=(1, 2))
        level, row, column = np.nonzero((slices > 0) & (beyond == 0))
        outward = -np.stack(
            [slope_x[level, row + dy, column + dx], slope_y[level, row + dy, column + dx]], axis=1
        )
        # The pixels that fill a cell reach some way into it.
        cell = np.stack([column + REACH * dx, row + REACH * dy], axis=1) + corner + 0.5
        walls.append(np.column_stack([cell * VOXEL_M, (level + 0.5) * VOXEL_M]))
        normals.append(outward / (np.linalg.norm(outward, axis=1, keepdims=True) + 1e-12))
    wall, normal = np.concatenate(walls), np.concatenate(normals)
    use = np.linalg.norm(normal, axis=1) > 0.5
    wall, normal = wall[use], normal[use]
    use = hidden(wall)
    return _unlike(wall[use], np.column_stack([normal[use], np.zeros(use.sum())]), seen)


def _slices(points: FloatArray, corner: FloatArray) -> Float32Array:
    """Return whether each cell (level, y, x) is filled, as 0 or 1."""
    column, row = (np.floor(points[:, :2] / VOXEL_M) - corner).astype(np.int64).T
    top = np.zeros((row.max() + 1 + MARGIN, column.max() + 1 + MARGIN), np.float32)
    np.maximum.at(top, (row, column), points[:, 2].astype(np.float32))
    # Pixels may lie further apart than cells where a face is seen at a slant.
    top = np.asarray(cv2.morphologyEx(top, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.float32)
    levels = (np.arange(max(1, int(top.max() / VOXEL_M))) + 0.5) * VOXEL_M
    filled: Float32Array = (top >= levels[:, None, None]).astype(np.float32)
    return filled


def _unlike(walls: FloatArray, normals: FloatArray, seen: Surface) -> Surface:
    """Return the walls, thinned, that are not seen anyway."""
    if not len(walls):
        return Surface(np.zeros((0, 3)), np.zeros((0, 3)))
    # Walls that face away from each other may share a voxel; their mean would have no normal.
    quarter = np.floor(np.arctan2(normals[:, 1], normals[:, 0]) / (np.pi / 2))
    parts = [
        voxel_means(np.concatenate([walls, normals], axis=1)[quarter == q], walls[quarter == q])
        for q in range(-2, 2)
    ]
    both = np.concatenate(parts)
    points, normals = both[:, :3], both[:, 3:]
    normals = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    points = _smoothed(points, normals)
    distance, nearest = cKDTree(seen.points).query(points, distance_upper_bound=SAME_M)
    found = np.isfinite(distance)
    alike = (seen.normals[np.where(found, nearest, 0)] * normals).sum(axis=1) > 0.5
    new = ~(found & alike)
    return Surface(points[new], normals[new])


def _smoothed(walls: FloatArray, normals: FloatArray) -> FloatArray:
    """Return the walls without the stairs of their cells: each at the mean of those beside it."""
    distance, index = cKDTree(walls).query(
        walls, k=min(NEIGHBOURS, len(walls)), distance_upper_bound=SMOOTH_M
    )
    distance, index = distance.reshape(len(walls), -1), index.reshape(len(walls), -1)
    found = np.isfinite(distance)
    index = np.where(found, index, 0)
    found &= np.einsum('nki,ni->nk', normals[index], normals) > 0.7
    ahead = np.einsum('nki,ni->nk', walls[index] - walls[:, None], normals)
    shift = (ahead * found).sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    smoothed: FloatArray = walls + shift[:, None] * normals
    return smoothed
