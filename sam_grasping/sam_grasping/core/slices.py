# SPDX-License-Identifier: Apache-2.0
"""Slices of a cloud that are as thick as the fingers are wide, for many orientations at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_grasping.core.ragged import Ints, expand
from sam_grasping.core.transform import Floats

Singles = npt.NDArray[np.float32]


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

    x: Singles
    y: Singles
    z: Singles
    point: Ints
    start: Ints
    stop: Ints

    def entries(self, slices: Ints) -> tuple[Ints, Ints]:
        """Return where the points of each of some slices are, and which of those each is of."""
        return expand(self.start[slices], self.stop[slices])

    def top(self) -> Floats:
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

    """

    def __init__(self, points: Floats, rotations: Floats) -> None:
        local: Singles = points.astype(np.float32) @ rotations.astype(np.float32)
        order = np.argsort(local[..., 0], axis=1)
        self.points: Singles = np.take_along_axis(local, order[..., None], axis=1)
        self._order = order.ravel()
        self._axes: tuple[Singles, ...] = tuple(
            np.ascontiguousarray(self.points[..., axis]) for axis in range(3)
        )

    def cut(self, middles_x: Floats, *, thickness_m: float) -> Slices:
        """Cut the cloud across the x axis of each orientation.

        Parameters
        ----------
        middles_x : array of float64, shape (O, W)
            Where the slices are, along the tool's x [m]; NaN: an empty slice.
        thickness_m : float
            Of each slice [m].

        """
        x = self._axes[0]
        first = np.arange(len(x))[:, None] * x.shape[1]
        low = np.where(np.isnan(middles_x), np.inf, middles_x - thickness_m / 2)
        high = np.where(np.isnan(middles_x), np.inf, middles_x + thickness_m / 2)
        start = np.stack([np.searchsorted(row, at) for row, at in zip(x, low, strict=True)])
        stop = np.stack([np.searchsorted(row, at) for row, at in zip(x, high, strict=True)])
        x, y, z = (axis.ravel() for axis in self._axes)
        return Slices(x, y, z, self._order, (start + first).ravel(), (stop + first).ravel())
