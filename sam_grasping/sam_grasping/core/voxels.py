# SPDX-License-Identifier: Apache-2.0
"""Fewer points, evenly spread."""

from __future__ import annotations

import numpy as np

from sam_grasping.core.transform import Floats

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
    cells = np.floor(points / voxel_m).astype(np.int64)
    cells -= cells.min(axis=0)
    sides = cells.max(axis=0) + 1
    keys = (cells[:, 0] * sides[1] + cells[:, 1]) * sides[2] + cells[:, 2]
    _, voxel, counts = np.unique(keys, return_inverse=True, return_counts=True)
    sums = [np.bincount(voxel, weights=column, minlength=len(counts)) for column in values.T]
    means: Floats = np.stack(sums, axis=1) / counts[:, None]
    return means
