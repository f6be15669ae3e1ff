# SPDX-License-Identifier: Apache-2.0
"""Where fingers fit on both sides of something: candidates from slices through the object."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sam_common.types import BoolArray, FloatArray, IntArray
from sam_grasping.core.geometric.slices import Columns, Slices, ToolCloud
from sam_grasping.core.gripper import Gripper

SLICE_STEP_M = 0.008
SLICES_PER_SIDE = 7
# How far the tips reach below the top of the slice; besides these, as deep as the gripper can go.
DEPTHS_M = (0.0045, 0.009, 0.016, 0.025, 0.037, 0.052)
LEAST_DEPTH_M = 0.004
DEPTH_APART_M = 0.003
TABLE_CLEARANCE_M = 0.003
PALM_CLEARANCE_M = 0.004
FINGER_CLEARANCE_M = 0.0015  # on each side of a finger, at least
BIN_M = 0.002


@dataclass(frozen=True, eq=False)
class Candidates:
    """Jaws round a part of the object, one per row; positions are in the axes of the tool.

    Parameters
    ----------
    orientation, slice : arrays of int64, shape (C,)
        Index of the rotation, and of the slice (see Slices).
    x, tip : arrays of float64, shape (C,)
        Where the middle of the fingers is along x, and their ends along z [m].
    low, high : arrays of float64, shape (C,)
        Along y, what is between the fingers, to one bin [m].
    clearance : array of float64, shape (C,)
        Between that and the object's next part along y [m]; infinite: there is none.

    """

    orientation: IntArray
    slice: IntArray
    x: FloatArray
    tip: FloatArray
    low: FloatArray
    high: FloatArray
    clearance: FloatArray

    def __len__(self) -> int:
        return len(self.x)

    def at(self, rows: npt.NDArray[np.generic]) -> Candidates:
        """Return some of the rows, by a mask or by indices."""
        return Candidates(*(getattr(self, field.name)[rows] for field in fields(self)))


def find(
    points: FloatArray, rotations: FloatArray, centre: FloatArray, gripper: Gripper
) -> tuple[Candidates, Columns, FloatArray]:
    """Find all parts of the object that fingers fit round.

    In each slice across the x axis of an orientation, and for each depth of the tips, the points
    that the fingers pass on their way fill intervals along y. A finger fits between two of them
    and beside the outermost.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        The object's surface, seen and unseen, in the table frame [m].
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    centre : array of float64, shape (3,)
        The object's centre of mass [m].
    gripper : Gripper

    Returns
    -------
    candidates : Candidates
        Also such as are too wide.
    columns : Columns
        The points in the slices.
    middles_x : array of float64, shape (O, W)
        Of the slices, along the tool's x [m]; NaN where there is none.

    """
    cloud = ToolCloud(points, rotations)
    middles = _middles(cloud, centre, rotations)
    slices = cloud.cut(middles, thickness_m=gripper.finger_width_m)
    under_palm = cloud.cut(middles, thickness_m=gripper.palm_size_xyz_m[0])
    tips, usable = _tips(slices, under_palm, middles, rotations, gripper)
    used = np.flatnonzero(usable.any(axis=1))
    columns = Columns(slices, used, width_m=BIN_M)
    row, low, high = _intervals(columns, tips[used], usable[used], gripper)
    row = used[row // tips.shape[1]] * tips.shape[1] + row % tips.shape[1]
    slice_, depth = row // tips.shape[1], row % tips.shape[1]
    clearance = _clearance(row, low, high)
    # Besides each interval on its own, all of a slice together.
    several = np.bincount(row, minlength=tips.size) > 1
    whole = np.flatnonzero(several)
    first = np.searchsorted(row, whole)
    last = np.searchsorted(row, whole, side='right') - 1
    slice_ = np.concatenate([slice_, whole // tips.shape[1]])
    depth = np.concatenate([depth, whole % tips.shape[1]])
    low = np.concatenate([low, low[first]])
    high = np.concatenate([high, high[last]])
    clearance = np.concatenate([clearance, np.full(len(whole), np.inf)])
    candidates = Candidates(
        slice_ // middles.shape[1],
        slice_,
        middles.ravel()[slice_],
        tips[slice_, depth],
        low,
        high,
        clearance,
    )
    return candidates, columns, middles


def _middles(cloud: ToolCloud, centre: FloatArray, rotations: FloatArray) -> FloatArray:
    """Return where to cut slices, shape (O, W): one through the centre, others beside it."""
    steps = SLICE_STEP_M * np.arange(-SLICES_PER_SIDE, SLICES_PER_SIDE + 1)
    middles: FloatArray = (centre @ rotations)[:, :1] + steps
    low, high = cloud.x[:, :1], cloud.x[:, -1:]  # in order
    beside = (middles < low + 0.002) | (middles > high - 0.002)
    beside[:, SLICES_PER_SIDE] = False
    return np.where(beside, np.nan, middles)


def _tips(
    slices: Slices,
    under_palm: Slices,
    middles: FloatArray,
    rotations: FloatArray,
    gripper: Gripper,
) -> tuple[FloatArray, BoolArray]:
    """Return tips' depths along z in each slice in order, and which to use, both (O * W, D)."""
    top, palm = slices.top(), under_palm.top()
    deepest = palm + gripper.finger_length_m - PALM_CLEARANCE_M
    deepest = np.minimum(deepest, _table_limit(rotations, middles, gripper).ravel())
    tips = np.concatenate([top[:, None] + DEPTHS_M, deepest[:, None]], axis=1)
    tips = np.sort(np.minimum(tips, deepest[:, None]), axis=1)
    usable = np.isfinite(tips) & (tips >= top[:, None] + LEAST_DEPTH_M)
    with np.errstate(invalid='ignore'):
        usable[:, 1:] &= np.diff(tips, axis=1) >= DEPTH_APART_M
    return tips, usable


