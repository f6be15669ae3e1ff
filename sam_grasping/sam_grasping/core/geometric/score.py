# SPDX-License-Identifier: Apache-2.0
"""How likely a grasp holds: logistic models of what its contacts and its room are like.

Grasps with the centre of mass between the fingers, and such as of a rim, with it beside them, fail
for different reasons; each kind has a model of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from importlib.resources import files

import numpy as np

from sam_common.types import FloatArray, IntArray
from sam_grasping.core.geometric.contacts import Contacts
from sam_grasping.core.geometric.hidden_space import OcclusionFractions
from sam_grasping.core.gripper import Gripper

STEEP_RAD = 0.5
TILT_RAD = np.radians(25.0)  # of a jaw axis that follows a bowl's wall
KINDS = ('body', 'rim')  # the models of score.json, by the number of a kind


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
    squeeze
        Of both contacts together to the same side, out of the fingers.
    offset
        Of the contacts against each other along the pads, beside the width.
    swing
        Lever of the weight about the jaw axis.
    tip_over
        Lever of the weight about the axis across the fingers, beside the contacts' height.
    uneven
        Centre of mass nearer to one finger.
    top_heavy
        Centre of mass little below the contacts, or above them.
    small
        Points of the smaller contact, few.
    short
        Height of the contacts' overlap along the fingers, little.
    low
        Height of the lower contact along the fingers, little.
    narrow
        Length of the contacts across the fingers, little.
    shallow, reach
        How far the fingers reach beyond the contacts' upper end, little; by two measures.
    unseen
        Share of the contacts that was completed.
    occlusion
        Share of the contact that was seen less.
    blind_inner
        Share that was completed of the contact on the side of the centre of mass.
    lean
        Of the approach about the jaw axis.
    tilt
        Of the jaw axis against the table; of a rim, how far it is from following a bowl's wall.
    tight
        Clearance to open beside the object, little.
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

    slope: FloatArray
    slopes: FloatArray
    steep: FloatArray
    squeeze: FloatArray
    offset: FloatArray
    swing: FloatArray
    tip_over: FloatArray
    uneven: FloatArray
    top_heavy: FloatArray
    small: FloatArray
    short: FloatArray
    low: FloatArray
    narrow: FloatArray
    shallow: FloatArray
    reach: FloatArray
    unseen: FloatArray
    occlusion: FloatArray
    blind_inner: FloatArray
    lean: FloatArray
    tilt: FloatArray
    tight: FloatArray
    wide: FloatArray
    thin: FloatArray
    hidden: FloatArray
    behind: FloatArray
    inside: FloatArray

    def matrix(self) -> FloatArray:
        """Return all features, shape (C, F), in the order of `names`."""
        return np.stack([getattr(self, name) for name in names()], axis=1)


def names() -> tuple[str, ...]:
    """Return the features' names."""
    return tuple(field.name for field in fields(Features))


def read_models() -> tuple[FloatArray, FloatArray]:
    """Return what score.json holds, in the order of KINDS and of `names`.

    Returns
    -------
    bias : array of float64, shape (2,)
        Log-odds that a grasp holds that nothing speaks against.
    weights : array of float64, shape (2, F)

    """
    text = files('sam_grasping.core.geometric').joinpath('score.json').read_text('utf-8')
    models = [json.loads(text)['models'][kind] for kind in KINDS]
    weights = [[model['weights'][name] for name in names()] for model in models]
    return np.array([model['bias'] for model in models], np.float64), np.array(weights)


BIAS, WEIGHTS = read_models()


