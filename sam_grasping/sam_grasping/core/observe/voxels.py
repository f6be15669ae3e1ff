# SPDX-License-Identifier: Apache-2.0
"""Fewer points, evenly spread."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam_common.transforms import Floats

VOXEL_M = 0.003


def voxel_means(values: Floats, points: Floats, *, voxel_m: float = VOXEL_M) -> Floats:
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
    means: Floats = np.stack(sums, axis=1) / counts[:, None]
    return means


def without_specks(points: Floats, *, at_least: int, voxel_m: float) -> Floats:
    """Return the points (N, 3) that share a voxel with enough others [m]."""
    if not len(points):
        return points
    _, voxel, counts = np.unique(_keys(points, voxel_m), return_inverse=True, return_counts=True)
    kept: Floats = points[counts[voxel] >= at_least]
    return kept


def _keys(points: Floats, voxel_m: float) -> npt.NDArray[np.int64]:
    cells = np.floor(points / voxel_m).astype(np.int64)
    cells -= cells.min(axis=0)
    sides = cells.max(axis=0) + 1
    keys: npt.NDArray[np.int64] = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    return keys
