# SPDX-License-Identifier: Apache-2.0
"""Grasps whose outcome is plain to see end as they should."""

from dataclasses import replace

import numpy as np
import pytest

from sam_grasping.core.grasp import Grasp
from sam_grasping.core.gripper import Gripper
from sam_simulation.errors import TrialError
from sam_simulation.physics.evaluator import LIFT_M, UP_M, GraspEvaluator
from sam_simulation.scene import convex_part as part
from sam_simulation.scene import mesh
from sam_simulation.scene.tabletop import SceneObject, Tabletop

UPRIGHT = np.eye(3)
BLOCK_M = (0.04, 0.05, 0.06)


def scene_of(*pieces):
    """Return a table with blocks on it: each a size, a place for its middle, and a rotation."""
    scene = Tabletop(0, object_count=1)
    texture = scene.objects[0].surface
    scene.objects = tuple(
        SceneObject(
            number,
            'box',
            replace(texture, mesh=mesh.box(size).moved(rotation, centre)),
            (part.box(size).moved(rotation, centre),),
        )
        for number, (size, centre, rotation) in enumerate(pieces, start=1)
    )
    return scene


def block(x=0.0, y=0.0, size=BLOCK_M):
    return size, (x, y, size[2] / 2), UPRIGHT


def down(x, y, z, *, opening_m=0.08, yaw=0.0):
    """Return a grasp from straight above that closes along y, turned by yaw."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    pose, up = np.eye(4), np.eye(4)
    pose[:3, :3] = [[cos, sin, 0], [sin, -cos, 0], [0, 0, -1]]
    pose[:3, 3] = x, y, z
    up[2, 3] = 0.1
    return Grasp(
        pose=pose, pre_grasp=up @ pose, lift=up @ pose, width_m=0, opening_m=opening_m, score=0.5
    )


@pytest.fixture(scope='module')
def evaluator():
    """Return the evaluator of one block."""
    return GraspEvaluator(scene_of(block()))


def test_a_centred_grasp_holds(evaluator):
    outcome = evaluator.try_grasp(down(0, 0, 0.02), 1)
    assert (outcome.success, outcome.cause) == (True, 'held')
    assert not outcome.touched
    assert outcome.strict_success
    assert outcome.lifted_m == pytest.approx(LIFT_M, abs=0.005)
    assert outcome.moved_m == {}


def test_a_grasp_aside_misses(evaluator):
    outcome = evaluator.try_grasp(down(0.06, 0, 0.02), 1)
    assert (outcome.success, outcome.cause) == (False, 'missed')
    assert outcome.lifted_m < UP_M


def test_a_grasp_through_the_table_is_blocked(evaluator):
    outcome = evaluator.try_grasp(down(0, 0, -0.02), 1)
    assert (outcome.success, outcome.cause) == (False, 'blocked')
    assert outcome.touched


def test_a_palm_on_the_object_fails_strict_trials_only():
    evaluator = GraspEvaluator(scene_of(block(size=(0.04, 0.05, 0.08))))
    grasp = down(0, 0, 0.08 - 0.0605)
    usual, strict = evaluator.try_grasp(grasp, 1), evaluator.try_grasp(grasp, 1, strict=True)
    assert (usual.cause, usual.touched, usual.strict_success) == ('held', True, False)
    assert (strict.cause, strict.success) == ('contact_on_approach', False)


@pytest.mark.parametrize(
    ('opening_m', 'above_palm_m', 'touches'),
    [(0.052, 0.002, False), (0.048, 0.002, True), (0.052, -0.002, True)],
)
def test_the_gripper_has_the_measures_that_it_says(opening_m, above_palm_m, touches):
    evaluator = GraspEvaluator(scene_of(block(size=(0.04, 0.05, 0.08))))
    tip = 0.08 - Gripper().finger_length_m + above_palm_m
    outcome = evaluator.try_grasp(down(0, 0, tip, opening_m=opening_m), 1, strict=True)
    assert outcome.touched == touches


def test_a_trial_repeats_to_the_bit_whatever_was_tried_before(evaluator):
    grasp = down(0.004, 0.003, 0.03, yaw=0.3)
    first = evaluator.try_grasp(grasp, 1)
    evaluator.try_grasp(down(0.02, 0.01, 0.01), 1)
    evaluator.try_grasp(down(0, 0, -0.02), 1)
    assert evaluator.try_grasp(grasp, 1) == first
    assert GraspEvaluator(scene_of(block())).try_grasp(grasp, 1) == first
    assert evaluator.try_grasp(down(0.004, 0.0031, 0.03, yaw=0.3), 1) != first


def test_less_friction_lets_a_slope_slip():
    scene = scene_of(block())
    low, high = 0.03, 0.03 - 0.05 * np.tan(np.radians(25))
    corners = np.array(
        [
            (x, s * y, z)
            for x in (-0.03, 0.03)
            for s in (-1, 1)
            for y, z in ((low, 0), (high, 0.05))
        ]
    )
    scene.objects = (replace(scene.objects[0], parts=(part.hull(corners),)),)
    causes = {
        friction: GraspEvaluator(scene, friction=friction).try_grasp(down(0, 0, 0.02), 1).cause
        for friction in (0.8, 0.3)
    }
    assert causes == {0.8: 'held', 0.3: 'slipped'}


def test_what_is_gripped_along_with_a_neighbour_is_not_held_and_the_neighbour_is_noticed():
    thin = (0.04, 0.02, 0.06)
    evaluator = GraspEvaluator(
        scene_of(block(0, -0.0105, thin), block(0, 0.0105, thin), block(0.2, 0.2))
    )
    outcome = evaluator.try_grasp(down(0, 0, 0.02), 1)
    assert (outcome.success, outcome.cause) == (False, 'one_finger')
    assert outcome.moved_m[2] == pytest.approx(LIFT_M, abs=0.01)
    assert outcome.moved_m[3] < 1e-4


def test_a_hollow_mug_is_held_by_its_wall():
    scene = next(
        scene
        for scene in (Tabletop(seed, object_count=1) for seed in range(50))
        if scene.objects[0].class_name == 'mug' and not _is_upside_down(scene.objects[0])
    )
    evaluator = GraspEvaluator(scene)
    floor = scene.objects[0].parts[0].centre
    handle = scene.objects[0].parts[-1].centre - floor
    away = -handle[:2] / np.linalg.norm(handle[:2])
    vertices = scene.objects[0].surface.mesh.vertices - [*floor[:2], 0]
    radius = (vertices[:, :2] @ away).max()
    yaw = np.arctan2(away[1], away[0]) - np.pi / 2
    grasp = down(
        *(floor[:2] + away * (radius - 0.004)),
        vertices[:, 2].max() - 0.03,
        yaw=yaw,
        opening_m=0.03,
    )
    outcome = evaluator.try_grasp(grasp, 1)
    assert (outcome.cause, outcome.touched) == ('held', False)


def test_a_wide_bowl_is_held_by_its_rim_though_it_hangs_down():
    scene = next(
        scene
        for scene in (Tabletop(seed, object_count=1) for seed in range(50))
        if scene.objects[0].class_name == 'bowl' and not _is_upside_down(scene.objects[0])
    )
    middle = scene.objects[0].parts[0].centre[:2]
    vertices = scene.objects[0].surface.mesh.vertices
    radius, height = (vertices[:, 0] - middle[0]).max(), vertices[:, 2].max()
    grasp = down(middle[0] + radius - 0.007, middle[1], height - 0.015, opening_m=0.04, yaw=-1.571)
    outcome = GraspEvaluator(scene).try_grasp(grasp, 1)
    assert outcome.cause == 'held'
    assert UP_M < outcome.lifted_m < LIFT_M - 0.01


def test_a_can_that_is_gripped_off_its_middle_turns_no_more_than_the_fingers():
    scene = scene_of(block())
    can = part.turned([(0.025, 0.0), (0.025, 0.09)]).moved(UPRIGHT, [0.0, 0.0, 0.0])
    scene.objects = (replace(scene.objects[0], class_name='cylinder', parts=(can,)),)
    evaluator = GraspEvaluator(scene)
    for x, y, z in [(0.004, 0.006, 0.05), (-0.006, 0.01, 0.06), (0.005, -0.008, 0.065)]:
        outcome = evaluator.try_grasp(down(x, y, z), 1)
        assert outcome.success
        assert outcome.lifted_m == pytest.approx(LIFT_M, abs=0.002)


def _is_upside_down(item):
    return item.parts[0].rotation[2, 2] < 0


def test_what_tips_over_or_falls_off_is_no_target():
    tilt = np.radians(30)
    tilted = np.array(
        [[np.cos(tilt), 0, np.sin(tilt)], [0, 1, 0], [-np.sin(tilt), 0, np.cos(tilt)]]
    )
    scene = scene_of(block())
    edge = scene.table.mesh.vertices[:, 0].max()
    scene = scene_of(block(), (BLOCK_M, (0.2, 0, 0.045), tilted), block(edge + 0.01))
    evaluator = GraspEvaluator(scene)
    assert evaluator.targets == (1,)
    assert set(evaluator.motions) == {1, 2, 3}
    with pytest.raises(TrialError, match=r'object 2 .*\(1,\)'):
        evaluator.try_grasp(down(0, 0, 0.02), 2)


def test_motions_take_each_object_to_where_it_rests():
    drop = 0.01
    evaluator = GraspEvaluator(
        scene_of(block(), (BLOCK_M, (0.1, 0, BLOCK_M[2] / 2 + drop), UPRIGHT))
    )
    np.testing.assert_allclose(evaluator.motions[1], np.eye(4), atol=1e-3)
    fall = np.eye(4)
    fall[2, 3] = -drop
    np.testing.assert_allclose(evaluator.motions[2], fall, atol=1e-3)


def test_objects_of_a_scene_rest_about_where_the_scene_has_them():
    for seed in range(3):
        scene = Tabletop(seed)
        evaluator = GraspEvaluator(scene)
        assert len(evaluator.targets) >= len(scene.objects) - 1
        for object_id in evaluator.targets:
            points = scene.objects[object_id - 1].surface.mesh.vertices
            motion = evaluator.motions[object_id]
            shift = points @ motion[:3, :3].T + motion[:3, 3] - points
            assert np.linalg.norm(shift, axis=1).max() < 0.03


@pytest.mark.parametrize('friction', [0.0, -1.0, np.nan, np.inf])
def test_a_friction_that_makes_no_sense_is_refused(friction):
    with pytest.raises(TrialError, match='friction'):
        GraspEvaluator(scene_of(block()), friction=friction)


def test_a_grasp_that_opens_too_far_is_refused(evaluator):
    with pytest.raises(TrialError, match=r'0\.09.*0\.08'):
        evaluator.try_grasp(down(0, 0, 0.02, opening_m=0.09), 1)


def test_a_scene_without_solid_parts_is_refused():
    scene = scene_of(block())
    scene.objects = (replace(scene.objects[0], parts=()),)  # as in a video
    with pytest.raises(TrialError, match='object 1 has no parts'):
        GraspEvaluator(scene)