def describe(
    contacts: Contacts,
    occlusion: OcclusionFractions,
    *,
    centre: FloatArray,
    gravity: FloatArray,
    tip: FloatArray,
    clearance: FloatArray,
    gripper: Gripper,
) -> Features:
    """Return the features of grasps.

    Parameters
    ----------
    contacts : Contacts
    occlusion : OcclusionFractions
    centre : array of float64, shape (C, 3)
        Centre of mass in the axes of the tool [m].
    gravity : array of float64, shape (C, 3)
        Unit vector downwards in the axes of the tool.
    tip : array of float64, shape (C,)
        Of the fingers along z [m].
    clearance : array of float64, shape (C,)
        That the fingers open beyond the width on each side [m].
    gripper : Gripper

    """
    middle_z = contacts.middle_z.mean(axis=1)
    lever = centre - np.stack(
        [contacts.middle_x.mean(axis=1), contacts.middle_y, middle_z], axis=1
    )
    torque = np.abs(np.cross(lever, gravity))
    slopes = np.arccos(np.clip(contacts.facing, 0.0, 1.0))
    slope = slopes.max(axis=1)
    width = np.maximum(contacts.width, 1e-3)
    shift = np.hypot(np.ptp(contacts.middle_x, axis=1), np.ptp(contacts.middle_z, axis=1))
    low, high = contacts.low_z.max(axis=1), contacts.high_z.min(axis=1)
    overlap = np.maximum(0.0, np.minimum(high, tip) - low)
    uneven = np.minimum(np.abs(lever[:, 1]) / (width / 2), 1.0)
    rim, tilt = uneven >= 1.0, gravity[:, 1] / np.sin(TILT_RAD)
    inner = np.where(lever[:, 1] > 0, contacts.unseen[:, 1], contacts.unseen[:, 0])
    aside, along = contacts.normal_x.sum(axis=1), contacts.normal_z.sum(axis=1)
    return Features(
        slope=slope,
        slopes=slopes.sum(axis=1),
        steep=np.maximum(slope - STEEP_RAD, 0.0) / 0.1,
        squeeze=np.hypot(aside, along),
        offset=np.arctan2(shift, np.maximum(width, 0.005)),
        swing=np.log1p(torque[:, 1] / 0.005),
        tip_over=np.log1p(torque[:, 0] / np.maximum(overlap, 0.004) / 0.03),
        uneven=uneven,
        top_heavy=np.clip(1.0 - np.sum(lever * gravity, axis=1) / 0.03, 0.0, 2.0),
        small=np.maximum(0.0, 1.0 - np.log1p(contacts.support.min(axis=1)) / np.log(40.0)),
        short=np.maximum(0.0, 1.0 - overlap / 0.025),
        low=np.maximum(0.0, 1.0 - (contacts.high_z - contacts.low_z).min(axis=1) / 0.025),
        narrow=np.maximum(0.0, 1.0 - contacts.length_x.min(axis=1) / gripper.finger_width_m),
        shallow=np.maximum(0.0, 1.0 - (tip - low) / 0.02),
        reach=np.maximum(0.0, 1.0 - (tip - low) / 0.05),
        unseen=contacts.unseen.mean(axis=1),
        occlusion=contacts.unseen.max(axis=1),
        blind_inner=inner,
        lean=np.arctan2(np.abs(gravity[:, 0]), np.abs(gravity[:, 2])),
        tilt=np.where(rim, 1.0 + np.sign(lever[:, 1]) * tilt, np.abs(tilt)),
        tight=np.maximum(0.0, 1.0 - clearance / 0.008),
        wide=np.maximum(0.0, (width - 0.06) / 0.02),
        thin=np.maximum(0.0, 1.0 - width / 0.015),
        hidden=occlusion.hidden,
        behind=occlusion.behind,
        inside=occlusion.inside,
    )


def kind(features: FloatArray) -> IntArray:
    """Return the number in KINDS of grasps (C, F), shape (C,)."""
    return np.asarray(features[:, names().index('uneven')] >= 1.0, np.int64)


def probability(features: FloatArray) -> FloatArray:
    """Return the probability (C,) that grasps hold, from their features (C, F)."""
    which = kind(features)
    log_odds = BIAS[which] + (features * WEIGHTS[which]).sum(axis=1)
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds, -30.0, 30.0))))
