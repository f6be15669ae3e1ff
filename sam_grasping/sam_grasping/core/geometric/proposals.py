# SPDX-License-Identifier: Apache-2.0
"""From an observation to scored grippers in its table frame, and why others fell out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sam_common.types import BoolArray, FloatArray
from sam_grasping.core.geometric.candidates import BIN_M, FINGER_CLEARANCE_M, Candidates, find
from sam_grasping.core.geometric.centre_of_mass import centre_of_mass
from sam_grasping.core.geometric.collision import Jaws, Scene, above_table
from sam_grasping.core.geometric.contacts import Contacts, touch
from sam_grasping.core.geometric.hidden_space import finger_occlusion
from sam_grasping.core.geometric.orientations import find_rotations
from sam_grasping.core.geometric.score import describe, probability
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observe.downsampling import thinned, thinned_obstacles
from sam_grasping.core.observe.observation import Observation, Surface
from sam_grasping.core.planner_options import PlannerOptions

POINTS = 500  # of the object, seen, and as many unseen
OBSTACLES = 800  # near the object, and as many further away
OPEN_M = 0.012  # on each side beyond the width, where there is room
LEAST_OPEN_M = 0.0015
LEAST_WIDTH_M = 0.001
LEAST_FACING = 0.7
LEAST_HEIGHT_M = 0.001
FAR_M = 0.09
LEAST_SCORE = 0.05


class RejectionCounter:
    """Which of some candidates are left, and why the others are not.

    Parameters
    ----------
    count : int
        How many there are at first.
    rejections : Counter
        Is counted into.

    Attributes
    ----------
    left : array of bool, shape (count,)

    """

    def __init__(self, count: int, rejections: Counter[str]) -> None:
        self.left: BoolArray = np.ones(count, bool)
        self._rejections = rejections

    def reject(self, cause: str, bad: BoolArray) -> None:
        """Reject those that are left and bad; each counts for the first cause only."""
        bad = bad & self.left
        if bad.any():
            self._rejections[cause] += int(np.count_nonzero(bad))
            self.left &= ~bad


@dataclass(frozen=True, eq=False)
class Proposals:
    """Grasps that nothing speaks against, in the table frame.

    Parameters
    ----------
    poses : array of float64, shape (C, 4, 4)
        From the tool frame to the table frame.
    width, opening : arrays of float64, shape (C,)
        [m].
    features : array of float64, shape (C, F)
        See Features.
    score : array of float64, shape (C,)
    rejections : Counter
        How many candidates were rejected for which cause.

    """

    poses: FloatArray
    width: FloatArray
    opening: FloatArray
    features: FloatArray
    score: FloatArray
    rejections: Counter[str]


def propose(observation: Observation, gripper: Gripper, options: PlannerOptions) -> Proposals:
    """Return all grasps that fit, in no order.

    Parameters
    ----------
    observation : Observation
    gripper : Gripper
    options : PlannerOptions

    """
    # Thin the surface of the object, and find where its mass is.
    seen, unseen = thinned(observation.seen, POINTS), thinned(observation.unseen, POINTS)
    surface = Surface(
        np.concatenate([seen.points, unseen.points]),
        np.concatenate([seen.normals, unseen.normals]),
    )
    centre = centre_of_mass(np.concatenate([observation.seen.points, observation.unseen.points]))
    # Choose rotations of the gripper, and places for it in each.
    rotations, outside = find_rotations(
        surface.points, surface.normals, cone_rad=options.approach_cone_rad
    )
    rejections = Counter({'outside_approach_cone': outside})
    candidates, columns, middles = find(surface.points, rotations, centre, gripper)
    candidates = _roughly_fit(candidates, centre @ rotations, gripper, rejections)
    # Find what the fingers touch; drop what could not hold.
    contacts = touch(candidates, columns, surface, len(seen.points), rotations, gripper)
    candidates, contacts = _held(candidates, contacts, gripper, rejections)
    jaws = Jaws(
        candidates.orientation,
        candidates.slice,
        candidates.x,
        contacts.middle_y,
        candidates.tip,
        contacts.width,
    )
    # Measure how far the jaws can open before something is in the way, and reject collisions.
    scene = Scene(
        thinned_obstacles(observation.obstacles, surface.points, OBSTACLES),
        rotations,
        middles,
        gripper,
        pre_grasp_m=options.pre_grasp_m,
    )
    clearance = scene.clearance(jaws)
    own_clearance = candidates.clearance - gripper.finger_thickness_m - FINGER_CLEARANCE_M
    free = np.minimum(own_clearance, clearance.on_approach)
    opening = np.minimum(np.minimum(OPEN_M, (gripper.max_width_m - jaws.width) / 2), free)
    counter = RejectionCounter(len(candidates), rejections)
    counter.reject(
        'collision_with_table',
        above_table(jaws, rotations, jaws.width + 2 * opening, gripper) < LEAST_HEIGHT_M,
    )
    counter.reject(
        'collision_with_scene', ~(clearance.at_grasp >= LEAST_OPEN_M) | ~clearance.palm_at_grasp
    )
    counter.reject(
        'collision_on_approach',
        ~(clearance.on_approach >= LEAST_OPEN_M) | ~clearance.palm_on_approach,
    )
    # Describe and score what is left.
    rows = np.flatnonzero(counter.left)
    jaws, contacts, opening, free = jaws.at(rows), contacts.at(rows), opening[rows], free[rows]
    occlusion = finger_occlusion(observation, jaws, rotations, opening, gripper)
    features = describe(
        contacts,
        occlusion,
        centre=(centre @ rotations)[jaws.orientation],
        gravity=-rotations[jaws.orientation][:, 2],
        tip=jaws.tip,
        clearance=np.minimum(free, 1.0),
        gripper=gripper,
    ).matrix()
    score = probability(features)
    counter = RejectionCounter(len(score), rejections)
    counter.reject('low_score', score < LEAST_SCORE)
    rows = np.flatnonzero(counter.left)
    return Proposals(
        jaws.poses(rotations)[rows],
        jaws.width[rows],
        (jaws.width + 2 * opening)[rows],
        features[rows],
        score[rows],
        rejections,
    )


def _roughly_fit(
    candidates: Candidates, centres: FloatArray, gripper: Gripper, rejections: Counter[str]
) -> Candidates:
    """Return the candidates that a first look does not rule out."""
    counter = RejectionCounter(len(candidates), rejections)
    width = candidates.high - candidates.low - 2 * BIN_M
    counter.reject('too_wide', width > gripper.max_width_m)
    clearance = candidates.clearance - gripper.finger_thickness_m - FINGER_CLEARANCE_M
    counter.reject('collision_with_object', clearance < LEAST_OPEN_M)
    off = centres[candidates.orientation]
    beside = np.hypot(off[:, 0] - candidates.x, off[:, 1] - (candidates.low + candidates.high) / 2)
    counter.reject('far_from_centre_of_mass', beside > FAR_M)
    return candidates.at(counter.left)


def _held(
    candidates: Candidates,
    contacts: Contacts,
    gripper: Gripper,
    rejections: Counter[str],
) -> tuple[Candidates, Contacts]:
    """Return the candidates whose contacts could hold."""
    counter = RejectionCounter(len(candidates), rejections)
    with np.errstate(invalid='ignore'):
        counter.reject('no_opposite_face', ~(contacts.width > LEAST_WIDTH_M))
        counter.reject('too_wide', contacts.width + 2 * LEAST_OPEN_M > gripper.max_width_m)
        counter.reject('contact_slope', ~(contacts.facing.min(axis=1) >= LEAST_FACING))
    return candidates.at(counter.left), contacts.at(counter.left)
