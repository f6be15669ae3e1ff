# SPDX-License-Identifier: Apache-2.0
"""Fewer points, evenly spread."""

from __future__ import annotations

import numpy as np

from sam_common.types import FloatArray, IntArray

VOXEL_M = 0.003


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


def _keys(points: FloatArray, voxel_m: float) -> IntArray:
    cells = np.floor(points / voxel_m).astype(np.int64)
    cells -= cells.min(axis=0)
    sides = cells.max(axis=0) + 1
    keys: IntArray = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    return keys
