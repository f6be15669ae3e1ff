# SPDX-License-Identifier: Apache-2.0
"""What the fingers of a candidate close onto."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sam_grasping.core.candidates import BIN_M, Candidates
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observation import Surface
from sam_grasping.core.ragged import Ints, Numbers, largest, smallest
from sam_grasping.core.slices import Slices
from sam_grasping.core.transform import Floats

PATCH_M = 0.004  # a surface that far behind the foremost point still counts as touched


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

    """

    face: Floats
    facing: Floats
    support: Floats
    unseen: Floats
    middle_x: Floats
    middle_z: Floats
    low_z: Floats
    high_z: Floats
    length_x: Floats

    def at(self, rows: npt.NDArray[np.generic]) -> Contacts:
        """Return some of the rows, by a mask or by indices."""
        return Contacts(*(getattr(self, field.name)[rows] for field in fields(self)))

    @property
    def width(self) -> Floats:
        """What the jaws close to, shape (C,) [m]."""
        return self.face[:, 1] - self.face[:, 0]

    @property
    def middle_y(self) -> Floats:
        """Where the jaws close, shape (C,) [m]."""
        return np.asarray(self.face.mean(axis=1))


def touch(
    candidates: Candidates,
    slices: Slices,
    surface: Surface,
    seen: int,
    rotations: Floats,
    gripper: Gripper,
) -> Contacts:
    """Close the fingers of each candidate onto the points between their pads.

    Parameters
    ----------
    candidates : Candidates
    slices : Slices
        Of the surface's points.
    surface : Surface
        Of the object, in the table frame.
    seen : int
        How many of the first points were seen; the others are completed.
    rotations : array of float64, shape (O, 3, 3)
        From the tool frame to the table frame.
    gripper : Gripper

    """
    rows = len(candidates)
    entry, owner = slices.entries(candidates.slice)
    y, z = slices.y[entry], slices.z[entry]
    tip = candidates.tip.astype(np.float32)[owner]
    low = (candidates.low - BIN_M / 2).astype(np.float32)[owner]
    high = (candidates.high + BIN_M / 2).astype(np.float32)[owner]
    between = (
        (z <= tip) & (z >= tip - np.float32(gripper.finger_length_m)) & (y >= low) & (y <= high)
    )
    entry, owner, y = entry[between], owner[between], y[between]
    # The cosine between each normal and the jaw axis of each orientation.
    cosines = surface.normals.astype(np.float32) @ rotations[:, :, 1].T.astype(np.float32)
    sides = []
    for sign in (-1.0, 1.0):
        outermost = largest(y * np.float32(sign), owner, rows)
        near = y * np.float32(sign) >= (outermost - np.float32(PATCH_M))[owner]
        mine, patch = owner[near], entry[near]
        point = slices.point[patch]
        weight = cosines[point, candidates.orientation[mine]] * np.float32(sign)
        weight = np.maximum(weight, 0.0) + 1e-6
        sides.append((outermost * sign, *_patch(mine, weight, patch, point >= seen, slices, rows)))
    return Contacts(*(np.stack(both, axis=1) for both in zip(*sides, strict=True)))


def _patch(
    owner: Ints, weight: Numbers, patch: Ints, unseen: Numbers, slices: Slices, rows: int
) -> tuple[Floats, ...]:
    """Return facing, support, unseen, middle_x, middle_z, low_z, high_z, length_x (rows,)."""
    x, z = slices.x[patch], slices.z[patch]

    def total(values: Numbers) -> Floats:
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
    )
