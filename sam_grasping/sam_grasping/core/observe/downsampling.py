# SPDX-License-Identifier: Apache-2.0
"""Fewer points, evenly spread, where many are not needed."""

from __future__ import annotations

import numpy as np

from sam_common.types import FloatArray, IntArray
from sam_grasping.core.observe.observation import Surface

VOXEL_M = 0.003
# Enough bits for each of x, y, z (cells may be negative) and the octant.
_CELL_KEYS = np.array([1 << 38, 1 << 22, 1 << 6, 1])
NEAR_M = 0.04  # about as far as fingers reach beside an object


def voxel_means(values: FloatArray, points: FloatArray, *, voxel_m: float = VOXEL_M) -> FloatArray:
    """Return the mean of the values of the points in each voxel.

    Parameters
    ----------
    values : array of float64, shape (N, D)
        The points themselves, or more columns.
    points : array of float64, shape (N, 3)
        [m].
    voxel_m : float
        The voxels' side [m].

    Returns
    -------
    array of float64, shape (M, D)

    """
    if not len(points):
        return np.zeros((0, values.shape[1]))
    _, voxel, counts = np.unique(_keys(points, voxel_m), return_inverse=True, return_counts=True)
    sums = [np.bincount(voxel, weights=column, minlength=len(counts)) for column in values.T]
    means: FloatArray = np.stack(sums, axis=1) / counts[:, None]
    return means


def without_specks(points: FloatArray, *, at_least: int, voxel_m: float) -> FloatArray:
    """Return the points (N, 3) that share a voxel with enough others [m]."""
    if not len(points):
        return points
    _, voxel, counts = np.unique(_keys(points, voxel_m), return_inverse=True, return_counts=True)
    kept: FloatArray = points[counts[voxel] >= at_least]
    return kept


def thinned(surface: Surface, count: int) -> Surface:
    """Return about `count` of the surface's points, spread evenly over it.

    One point is kept of each cell and each octant of the normal, so that a thin wall keeps both
    sides.
    """
    points, normals = surface.points, surface.normals
    if len(points) <= count:
        return surface
    cell_m = VOXEL_M * np.sqrt(len(points) / count)
    cell = np.floor(points / cell_m).astype(np.int64)
    octant = (normals > 0) @ np.array([1, 2, 4])
    _, first = np.unique(np.column_stack([cell, octant]) @ _CELL_KEYS, return_index=True)
    return Surface(points[first], normals[first])


def thinned_obstacles(obstacles: FloatArray, points: FloatArray, count: int) -> FloatArray:
    """Return at most `count` obstacles near an object, and as many that only the palm may meet.

    Parameters
    ----------
    obstacles : array of float64, shape (M, 3)
        In the table frame [m].
    points : array of float64, shape (N, 3)
        Of the object, at least one [m].
    count : int

    """
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    beyond = np.maximum(low - obstacles[:, :2], obstacles[:, :2] - high)
    near = (beyond < NEAR_M).all(axis=1)
    return np.concatenate([_some(obstacles[near], count), _some(obstacles[~near], count)])


def _keys(points: FloatArray, voxel_m: float) -> IntArray:
    cells = np.floor(points / voxel_m).astype(np.int64)
    cells -= cells.min(axis=0)
    sides = cells.max(axis=0) + 1
    keys: IntArray = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    return keys


def _some(points: FloatArray, count: int) -> FloatArray:
    """Return at most `count` of the points, by chance that is always the same.

    Every k-th point in the order of their cells would leave stripes empty.
    """
    if len(points) <= count:
        return points
    return np.asarray(points[np.random.default_rng(0).choice(len(points), count, replace=False)])
