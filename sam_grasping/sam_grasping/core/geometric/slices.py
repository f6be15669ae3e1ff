# SPDX-License-Identifier: Apache-2.0
"""Slices of a cloud that are as thick as the fingers are wide, for many orientations at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array

from sam_common.types import Float32Array, FloatArray, IntArray
from sam_grasping.core.geometric.ragged import expand


@dataclass(frozen=True, eq=False)
class Slices:
    """Which points lie in which slice; slice s is of orientation s // W.

    Parameters
    ----------
    x, y, z : arrays of float32, shape (O * N,)
        Of the points in the axes of the tool of each orientation, about the table's origin [m];
        those of an orientation are in the order of x.
    point : array of int64, shape (O * N,)
        Index of each in the cloud.
    start, stop : arrays of int64, shape (O * W,)
        Where the points of each slice are in these.

    """

    x: Float32Array
    y: Float32Array
    z: Float32Array
    point: IntArray
    start: IntArray
    stop: IntArray

    def entries(self, slices: IntArray) -> tuple[IntArray, IntArray]:
        """Return where the points of each of some slices are, and which of those each is of."""
        return expand(self.start[slices], self.stop[slices])

    def top(self) -> FloatArray:
        """Return each slice's least z, where the palm comes from [m]; infinite: it is empty."""
        filled = self.stop > self.start
        top = np.full(len(self.start), np.inf)
        # Each pair of a start and a stop is reduced; what is between the pairs is left out.
        bounds = np.stack([self.start, self.stop], axis=1)[filled].ravel()
        if len(bounds):
            top[filled] = np.minimum.reduceat(np.append(self.z, np.float32(np.inf)), bounds)[::2]
        return top


class ToolCloud:
    """A cloud in the axes of the tool, for many orientations.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        In the table frame [m].
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.

    Attributes
    ----------
    x, y, z : arrays of float32, shape (O, N)
        About the table's origin; each orientation's in the order of x [m].

    """

    def __init__(self, points: FloatArray, rotations: FloatArray) -> None:
        turned = rotations.astype(np.float32).transpose(0, 2, 1) @ points.astype(np.float32).T
        local: Float32Array = turned.transpose(1, 0, 2)
        order = np.argsort(local[0], axis=1)
        flat = (order + np.arange(len(rotations))[:, None] * len(points)).ravel()
        self._order = order.ravel()
        self.x, self.y, self.z = (axis.ravel()[flat].reshape(axis.shape) for axis in local)

    def cut(self, middles_x: FloatArray, *, thickness_m: float) -> Slices:
        """Cut the cloud across the x axis of each orientation.

        Parameters
        ----------
        middles_x : array of float64, shape (O, W)
            Where the slices are, along the tool's x [m]; NaN: an empty slice.
        thickness_m : float
            Of each slice [m].

        """
        x = self.x
        first = np.arange(len(x))[:, None] * x.shape[1]
        low = np.where(np.isnan(middles_x), np.inf, middles_x - thickness_m / 2)
        high = np.where(np.isnan(middles_x), np.inf, middles_x + thickness_m / 2)
        start = np.stack([np.searchsorted(row, at) for row, at in zip(x, low, strict=True)])
        stop = np.stack([np.searchsorted(row, at) for row, at in zip(x, high, strict=True)])
        return Slices(
            self.x.ravel(),
            self.y.ravel(),
            self.z.ravel(),
            self._order,
            (start + first).ravel(),
            (stop + first).ravel(),
        )


class Columns:
    """The points of slices, sorted into columns along y.

    Parameters
    ----------
    slices : Slices
    used : array of int64, shape (U,)
        The slices to sort.
    width_m : float
        Of each column [m].

    Attributes
    ----------
    origin_y : float
        Where the first column begins [m].
    count : int
        How many columns each slice has.
    entry, row, column : arrays of int64, shape (E,)
        Where each point is in the slices, its slice's place in `used`, and its column; in order.

    """

    def __init__(self, slices: Slices, used: IntArray, *, width_m: float) -> None:
        entry, row = slices.entries(used)
        y = slices.y[entry] if len(entry) else np.zeros(1, np.float32)
        self.slices = slices
        self.width_m = width_m
        self.origin_y = float(y.min()) - width_m
        self.count = int((y.max() - self.origin_y) / width_m) + 2
        column = ((slices.y[entry] - np.float32(self.origin_y)) / np.float32(width_m)).astype(
            np.int64
        )
        # A counting sort, as SciPy makes one for its sparse matrices.
        cells = len(used) * self.count
        key = row * self.count + column
        table = coo_array(
            (np.ones(len(key), np.int8), (key, np.arange(len(key)))), shape=(cells, len(key))
        ).tocsr()
        self.entry: IntArray = entry[table.indices]
        self._start: IntArray = table.indptr.astype(np.int64)
        cell = np.repeat(np.arange(cells), np.diff(self._start))
        self.row, self.column = np.divmod(cell, self.count)
        self._place = np.zeros(len(slices.start), np.int64)
        self._place[used] = np.arange(len(used))

    def between(
        self, slices: IntArray, first: IntArray, stop: IntArray
    ) -> tuple[IntArray, IntArray]:
        """Return the entries in some columns of each of some slices, and which of those."""
        begin = self._place[slices] * self.count
        where, owner = expand(
            self._start[begin + np.clip(first, 0, self.count)],
            self._start[begin + np.clip(stop, 0, self.count)],
        )
        return self.entry[where], owner

    def at(self, y: FloatArray) -> IntArray:
        """Return the columns that begin at these places."""
        return np.asarray(np.rint((y - self.origin_y) / self.width_m), np.int64)
