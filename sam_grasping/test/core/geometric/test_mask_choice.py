# SPDX-License-Identifier: Apache-2.0
"""Of a click's masks, depth speaks for the one that is a whole object."""

import numpy as np
import pytest
from shapes_in_depth import Box, Ground, look_at, pinhole, placed, render

from sam_common.scored_mask import ScoredMask
from sam_grasping import Grasp, Gripper, Plan, Plane, Planner, PlannerOptions, View
from sam_grasping.core.errors import TargetError
from sam_grasping.core.geometric.mask_choice import likelihoods, plan_likeliest

CAMERA = pinhole((320, 240), focal=310)


@pytest.fixture(scope='module')
def scene():
    """A tall box with a low one touching it, seen from the front: depth and both masks."""
    shapes = [Ground(), Box((0.06, 0.06, 0.12), pose=placed(z=0.06)),
              Box((0.06, 0.06, 0.05), pose=placed(z=0.025, y=0.061))]  # fmt: skip
    depth_m, ids = render(shapes, CAMERA, look_at((0.5, 0.15, 0.45), (0, 0, 0.04)))
    return depth_m, ids == 2, ids == 3


def upper_half(mask):
    rows = np.flatnonzero(mask.any(axis=1))
    part = mask.copy()
    part[rows.mean().astype(int) :] = False
    return part


def choice(depth_m, masks, scores):
    view = View(depth_m=depth_m, mask=masks[0], camera=CAMERA)
    found = [ScoredMask(mask, score) for mask, score in zip(masks, scores, strict=True)]
    likely = likelihoods(view, found)
    assert ((likely >= 0) & (likely <= 1)).all()
    return int(np.argmax(likely))


def test_a_whole_object_is_preferred_to_a_part_with_a_better_score(scene):
    depth_m, whole, _ = scene
    assert choice(depth_m, [upper_half(whole), whole], [0.8, 0.7]) == 1


def test_an_object_is_preferred_to_one_that_spills_onto_the_table(scene):
    depth_m, whole, other = scene
    spilled = whole.copy()
    spilled[:, :160] |= ~other[:, :160] & (depth_m[:, :160] < 0.7)
    assert spilled.sum() > 1.5 * whole.sum()
    assert choice(depth_m, [spilled, whole], [0.8, 0.7]) == 1


def test_where_depth_speaks_for_both_the_score_decides(scene):
    depth_m, whole, _ = scene
    assert choice(depth_m, [whole, whole.copy()], [0.8, 0.7]) == 0
    assert choice(depth_m, [whole, whole.copy()], [0.7, 0.8]) == 1


@pytest.mark.parametrize('value', [np.nan, 0.001])
def test_where_depth_says_nothing_the_segmenters_choice_stands(scene, value):
    depth_m, whole, _ = scene
    masks = [upper_half(whole), whole]
    assert choice(np.full_like(depth_m, value), masks, [0.8, 0.7]) == 0


def test_empty_masks_are_no_choice(scene):
    depth_m, whole, _ = scene
    nothing = np.zeros_like(whole)
    assert choice(depth_m, [nothing, nothing.copy()], [0.9, 0.8]) == 0
    assert choice(depth_m, [nothing, whole], [0.9, 0.8]) == 1


def test_a_mask_of_another_size_is_refused(scene):
    depth_m, whole, _ = scene
    with pytest.raises(TargetError, match='10x10'):
        choice(depth_m, [whole, np.ones((10, 10), bool)], [0.9, 0.8])


class SecondBetter(Planner):
    """Finds one grasp whatever it sees, a better one the second time."""

    def __init__(self, *, refuses=()):
        super().__init__(Gripper(), PlannerOptions())
        self.refuses = refuses
        self.areas = []

    def plan(self, view, *, limits=None, max_grasps=None):
        area = int(view.mask.sum())
        self.areas.append(area)
        if area in self.refuses:
            raise TargetError('not this one')
        pose = np.eye(4)
        score = 0.9 if len(self.areas) == 2 else 0.4
        grasp = Grasp(
            pose=pose, pre_grasp=pose, lift=pose, width_m=0.01, opening_m=0.02, score=score
        )
        plane = Plane(np.array([0.0, 0.0, 1.0]), 1.0)
        return Plan(grasps=(grasp,), object_points=np.zeros((0, 3)), plane=plane)


def planned(scene, masks, scores, **options):
    view = View(depth_m=scene[0], mask=masks[0], camera=CAMERA)
    found = [ScoredMask(mask, score) for mask, score in zip(masks, scores, strict=True)]
    planner = SecondBetter(**options)
    plan = plan_likeliest(planner, view, found)
    return plan.grasps[0].score, planner.areas, likelihoods(view, found)


def test_a_single_mask_is_taken_for_right(scene):
    score, areas, _ = planned(scene, [scene[1]], [0.1])
    assert score == pytest.approx(0.4)
    assert len(areas) == 1


def test_a_mask_in_no_doubt_is_the_only_one_planned_for(scene):
    _, whole, _ = scene
    score, areas, likely = planned(scene, [whole, upper_half(whole)], [1.0, 0.9])
    assert areas == [whole.sum()]
    assert likely[0] > 0.95
    assert score == pytest.approx(0.4 * likely[0])


def nearly(mask):
    part = mask.copy()
    part[tuple(np.argwhere(mask)[0])] = False
    return part


def test_in_doubt_two_masks_are_planned_for_and_the_better_plan_counts(scene):
    _, whole, _ = scene
    score, areas, likely = planned(scene, [whole, nearly(whole)], [0.4, 0.3])
    assert 0.3 < likely[1] < likely[0] < 0.9
    assert areas == [whole.sum(), whole.sum() - 1]
    assert score == pytest.approx(0.9 * likely[1])


def test_a_second_mask_that_leaves_nothing_to_plan_with_changes_nothing(scene):
    _, whole, _ = scene
    masks, scores = [whole, nearly(whole)], [0.4, 0.3]
    score, _, likely = planned(scene, masks, scores, refuses=[whole.sum() - 1])
    assert score == pytest.approx(0.4 * likely[0])
    with pytest.raises(TargetError, match='not this one'):
        planned(scene, masks, scores, refuses=[whole.sum()])
