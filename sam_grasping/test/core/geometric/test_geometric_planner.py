# SPDX-License-Identifier: Apache-2.0
"""The geometric planner on shapes of known size, seen in exact depth images."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from shapes_in_depth import Box, Cylinder, Ground, Sphere, look_at, pinhole, placed, render

from sam_common.transforms import apply, inverse
from sam_grasping import Gripper, Limits, PlannerOptions, View, load_planner
from sam_grasping.core.geometric.diversity import APART_M, APART_RAD, similar
from sam_grasping.core.observe.observation import Observation, Surface
from sam_grasping.core.observe.observe import observe

GRIPPER = Gripper()
WORLD_CAMERA = look_at((-0.42, 0.1, 0.46), (0.0, 0.0, 0.03))


@cache
def view_of(shape, *others):
    camera = pinhole()
    depth_m, ids = render([Ground(), shape, *others], camera, WORLD_CAMERA)
    return View(depth_m=depth_m, mask=ids == 2, camera=camera)


def standing_box(size, yaw=0.3):
    return Box(size, pose=placed(z=size[2] / 2, yaw=yaw))


def standing_cylinder(radius, height):
    return Cylinder(radius, height, pose=placed(z=height / 2))


@cache
def planner(**options):
    return load_planner('geometric', options=PlannerOptions(**options))


def plan_in_world(view, limits=None, **options):
    plan = planner(**options).plan(view, limits=limits)
    return plan, [grasp.in_frame(WORLD_CAMERA) for grasp in plan.grasps]


BOX = standing_box((0.05, 0.09, 0.07))


@pytest.mark.parametrize('size', [(0.04, 0.06, 0.1), (0.03, 0.12, 0.05), (0.065, 0.11, 0.16)])
@pytest.mark.parametrize('yaw', [0.0, 0.4, 1.1, 2.5])
def test_a_box_is_grasped_across_its_faces_with_their_width(size, yaw):
    box = standing_box(size, yaw)
    _, grasps = plan_in_world(view_of(box))
    assert grasps[0].score > 0.5
    along = grasps[0].pose[:3, 1] @ box.pose[:3, :3]
    face = int(np.argmax(np.abs(along)))
    assert abs(along[face]) > np.cos(np.radians(4))
    assert grasps[0].width_m == pytest.approx(size[face], abs=0.002)
    middle = inverse(box.pose)[:3] @ grasps[0].pose[:, 3]
    assert middle[face] == pytest.approx(0.0, abs=0.002)


@pytest.mark.parametrize(('radius', 'height'), [(0.02, 0.08), (0.033, 0.12), (0.037, 0.06)])
def test_a_cylinder_is_grasped_through_its_axis(radius, height):
    _, grasps = plan_in_world(view_of(standing_cylinder(radius, height)))
    best = grasps[0]
    assert best.width_m == pytest.approx(2 * radius, abs=0.002)
    assert abs(best.pose[2, 1]) < 0.1
    assert best.pose[:2, 1] @ best.pose[:2, 3] == pytest.approx(0.0, abs=0.003)


@pytest.mark.parametrize('radius', [0.025, 0.035])
def test_a_ball_is_grasped_across_its_middle(radius):
    _, grasps = plan_in_world(view_of(Sphere(radius, pose=placed(z=radius))))
    assert grasps[0].width_m == pytest.approx(2 * radius, abs=0.002)
    assert grasps[0].pose[:2, 1] @ grasps[0].pose[:2, 3] == pytest.approx(0.0, abs=0.003)


def test_poses_are_rigid_and_belong_together():
    plan = planner().plan(view_of(BOX))
    up = plan.plane.normal
    options = planner().options
    for grasp in plan.grasps:
        quaternion = Rotation.from_matrix(grasp.pose[:3, :3]).as_quat()
        assert np.linalg.norm(quaternion) == pytest.approx(1.0)
        assert np.linalg.det(grasp.pose[:3, :3]) == pytest.approx(1.0)
        assert grasp.pose[:3, 3] - grasp.pre_grasp[:3, 3] == pytest.approx(
            options.pre_grasp_m * grasp.pose[:3, 2]
        )
        assert grasp.lift[:3, 3] - grasp.pose[:3, 3] == pytest.approx(options.lift_m * up)
        assert 0 < grasp.width_m < grasp.opening_m <= GRIPPER.max_width_m
    scores = [grasp.score for grasp in plan.grasps]
    assert scores == sorted(scores, reverse=True)


def in_gripper(grasp, points_camera, *, sweep_m=0.0):
    """Return which points (N, 3) lie in the open gripper, or where it comes from."""
    local = apply(inverse(grasp.pose), points_camera)
    low, high = GRIPPER.boxes(grasp.opening_m)
    low[:, 2] -= sweep_m
    return ((local[:, None] > low) & (local[:, None] < high)).all(axis=2).any(axis=1)


@pytest.mark.parametrize('gap_m', [0.004, 0.015, 0.04])
def test_what_is_seen_of_a_wall_beside_the_object_is_not_touched(gap_m):
    wall = Box((0.02, 0.3, 0.2), pose=BOX.pose @ placed(x=0.025 + gap_m + 0.01, z=0.065))
    camera = pinhole()
    depth_m, ids = render([Ground(), BOX, wall], camera, WORLD_CAMERA)
    plan = planner(max_grasps=200).plan(View(depth_m=depth_m, mask=ids == 2, camera=camera))
    assert plan.grasps
    assert plan.rejections['collision_with_scene'] > 0
    seen = camera.deproject(depth_m)[ids == 3].astype(float)
    assert len(seen) > 1000
    for grasp in plan.grasps:
        assert not in_gripper(grasp, seen, sweep_m=0.1).any()


def test_a_wall_removes_only_the_grasps_that_hit_it():
    observation = observe(view_of(BOX), GRIPPER)
    # 12 mm beside a face: no finger fits in between.
    rows, heights = np.meshgrid(np.linspace(-0.15, 0.15, 101), np.linspace(-0.03, 0.17, 67))
    wall_box = np.stack([np.full_like(rows, 0.037), rows, heights], axis=-1).reshape(-1, 3)
    wall = apply(inverse(WORLD_CAMERA) @ BOX.pose, wall_box)
    wall_table = apply(inverse(observation.tf_camera_table), wall)
    many = planner(max_grasps=1000)
    free = many.plan_observation(observation)
    beside = many.plan_observation(with_obstacles(observation, wall_table))
    kept = np.stack([grasp.pose for grasp in beside.grasps])
    hits = 0
    for grasp in free.grasps:
        if in_gripper(grasp, wall, sweep_m=0.1).any():
            hits += 1
        elif clear_of(grasp, wall, margin_m=0.007):
            assert similar(kept, grasp.pose).any()
    assert hits > 0
    for grasp in beside.grasps:
        assert not in_gripper(grasp, wall, sweep_m=0.1).any()


def with_obstacles(observation, points_table):
    values = dict(vars(observation))
    values['obstacles'] = np.concatenate([observation.obstacles, points_table])
    return type(observation)(**values)


def clear_of(grasp, points_camera, *, margin_m):
    local = apply(inverse(grasp.pose), points_camera)
    low, high = GRIPPER.boxes(grasp.opening_m)
    low[:, 2] -= 0.1
    low, high = low - margin_m, high + margin_m
    return not ((local[:, None] > low) & (local[:, None] < high)).all(axis=2).any()


@settings(max_examples=10, deadline=None)
@given(
    turn=st.lists(st.floats(-3, 3), min_size=3, max_size=3),
    shift=st.lists(st.floats(-2, 2), min_size=3, max_size=3),
)
def test_a_rigid_motion_of_the_scene_moves_the_grasps_with_it(turn, shift):
    observation = observe(view_of(BOX), GRIPPER)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
    motion[:3, 3] = shift
    values = dict(vars(observation))
    values['tf_camera_table'] = motion @ observation.tf_camera_table
    before = planner().plan_observation(observation)
    after = planner().plan_observation(type(observation)(**values))
    assert len(before.grasps) == len(after.grasps) > 0
    for one, other in zip(before.grasps, after.grasps, strict=True):
        np.testing.assert_allclose(other.pose, motion @ one.pose, atol=1e-9)
        np.testing.assert_allclose(other.lift, motion @ one.lift, atol=1e-9)
        assert other.score == one.score


@pytest.mark.parametrize('cone_rad', [0.0, 0.3, 0.6, np.pi / 2])
def test_no_approach_leans_beyond_the_cone(cone_rad):
    plan = planner(approach_cone_rad=cone_rad).plan(view_of(BOX))
    assert plan.grasps
    for grasp in plan.grasps:
        lean = np.arccos(np.clip(-grasp.pose[:3, 2] @ plan.plane.normal, -1, 1))
        assert lean <= cone_rad + 1e-6
    assert plan.rejections.get('outside_approach_cone', 0) > 0 or cone_rad > 1.5


def test_grasps_stay_in_the_workspace_of_the_target_frame():
    limits = Limits(low_m=(-1.0, 0.0, -0.1), high_m=(1.0, 1.0, 1.0), tf_target_camera=WORLD_CAMERA)
    plan, grasps = plan_in_world(view_of(BOX), limits)
    assert grasps
    assert plan.rejections['outside_workspace'] > 0
    for grasp in grasps:
        for pose in (grasp.pose, grasp.pre_grasp, grasp.lift):
            assert pose[1, 3] >= 0
    nowhere = Limits(low_m=(5.0, 5.0, 5.0), high_m=(6.0, 6.0, 6.0))
    empty = planner().plan(view_of(BOX), limits=nowhere)
    assert not empty.grasps
    assert empty.rejections['outside_workspace'] > 100


def test_reachability_is_asked_best_first_and_only_as_often_as_needed():
    asked = []

    def reachable(grasp):
        asked.append(grasp)
        return grasp.pose[0, 3] > 0

    limits = Limits(reachable=reachable, tf_target_camera=WORLD_CAMERA)
    plan = planner().plan(view_of(BOX), limits=limits, max_grasps=3)
    assert len(plan.grasps) == 3
    assert all(grasp.in_frame(WORLD_CAMERA).pose[0, 3] > 0 for grasp in plan.grasps)
    scores = [grasp.score for grasp in asked]
    assert scores == sorted(scores, reverse=True)
    refused = [grasp for grasp in asked if not grasp.pose[0, 3] > 0]
    assert len(refused) == plan.rejections.get('unreachable', 0)
    assert len(asked) == len(refused) + 3


@pytest.mark.parametrize('size', [(0.1, 0.1, 0.1), (0.16, 0.11, 0.03)])
def test_an_object_wider_than_the_gripper_gets_no_grasp_and_the_cause(size):
    plan = planner().plan(view_of(standing_box(size)))
    assert not plan.grasps
    causes = {cause: n for cause, n in plan.rejections.items() if cause != 'contact_slope'}
    assert max(causes, key=causes.get) == 'too_wide'


def test_grasps_differ():
    plan = planner().plan(view_of(BOX))
    poses = np.stack([grasp.pose for grasp in plan.grasps])
    for index, grasp in enumerate(plan.grasps):
        assert not similar(np.delete(poses, index, axis=0), grasp.pose).any()


def test_a_gripper_turned_by_half_a_turn_is_the_same():
    pose = np.eye(4)
    half = np.diag([-1.0, -1.0, 1.0, 1.0])
    turned = np.eye(4)
    turned[:3, :3] = Rotation.from_euler('z', APART_RAD * 1.1).as_matrix()
    moved = np.eye(4)
    moved[0, 3] = APART_M * 1.1
    assert similar(np.stack([pose, half, turned, moved]), pose).tolist() == [
        True,
        True,
        False,
        False,
    ]


def test_the_same_view_gives_the_same_plan_to_the_bit():
    one = load_planner('geometric').plan(view_of(BOX))
    other = load_planner('geometric').plan(view_of(BOX))
    assert one.rejections == other.rejections
    for first, second in zip(one.grasps, other.grasps, strict=True):
        np.testing.assert_array_equal(first.pose, second.pose)
        assert first.score == second.score


def test_rejections_add_up():
    def total(plan):
        return len(plan.grasps) + sum(plan.rejections.values())

    view = view_of(BOX)
    limits = Limits(low_m=(-1, 0.0, -1), high_m=(1, 1, 1), tf_target_camera=WORLD_CAMERA)
    plans = [
        planner().plan(view),
        planner().plan(view, max_grasps=2),
        planner().plan(view, limits=limits),
        planner().plan(view, limits=Limits(reachable=lambda grasp: False)),
    ]
    assert len({total(plan) for plan in plans}) == 1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.sampled_from([1, 2, 3, 30, 400]),
    hidden=st.sampled_from([0, 1, 50]),
    obstacles=st.sampled_from([0, 1, 300]),
    flatness=st.sampled_from([(1, 1, 1), (1, 1, 0), (1, 0, 1), (0, 0, 1), (5, 5, 5)]),
    gripper=st.builds(
        Gripper,
        max_width_m=st.floats(0.005, 0.3),
        finger_length_m=st.floats(0.005, 0.3),
        finger_thickness_m=st.floats(0.001, 0.05),
        finger_width_m=st.floats(0.002, 0.1),
    ),
    cone=st.floats(0, np.pi / 2),
)
def test_whatever_is_seen_every_grasp_is_finite(
    seed, count, hidden, obstacles, flatness, gripper, cone
):
    rng = np.random.default_rng(seed)

    def surface(rows):
        normals = rng.normal(size=(rows, 3))
        points = rng.uniform(-0.05, 0.05, (rows, 3)) * flatness + [0, 0, 0.06]
        return Surface(points, normals / np.linalg.norm(normals, axis=1, keepdims=True))

    observation = Observation(
        tf_camera_table=WORLD_CAMERA,
        viewpoint=np.array([-0.4, 0.0, 0.4]),
        seen=surface(count),
        unseen=surface(hidden),
        obstacles=rng.uniform(-0.3, 0.3, (obstacles, 3)),
    )
    options = PlannerOptions(approach_cone_rad=cone, max_grasps=50)
    plan = load_planner('geometric', gripper=gripper, options=options).plan_observation(
        observation
    )
    assert all(count > 0 for count in plan.rejections.values())
    for grasp in plan.grasps:
        for pose in (grasp.pose, grasp.pre_grasp, grasp.lift):
            assert np.isfinite(pose).all()
        assert np.isfinite([grasp.width_m, grasp.opening_m, grasp.score]).all()
        assert 0 < grasp.width_m <= grasp.opening_m <= gripper.max_width_m + 1e-6
