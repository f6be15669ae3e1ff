# SPDX-License-Identifier: Apache-2.0
"""Slices of a cloud that are as thick as the fingers are wide, for many orientations at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_grasping.core.ragged import Ints
from sam_grasping.core.transform import Floats

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Slices:
    """Which points lie in which slice; slice s is of orientation s // W.

    Parameters
    ----------
    x, y, z : arrays of float32, shape (P,)
        Of the points of all slices, in the axes of the tool about the table's origin [m]; x is
        measured from the slice's middle.
    point : array of int64, shape (P,)
        Index of each in the cloud.
    start : array of int64, shape (O * W + 1,)
        Where each slice begins in these.

    """

    x: Singles
    y: Singles
    z: Singles
    point: Ints
    start: Ints


def cut(points: Floats, rotations: Floats, middles_x: Floats, *, thickness_m: float) -> Slices:
    """Cut a cloud into slices across the x axis of each orientation.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        In the table frame [m].
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    middles_x : array of float64, shape (O, W)
        Where the slices are, along the tool's x [m]; NaN: an empty slice.
    thickness_m : float
        Of each slice [m].

    """
    local = in_tool_axes(points, rotations)
    middles = middles_x.astype(np.float32)
    off = local[:, None, :, 0] - middles[:, :, None]
    orientation, window, point = np.nonzero(np.abs(off) <= thickness_m / 2)
    counts = np.bincount(orientation * middles.shape[1] + window, minlength=middles.size)
    return Slices(
        off[orientation, window, point],
        local[orientation, point, 1],
        local[orientation, point, 2],
        point,
        np.concatenate([[0], np.cumsum(counts)]),
    )


def in_tool_axes(points: Floats, rotations: Floats) -> Singles:
    """Return points (N, 3) in the axes of every orientation (O, 3, 3), shape (O, N, 3)."""
    local: Singles = points.astype(np.float32) @ rotations.astype(np.float32)
    return local
