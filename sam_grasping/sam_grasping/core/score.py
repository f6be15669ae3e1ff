# SPDX-License-Identifier: Apache-2.0
"""How likely a grasp holds: a logistic model of what its contacts and its room are like."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sam_grasping.core.contacts import Contacts
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.score_constants import BIAS, WEIGHTS
from sam_grasping.core.shadow import Blindness
from sam_grasping.core.transform import Floats

STEEP_RAD = 0.5


@dataclass(frozen=True, eq=False)
class Features:
    """What speaks against a grasp, each shape (C,), 0 where nothing does; about 1 is much.

    Parameters
    ----------
    slope
        Of the steeper contact against the pad.
    slopes
        Of both contacts together.
    steep
        Of the steeper contact beyond what friction holds.
    offset
        Of the contacts against each other along the pads, beside the width.
    swing
        Lever of the weight about the jaw axis.
    tip_over
        Lever of the weight about the axis across the fingers, beside the contacts' height.
    far
        Distance from the centre of mass to the middle of the contacts.
    small
        Points of the smaller contact, few.
    short
        Height of the contacts' overlap along the fingers, little.
    narrow
        Length of the contacts across the fingers, little.
    shallow
        How far the fingers reach beyond the contacts' upper end, little.
    unseen
        Share of the contacts that was completed.
    blind
        Share of the contact that was seen less.
    lean
        Of the approach.
    tight
        Room to open beside the object, little.
    wide
        Width, near what the gripper opens.
    thin
        Width, so little that it may be an error.
    hidden
        Share of the fingers' ends behind what stands before the object.
    behind
        Share of the fingers' ends behind the object.
    inside
        Share of the fingers' ends where the object may be, since the camera can't see there.

    """

    slope: Floats
    slopes: Floats
    steep: Floats
    offset: Floats
    swing: Floats
    tip_over: Floats
    far: Floats
    small: Floats
    short: Floats
    narrow: Floats
    shallow: Floats
    unseen: Floats
    blind: Floats
    lean: Floats
    tight: Floats
    wide: Floats
    thin: Floats
    hidden: Floats
    behind: Floats
    inside: Floats

    def matrix(self) -> Floats:
        """Return all features, shape (C, F), in the order of `names`."""
        return np.stack([getattr(self, name) for name in names()], axis=1)


def names() -> tuple[str, ...]:
    """Return the features' names."""
    return tuple(field.name for field in fields(Features))


def describe(
    contacts: Contacts,
    blind: Blindness,
    *,
    centre: Floats,
    gravity: Floats,
    tip: Floats,
    lean: Floats,
    room: Floats,
    gripper: Gripper,
) -> Features:
    """Return the features of grasps.

    Parameters
    ----------
    contacts : Contacts
    blind : Blindness
    centre : array of float64, shape (C, 3)
        Centre of mass in the axes of the tool [m].
    gravity : array of float64, shape (C, 3)
        Unit vector downwards in the axes of the tool.
    tip : array of float64, shape (C,)
        Of the fingers along z [m].
    lean : array of float64, shape (C,)
        Of the approach from straight down [rad].
    room : array of float64, shape (C,)
        That the fingers open beyond the width on each side [m].
    gripper : Gripper

    """
    middle_z = contacts.middle_z.mean(axis=1)
    lever = centre - np.stack(
        [contacts.middle_x.mean(axis=1), contacts.middle_y, middle_z], axis=1
    )
    torque = np.abs(np.cross(lever, gravity))
    facing = np.clip(contacts.facing, 0.0, 1.0)
    slopes = np.arccos(facing)
    width = np.maximum(contacts.width, 0.0)
    shift = np.hypot(np.ptp(contacts.middle_x, axis=1), np.ptp(contacts.middle_z, axis=1))
    low, high = contacts.low_z.max(axis=1), contacts.high_z.min(axis=1)
    overlap = np.maximum(0.0, np.minimum(high, tip) - low)
    return Features(
        slope=np.maximum(slopes.max(axis=1) - 0.15, 0.0),
        slopes=slopes.sum(axis=1),
        steep=np.maximum(slopes.max(axis=1) - STEEP_RAD, 0.0) / 0.1,
        offset=np.arctan2(shift, np.maximum(width, 0.005)),
        swing=np.minimum(torque[:, 1], 0.1) / 0.03,
        tip_over=np.minimum(torque[:, 0] / np.maximum(overlap, 0.004), 10.0) / 5.0,
        far=np.minimum(np.linalg.norm(lever, axis=1), 0.15) / 0.05,
        small=np.maximum(0.0, 1.0 - contacts.support.min(axis=1) / 40.0),
        short=np.maximum(0.0, 1.0 - overlap / 0.025),
        narrow=np.maximum(0.0, 1.0 - contacts.length_x.min(axis=1) / gripper.finger_width_m),
        shallow=np.maximum(0.0, 1.0 - (tip - low) / 0.025),
        unseen=contacts.unseen.mean(axis=1),
        blind=contacts.unseen.max(axis=1),
        lean=lean,
        tight=np.maximum(0.0, 1.0 - room / 0.008),
        wide=np.maximum(0.0, (width - 0.06) / 0.02),
        thin=np.maximum(0.0, 1.0 - width / 0.015),
        hidden=blind.hidden,
        behind=blind.behind,
        inside=blind.inside,
    )


def probability(features: Floats) -> Floats:
    """Return the probability (C,) that grasps hold, from their features (C, F)."""
    log_odds = np.clip(BIAS + features @ np.asarray(WEIGHTS), -30.0, 30.0)
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds)))
