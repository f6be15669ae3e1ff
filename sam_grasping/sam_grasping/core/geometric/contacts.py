# SPDX-License-Identifier: Apache-2.0
"""What the fingers of a candidate close onto."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sam_common.types import AnyArray, FloatArray, IntArray
from sam_grasping.core.geometric.candidates import Candidates
from sam_grasping.core.geometric.ragged import largest, smallest
from sam_grasping.core.geometric.slices import Columns, Slices
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observe.observation import Surface

PATCH_M = 0.004  # a surface that far behind the foremost point still counts as touched
PATCH_COLUMNS = 3


@dataclass(frozen=True, eq=False)
class Contacts:
    """Patches that the two pads touch; the last axis is (finger at -y, finger at +y).

    Positions are in the axes of the tool about the table's origin.

    Parameters
    ----------
    face : array of float64, shape (C, 2)
        Where the foremost point is along y [m]; not finite: nothing is there.
    facing : array of float64, shape (C, 2)
        Cosine between the patch's normals and the pad's.
    support : array of float64, shape (C, 2)
        Points on the patch that face the pad.
    unseen : array of float64, shape (C, 2)
        Share of the patch that was not seen but completed [0-1].
    middle_x, middle_z : arrays of float64, shape (C, 2)
        Of the patch [m].
    low_z, high_z : arrays of float64, shape (C, 2)
        Along the fingers [m].
    length_x : array of float64, shape (C, 2)
        Of the patch across the fingers [m].
    normal_x, normal_z : arrays of float64, shape (C, 2)
        Of the patch's mean outward normal.

    """

    face: FloatArray
    facing: FloatArray
    support: FloatArray
    unseen: FloatArray
    middle_x: FloatArray
    middle_z: FloatArray
    low_z: FloatArray
    high_z: FloatArray
    length_x: FloatArray
    normal_x: FloatArray
    normal_z: FloatArray

    def at(self, rows: npt.NDArray[np.generic]) -> Contacts:
        """Return some of the rows, by a mask or by indices."""
        return Contacts(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def width(self) -> FloatArray:
        """What the jaws close to, shape (C,) [m]."""
        return self.face[:, 1] - self.face[:, 0]

    @property
    def middle_y(self) -> FloatArray:
        """Where the jaws close, shape (C,) [m]."""
        return np.asarray(self.face.mean(axis=1))


def touch(
    candidates: Candidates,
    columns: Columns,
    surface: Surface,
    seen: int,
    rotations: FloatArray,
    gripper: Gripper,
) -> Contacts:
    """Close the fingers of each candidate onto the points between their pads.

    Parameters
    ----------
    candidates : Candidates
    columns : Columns
        Of the surface's points, in slices.
    surface : Surface
        Of the object, in the table frame.
    seen : int
        How many of the first points were seen; the others are completed.
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    gripper : Gripper

    """
    rows = len(candidates)
    slices = columns.slices
    low, high = columns.at(candidates.low), columns.at(candidates.high)
    tip = candidates.tip.astype(np.float32)
    back = tip - np.float32(gripper.finger_length_m)
    normals = surface.normals.astype(np.float32)
    axes = rotations.astype(np.float32)
    sides = []
    for sign in (-1.0, 1.0):
        first = np.maximum(low, high - PATCH_COLUMNS) if sign > 0 else low
        stop = high if sign > 0 else np.minimum(high, low + PATCH_COLUMNS)
        entry, owner = columns.between(candidates.slice, first, stop)
        z = slices.z[entry]
        reached = (z <= tip[owner]) & (z >= back[owner])
        entry, owner = entry[reached], owner[reached]
        out = slices.y[entry] * np.float32(sign)
        outermost = largest(out, owner, rows)
        near = out >= (outermost - np.float32(PATCH_M))[owner]
        mine, patch = owner[near], entry[near]
        point = slices.point[patch]
        # The patch's normals in the axes of the tool.
        facing = np.einsum(
            'ei,eij->ej', normals[point], axes[candidates.orientation[mine]]
        ) * np.array([1.0, sign, 1.0], np.float32)
        patches = _patch(mine, facing, patch, point >= seen, slices, rows)
        sides.append((outermost * sign, *patches))
    return Contacts(*(np.stack(both, axis=1) for both in zip(*sides, strict=True)))


def _patch(
    owner: IntArray, facing: AnyArray, patch: IntArray, unseen: AnyArray, slices: Slices, rows: int
) -> tuple[FloatArray, ...]:
    """Return the fields of Contacts after `face`, each (rows,), of one finger.

    `facing` (E, 3) are the normals of the patch's points, y against the pad.
    """
    weight = np.maximum(facing[:, 1], 0.0) + np.float32(1e-6)
    x, z = slices.x[patch], slices.z[patch]

    def total(values: AnyArray) -> FloatArray:
        return np.bincount(owner, values, minlength=rows).astype(np.float64)

    support = np.maximum(total(weight), 1e-9)
    facing_pad = weight > 0.3
    low_z = smallest(np.where(facing_pad, z, np.inf), owner, rows).astype(np.float64)
    high_z = largest(np.where(facing_pad, z, -np.inf), owner, rows).astype(np.float64)
    nothing = ~(high_z >= low_z)
    middle_z = total(weight * z) / support
    low_z[nothing] = high_z[nothing] = middle_z[nothing]
    length_x = largest(np.where(facing_pad, x, -np.inf), owner, rows) - smallest(
        np.where(facing_pad, x, np.inf), owner, rows
    )
    return (
        total(weight**2) / support,
        support,
        total(weight * unseen) / support,
        total(weight * x) / support,
        middle_z,
        low_z,
        high_z,
        np.maximum(length_x, 0.0).astype(np.float64),
        total(weight * facing[:, 0]) / support,
        total(weight * facing[:, 2]) / support,
    )