def _table_limit(rotations: FloatArray, x: FloatArray, gripper: Gripper) -> FloatArray:
    """Return the greatest z of the tips (O, W) at which the fingers stay above the table [m]."""
    down = -rotations[:, 2, 2]
    limit = (
        rotations[:, 2, :1] * x
        - (np.abs(rotations[:, 2, 0]) * gripper.finger_width_m / 2 + TABLE_CLEARANCE_M)[:, None]
    )
    return np.where(down[:, None] > 1e-3, limit / np.maximum(down, 1e-3)[:, None], np.inf)


def _intervals(
    columns: Columns, tips: FloatArray, usable: BoolArray, gripper: Gripper
) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return row of `tips`, low and high [m] of each filled interval along y, in order."""
    depths, row, bins = tips.shape[1], columns.row, columns.count
    z = columns.slices.z[columns.entry]
    # The first depth at which the fingers pass a point; it stays in their way at all deeper ones.
    deep = tips.astype(np.float32)
    depth = sum(z > deep[row, level] for level in range(depths - 1))
    reached = z <= deep[row, -1]
    filled = np.zeros((len(tips), depths, bins), bool)
    filled.ravel()[((row * depths + depth) * bins + columns.column)[reached]] = True
    np.logical_or.accumulate(filled, axis=1, out=filled)
    filled[~usable] = False
    padded = np.pad(filled.reshape(-1, bins), ((0, 0), (1, 1))).view(np.int8)
    # Where an interval begins and ends; both in order of the rows.
    edges = np.flatnonzero(np.diff(padded, axis=1))
    row, begin = np.divmod(edges[::2], bins + 1)
    end = edges[1::2] % (bins + 1)
    # Gaps that no finger fits into don't part an interval from the next.
    need = int(np.ceil((gripper.finger_thickness_m + 2 * FINGER_CLEARANCE_M) / BIN_M))
    parted = (np.diff(row, prepend=-1) != 0) | (begin - np.roll(end, 1) < 0)
    parted |= begin - np.roll(end, 1) >= need
    first = np.flatnonzero(parted)
    last = np.append(first[1:], len(row))[: len(first)] - 1
    origin = columns.origin_y
    return row[first], origin + begin[first] * BIN_M, origin + end[last] * BIN_M


def _clearance(row: IntArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return how far each interval is from its nearest neighbour of the same row [m]."""
    clearance = np.full(len(row), np.inf)
    gap = np.where(row[1:] == row[:-1], low[1:] - high[:-1], np.inf)
    clearance[1:] = gap
    clearance[:-1] = np.minimum(clearance[:-1], gap)
    return clearance
