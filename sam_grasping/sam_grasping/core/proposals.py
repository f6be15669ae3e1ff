# SPDX-License-Identifier: Apache-2.0
"""From an observation to scored grippers in its table frame, and why others fell out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_grasping.core import candidates as found
from sam_grasping.core.centre_of_mass import centre_of_mass
from sam_grasping.core.collision import Jaws, Scene, above_table
from sam_grasping.core.contacts import touch
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observation import Observation, Surface
from sam_grasping.core.orientations import rotations as orientations
from sam_grasping.core.planner_options import PlannerOptions
from sam_grasping.core.score import describe, probability
from sam_grasping.core.thinning import spread, thinned
from sam_grasping.core.transform import Floats

POINTS = 1200
OBSTACLES = 1500
OPEN_M = 0.012  # on each side beyond the width, where there is room
LEAST_OPEN_M = 0.0015
LEAST_FACING = 0.7
LEAST_HEIGHT_M = 0.001
FAR_M = 0.09


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


class _Sieve:
    """Which of the candidates are left, and why the others are not."""

    def __init__(self, count: int) -> None:
        self.alive = np.ones(count, bool)
        self.rejections: Counter[str] = Counter()

    def drop(self, cause: str, bad: npt.NDArray[np.bool_]) -> None:
        bad = bad & self.alive
        if bad.any():
            self.rejections[cause] += int(bad.sum())
            self.alive &= ~bad


def propose(observation: Observation, gripper: Gripper, options: PlannerOptions) -> Proposals:
    """Return all grasps that fit, unordered.

    Parameters
    ----------
    observation : Observation
    gripper : Gripper
    options : PlannerOptions

    """
    seen = thinned(observation.seen, POINTS // 2)
    unseen = thinned(observation.unseen, POINTS // 2)
    surface = Surface(
        np.concatenate([seen.points, unseen.points]),
        np.concatenate([seen.normals, unseen.normals]),
    )
    centre = centre_of_mass(np.concatenate([observation.seen.points, observation.unseen.points]))
    turns, leans, outside = orientations(
        surface.points, surface.normals, cone_rad=options.approach_cone_rad
    )
    tried, slices, middles = found.find(surface.points, turns, centre, gripper)
    contacts = touch(tried, slices, surface, len(seen.points), turns, gripper)
    sieve = _Sieve(len(tried))
    sieve.rejections['outside_approach_cone'] = outside
    width, facing = contacts.width, contacts.facing.min(axis=1)
    with np.errstate(invalid='ignore'):
        sieve.drop('no_opposite_face', ~(np.isfinite(width) & (width > 0.001)))
        sieve.drop('too_wide', width + 2 * LEAST_OPEN_M > gripper.max_width_m)
        sieve.drop('contact_slope', facing < LEAST_FACING)
    own = centre @ turns
    lever = own[tried.orientation]
    lever[:, 0] -= tried.x
    middle = np.stack(
        [contacts.middle_x.mean(axis=1), contacts.middle_y, contacts.middle_z.mean(axis=1)],
        axis=1,
    )
    with np.errstate(invalid='ignore'):
        away = np.linalg.norm((lever - middle)[:, :2], axis=1)
        sieve.drop('far_from_centre_of_mass', ~(away <= FAR_M))
    rows = np.flatnonzero(sieve.alive)
    tried, contacts, width, lever = (
        tried.at(rows),
        type(contacts)(*(getattr(contacts, n)[rows] for n in contacts.__dataclass_fields__)),
        width[rows],
        lever[rows],
    )
    jaws = Jaws(tried.orientation, tried.slice, tried.x, contacts.middle_y, tried.tip, width)
    rest = _Sieve(len(rows))
    most = np.minimum(OPEN_M, (gripper.max_width_m - width) / 2)
    own_room = tried.room - gripper.finger_thickness_m - found.FINGER_CLEARANCE_M
    rest.drop('collision_with_object', own_room < LEAST_OPEN_M)
    opening = np.minimum(most, own_room)
    height = above_table(jaws, turns, width + 2 * LEAST_OPEN_M, gripper)
    rest.drop('collision_with_table', height < LEAST_HEIGHT_M)
    scene = Scene(
        observation.obstacles[spread(len(observation.obstacles), OBSTACLES)],
        turns,
        middles,
        gripper,
        pre_grasp_m=options.pre_grasp_m,
    )
    room = scene.room(jaws)
    rest.drop('collision_with_scene', (room.at_grasp < LEAST_OPEN_M) | ~room.palm_at_grasp)
    rest.drop('collision_on_approach', (room.on_approach < LEAST_OPEN_M) | ~room.palm_on_approach)
    opening = np.minimum(opening, room.on_approach)
    features = describe(
        contacts,
        centre=lever,
        gravity=-turns[tried.orientation][:, 2],
        tip=tried.tip,
        lean=leans[tried.orientation],
        room=np.minimum(np.minimum(own_room, room.on_approach), 1.0),
        gripper=gripper,
    ).matrix()
    keep = np.flatnonzero(rest.alive)
    poses = np.tile(np.eye(4), (len(keep), 1, 1))
    poses[:, :3, :3] = turns[tried.orientation[keep]]
    poses[:, :3, 3] = np.einsum(
        'cij,cj->ci',
        poses[:, :3, :3],
        np.stack([jaws.x, jaws.y, jaws.tip], axis=1)[keep],
    )
    return Proposals(
        poses,
        width[keep],
        width[keep] + 2 * opening[keep],
        features[keep],
        probability(features[keep]),
        sieve.rejections + rest.rejections,
    )
