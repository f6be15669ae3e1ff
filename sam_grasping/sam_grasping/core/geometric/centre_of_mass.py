# SPDX-License-Identifier: Apache-2.0
"""Where the object balances, as far as its surface tells."""

from __future__ import annotations

import numpy as np

from sam_common.types import FloatArray

CELL_M = 0.006


def centre_of_mass(points: FloatArray) -> FloatArray:
    """Return the centre of the columns between the lowest and the highest points [m].

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        Of the object's whole surface in the table frame [m]; at least one.

    Returns
    -------
    array of float64, shape (3,)
        [m].

    """
    cell = np.floor(points[:, :2] / CELL_M).astype(np.int64)
    cell -= cell.min(axis=0)
    _, column = np.unique(cell[:, 0] * (cell[:, 1].max() + 1) + cell[:, 1], return_inverse=True)
    count = np.bincount(column)
    low, high = np.full(len(count), np.inf), np.full(len(count), -np.inf)
    np.minimum.at(low, column, points[:, 2])
    np.maximum.at(high, column, points[:, 2])
    # A column of a single point, as on an outline, still holds something.
    mass = np.maximum(high - low, CELL_M / 2)
    where = np.stack(
        [np.bincount(column, points[:, axis]) / count for axis in (0, 1)] + [(low + high) / 2],
        axis=1,
    )
    return np.asarray(mass @ where / mass.sum())
