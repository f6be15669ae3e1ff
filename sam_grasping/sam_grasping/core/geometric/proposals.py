# SPDX-License-Identifier: Apache-2.0
"""From an observation to scored grippers in its table frame, and why others fell out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sam_common.transforms import Floats
from sam_grasping.core.geometric.candidates import BIN_M, FINGER_CLEARANCE_M, Candidates, find
from sam_grasping.core.geometric.centre_of_mass import centre_of_mass
from sam_grasping.core.geometric.collision import Jaws, Scene, above_table
from sam_grasping.core.geometric.contacts import Contacts, touch
from sam_grasping.core.geometric.hidden_space import finger_blindness
from sam_grasping.core.geometric.orientations import rotations
from sam_grasping.core.geometric.score import describe, probability
from sam_grasping.core.geometric.tally import Tally
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observe.observation import Observation, Surface
from sam_grasping.core.observe.thinning import thinned, thinned_obstacles
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

    poses: Floats
    width: Floats
    opening: Floats
    features: Floats
    score: Floats
    rejections: Counter[str]


def propose(observation: Observation, gripper: Gripper, options: PlannerOptions) -> Proposals:
    """Return all grasps that fit, in no order.

    Parameters
    ----------
    observation : Observation
    gripper : Gripper
    options : PlannerOptions

    """
    seen, unseen = thinned(observation.seen, POINTS), thinned(observation.unseen, POINTS)
    surface = Surface(
        np.concatenate([seen.points, unseen.points]),
        np.concatenate([seen.normals, unseen.normals]),
    )
    centre = centre_of_mass(np.concatenate([observation.seen.points, observation.unseen.points]))
    turns, outside = rotations(surface.points, surface.normals, cone_rad=options.approach_cone_rad)
    rejections = Counter({'outside_approach_cone': outside})
    candidates, columns, middles = find(surface.points, turns, centre, gripper)
    candidates = _roughly_fit(candidates, centre @ turns, gripper, rejections)
    contacts = touch(candidates, columns, surface, len(seen.points), turns, gripper)
    candidates, contacts = _held(candidates, contacts, gripper, rejections)
    jaws = Jaws(
        candidates.orientation,
        candidates.slice,
        candidates.x,
        contacts.middle_y,
        candidates.tip,
        contacts.width,
    )
    scene = Scene(
        thinned_obstacles(observation.obstacles, surface.points, OBSTACLES),
        turns,
        middles,
        gripper,
        pre_grasp_m=options.pre_grasp_m,
    )
    room = scene.room(jaws)
    own_room = candidates.room - gripper.finger_thickness_m - FINGER_CLEARANCE_M
    free = np.minimum(own_room, room.on_approach)
    opening = np.minimum(np.minimum(OPEN_M, (gripper.max_width_m - jaws.width) / 2), free)
    tally = Tally(len(candidates), rejections)
    tally.reject(
        'collision_with_table',
        above_table(jaws, turns, jaws.width + 2 * opening, gripper) < LEAST_HEIGHT_M,
    )
    tally.reject('collision_with_scene', ~(room.at_grasp >= LEAST_OPEN_M) | ~room.palm_at_grasp)
    tally.reject(
        'collision_on_approach', ~(room.on_approach >= LEAST_OPEN_M) | ~room.palm_on_approach
    )
    rows = np.flatnonzero(tally.left)
    jaws, contacts, opening, free = jaws.at(rows), contacts.at(rows), opening[rows], free[rows]
    blind = finger_blindness(observation, jaws, turns, opening, gripper)
    features = describe(
        contacts,
        blind,
        centre=(centre @ turns)[jaws.orientation],
        gravity=-turns[jaws.orientation][:, 2],
        tip=jaws.tip,
        room=np.minimum(free, 1.0),
        gripper=gripper,
    ).matrix()
    score = probability(features)
    tally = Tally(len(score), rejections)
    tally.reject('low_score', score < LEAST_SCORE)
    rows = np.flatnonzero(tally.left)
    return Proposals(
        jaws.poses(turns)[rows],
        jaws.width[rows],
        (jaws.width + 2 * opening)[rows],
        features[rows],
        score[rows],
        rejections,
    )


def _roughly_fit(
    candidates: Candidates, centres: Floats, gripper: Gripper, rejections: Counter[str]
) -> Candidates:
    """Return the candidates that a first look does not rule out."""
    tally = Tally(len(candidates), rejections)
    width = candidates.high - candidates.low - 2 * BIN_M
    tally.reject('too_wide', width > gripper.max_width_m)
    room = candidates.room - gripper.finger_thickness_m - FINGER_CLEARANCE_M
    tally.reject('collision_with_object', room < LEAST_OPEN_M)
    off = centres[candidates.orientation]
    beside = np.hypot(off[:, 0] - candidates.x, off[:, 1] - (candidates.low + candidates.high) / 2)
    tally.reject('far_from_centre_of_mass', beside > FAR_M)
    return candidates.at(tally.left)


def _held(
    candidates: Candidates,
    contacts: Contacts,
    gripper: Gripper,
    rejections: Counter[str],
) -> tuple[Candidates, Contacts]:
    """Return the candidates whose contacts could hold."""
    tally = Tally(len(candidates), rejections)
    with np.errstate(invalid='ignore'):
        tally.reject('no_opposite_face', ~(contacts.width > LEAST_WIDTH_M))
        tally.reject('too_wide', contacts.width + 2 * LEAST_OPEN_M > gripper.max_width_m)
        tally.reject('contact_slope', ~(contacts.facing.min(axis=1) >= LEAST_FACING))
    return candidates.at(tally.left), contacts.at(tally.left)
