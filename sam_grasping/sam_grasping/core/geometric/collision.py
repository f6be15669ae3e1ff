# SPDX-License-Identifier: Apache-2.0
"""Whether the gripper has room: beside the object, above the table, and on its way there."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sam_common.types import BoolArray, FloatArray, IntArray
from sam_grasping.core.geometric.ragged import smallest
from sam_grasping.core.geometric.slices import Slices, ToolCloud
from sam_grasping.core.gripper import Gripper

MARGIN_M = 0.002  # between the fingers and what was seen
PALM_MARGIN_M = 0.005
TOUCH_M = 0.0015  # half the distance of the obstacles from each other; nearer than this is a touch


@dataclass(frozen=True, eq=False)
class Jaws:
    """Grippers to place; positions are in the axes of the tool about the table's origin.

    Parameters
    ----------
    orientation, slice : arrays of int64, shape (C,)
        Index of the rotation, and of the slice (see Slices).
    x, y, tip : arrays of float64, shape (C,)
        Of the point between the fingertips [m].
    width : array of float64, shape (C,)
        Between the fingers when closed [m].

    """

    orientation: IntArray
    slice: IntArray
    x: FloatArray
    y: FloatArray
    tip: FloatArray
    width: FloatArray

    def at(self, rows: npt.NDArray[np.generic]) -> Jaws:
        """Return some of the rows, by a mask or by indices."""
        return Jaws(*(getattr(self, field.name)[rows] for field in fields(self)))

    def poses(self, rotations: FloatArray) -> FloatArray:
        """Return them in the table frame, shape (C, 4, 4)."""
        poses = np.tile(np.eye(4), (len(self.x), 1, 1))
        poses[:, :3, :3] = rotations[self.orientation]
        origin = np.stack([self.x, self.y, self.tip], axis=1)
        poses[:, :3, 3] = np.einsum('cij,cj->ci', poses[:, :3, :3], origin)
        return poses


@dataclass(frozen=True, eq=False)
class Clearance:
    """How far the fingers can open on each side beyond the closed width; below 0: not at all.

    Parameters
    ----------
    at_grasp, on_approach : arrays of float64, shape (C,)
        At the grasp itself, and from `pre_grasp` on [m].
    palm_at_grasp, palm_on_approach : arrays of bool, shape (C,)
        Whether the palm is free.

    """

    at_grasp: FloatArray
    on_approach: FloatArray
    palm_at_grasp: BoolArray
    palm_on_approach: BoolArray


class Scene:
    """What stands round the object.

    Parameters
    ----------
    obstacles : array of float64, shape (M, 3)
        In the table frame [m].
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    middles_x : array of float64, shape (O, W)
        Of the slices, along the tool's x [m]; NaN where there is none.
    gripper : Gripper
    pre_grasp_m : float
        Length of the straight approach [m].

    """

    def __init__(
        self,
        obstacles: FloatArray,
        rotations: FloatArray,
        middles_x: FloatArray,
        gripper: Gripper,
        *,
        pre_grasp_m: float,
    ) -> None:
        self.gripper = gripper
        self.pre_grasp_m = pre_grasp_m
        width, palm = gripper.finger_width_m, gripper.palm_size_xyz_m[0]
        cloud = ToolCloud(obstacles, rotations)
        self.beside = cloud.cut(middles_x, thickness_m=width + 2 * MARGIN_M)
        self.behind = cloud.cut(middles_x, thickness_m=palm + 2 * PALM_MARGIN_M)

    def clearance(self, jaws: Jaws) -> Clearance:
        """Return how much room the scene leaves."""
        back = jaws.tip - self.gripper.finger_length_m
        entry, owner, off = _within(
            self.beside,
            jaws,
            np.arange(len(jaws.tip)),
            back - self.pre_grasp_m,
            jaws.tip,
            margin_m=MARGIN_M,
        )
        free = off - jaws.width[owner] / 2 - self.gripper.finger_thickness_m - MARGIN_M
        static = self.beside.z[entry] >= (back - MARGIN_M)[owner]
        rows = len(jaws.tip)
        palm_at, palm_on = self._palm(jaws, back)
        return Clearance(
            smallest(np.where(static, free, np.inf), owner, rows),
            smallest(free, owner, rows),
            palm_at,
            palm_on,
        )

    def _palm(self, jaws: Jaws, back: FloatArray) -> tuple[BoolArray, BoolArray]:
        """Return whether the palm is free at the grasp, and on its way (C,)."""
        _, palm_y, palm_z = self.gripper.palm_size_xyz_m
        doubtful = np.flatnonzero(self.behind.top()[jaws.slice] <= back + PALM_MARGIN_M)
        low = back - palm_z
        entry, owner, off = _within(
            self.behind, jaws, doubtful, low - self.pre_grasp_m, back, margin_m=PALM_MARGIN_M
        )
        hit = off <= palm_y / 2 + PALM_MARGIN_M
        static = hit & (self.behind.z[entry] >= (low - PALM_MARGIN_M)[doubtful[owner]])
        at_grasp, on_way = np.ones(len(back), bool), np.ones(len(back), bool)
        at_grasp[doubtful[owner[static]]] = False
        on_way[doubtful[owner[hit]]] = False
        return at_grasp, on_way


def _within(
    slices: Slices,
    jaws: Jaws,
    rows: IntArray,
    low: FloatArray,
    high: FloatArray,
    *,
    margin_m: float,
) -> tuple[IntArray, IntArray, FloatArray]:
    """Return a slice's entries between two depths, their row, and |y| from the jaws' middle."""
    entry, owner = slices.entries(jaws.slice[rows])
    z = slices.z[entry]
    low, high = low[rows] - margin_m, high[rows] + margin_m
    inside = (z >= low[owner]) & (z <= high[owner])
    entry, owner = entry[inside], owner[inside]
    return entry, owner, np.abs(slices.y[entry] - jaws.y[rows][owner])


def above_table(
    jaws: Jaws, rotations: FloatArray, opening: FloatArray, gripper: Gripper
) -> FloatArray:
    """Return how high the lowest corner of each gripper is above the table, shape (C,) [m]."""
    down = rotations[jaws.orientation][:, 2]
    origin = np.einsum('ci,ci->c', down, np.stack([jaws.x, jaws.y, jaws.tip], axis=1))
    lengths = np.abs(down)
    finger_y = opening / 2 + gripper.finger_thickness_m
    palm_x, palm_y, palm_z = gripper.palm_size_xyz_m
    side = lengths[:, 0] * gripper.finger_width_m / 2 + lengths[:, 1] * finger_y
    finger = origin - side - np.maximum(0.0, down[:, 2]) * gripper.finger_length_m
    back = origin - down[:, 2] * gripper.finger_length_m
    palm = back - (lengths[:, 0] * palm_x + lengths[:, 1] * palm_y) / 2
    palm -= np.maximum(0.0, down[:, 2]) * palm_z
    return np.asarray(np.minimum(finger, palm))


def find_collision(
    pose: FloatArray, opening_m: float, points: FloatArray, gripper: Gripper, *, pre_grasp_m: float
) -> str:
    """Return why a gripper cannot go there, as one of CAUSES, or '' if it can.

    Parameters
    ----------
    pose : array of float64, shape (4, 4)
        From the tool frame to that of the points.
    opening_m : float
        Between the fingers [m].
    points : array of float64, shape (N, 3)
        All that it must not touch [m].
    gripper : Gripper
    pre_grasp_m : float
        Length of the straight approach [m].

    """
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    low, high = gripper.boxes(opening_m)
    low, high = low - TOUCH_M, high + TOUCH_M
    swept = low - [0.0, 0.0, pre_grasp_m]
    near = local[((local > swept.min(axis=0)) & (local < high.max(axis=0))).all(axis=1)]
    way = ((near[:, None] > swept) & (near[:, None] < high)).all(axis=2)
    if not way.any():
        return ''
    at_grasp = way & (near[:, None] > low).all(axis=2)
    return 'collision_with_scene' if at_grasp.any() else 'collision_on_approach'
