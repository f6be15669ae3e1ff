# SPDX-License-Identifier: Apache-2.0
"""What is observed of simple shapes, whose surfaces are known exactly."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes_in_depth import (
    Box,
    Cylinder,
    Ground,
    Sphere,
    look_at,
    pinhole,
    placed,
    render,
    spoiled,
    turned,
)

from sam_common.errors import DepthError
from sam_common.transforms import apply, inverse
from sam_grasping import Gripper, View
from sam_grasping.core.errors import NoTableError, TargetError
from sam_grasping.core.observe.observe import observe
from sam_grasping.core.plane import Plane

CAMERA = pinhole((320, 240), focal=420.0)
EYE = look_at((0.42, 0.08, 0.42), (0, 0, 0.04))
UP = (0.0, 0.0, 1.0)
BOX = Box((0.06, 0.04, 0.09), pose=placed(z=0.045, yaw=0.5))
CYLINDER = Cylinder(0.03, 0.1, pose=placed(z=0.05))
LYING = Cylinder(0.025, 0.1, pose=placed(z=0.025, rotation=turned('x', np.pi / 2)))
BALL = Sphere(0.035, pose=placed(z=0.035))
WALL = Box((0.02, 0.8, 0.6), pose=placed(x=-0.14, z=0.3))


def view_of(shape, *others, eye=EYE, noise_m=0.0, plane=None):
    depth, ids = render([shape, Ground(), *others], CAMERA, eye)
    if noise_m:
        depth = spoiled(depth, np.random.default_rng(0), noise_m=noise_m, step_m=0.001)
    return View(depth_m=depth, mask=ids == 1, camera=CAMERA, plane=plane)


def with_depth(view, depth_m):
    return View(depth_m=depth_m, mask=view.mask, camera=view.camera)


def with_mask(view, mask):
    return View(depth_m=view.depth_m, mask=mask, camera=view.camera)


def degrees_between(one, other):
    """Return the angles between vectors (..., 3).

    By the arc tangent: the product of two unit vectors may round to more than 1, whose arc cosine
    is NaN, and near 1 the arc cosine tells angles apart only by 1e-8.
    """
    crossed = np.linalg.norm(np.cross(one, other), axis=-1)
    return np.degrees(np.arctan2(crossed, (one * np.asarray(other)).sum(axis=-1)))


def in_world(seen, eye=EYE):
    """Return tf_world_table, the points, and the unseen points in the world."""
    tf = eye @ seen.tf_camera_table
    return tf, apply(tf, seen.seen.points), apply(tf, seen.unseen.points)


@pytest.mark.parametrize('noise_m', [0.0, 0.001, 0.003])
@pytest.mark.parametrize('shape', [BOX, CYLINDER, LYING, BALL], ids=lambda s: type(s).__name__)
def test_the_table_and_what_is_seen_are_where_they_are(shape, noise_m):
    seen = observe(view_of(shape, noise_m=noise_m), Gripper())
    tf, points, _ = in_world(seen)
    assert tf[2, 3] == pytest.approx(0, abs=1e-3)
    assert degrees_between(tf[:3, 2], UP) < 0.5
    # Voxels hold means, which lie inside of edges and curves.
    assert np.abs(shape.distance(points)).max() < 0.001 + 2 * noise_m
    assert np.linalg.norm(seen.seen.normals, axis=1) == pytest.approx(1)
    off = degrees_between(seen.seen.normals @ tf[:3, :3].T, shape.normals(points))
    assert np.median(off) < 4 + 1e3 * noise_m
    assert seen.tf_camera_table[:3, :3] @ seen.tf_camera_table[:3, :3].T == pytest.approx(
        np.eye(3), abs=1e-9
    )
    assert seen.plane.height_m(np.zeros(3)) == pytest.approx(EYE[2, 3], abs=2e-3)


@pytest.mark.parametrize('shape', [BOX, CYLINDER], ids=lambda s: type(s).__name__)
def test_the_unseen_back_of_what_stands_upright_is_completed(shape):
    seen = observe(view_of(shape), Gripper())
    tf, _, unseen = in_world(seen)
    assert np.percentile(np.abs(shape.distance(unseen)), 95) < 0.002
    off = degrees_between(seen.unseen.normals @ tf[:3, :3].T, shape.normals(unseen))
    assert np.median(off) < 8
    # Somewhere on the far side, from the table to the top.
    behind = unseen[(unseen - shape.pose[:3, 3]) @ EYE[:3, 2] * [1] > 0.005]
    assert np.ptp(behind[:, 2]) > 0.07
    width = np.ptp(np.concatenate([apply(tf, seen.seen.points), unseen]), axis=0)
    corners = shape.pose[:3, :3] @ (
        np.array([[x, y, 0] for x in (-1, 1) for y in (-1, 1)]).T
        * (np.array([[0.03], [0.02], [0]]) if shape is BOX else 0.03 * np.ones((3, 1)))
    )
    expected = np.ptp(corners, axis=1)[:2] if shape is BOX else np.array([0.06, 0.06])
    assert width[:2] == pytest.approx(expected, abs=0.003)


def test_free_space_that_the_camera_sees_is_not_filled():
    seen = observe(view_of(BALL), Gripper())
    _, _, unseen = in_world(seen)
    # Seen from above at 45 degrees, what is below the equator on the near side is in sight.
    toward = EYE[:2, 3] / np.linalg.norm(EYE[:2, 3])
    assert ((unseen[:, :2] @ toward > 0.03) & (unseen[:, 2] < 0.02)).sum() == 0
    assert len(unseen) > 50


def test_the_inside_of_a_ring_stays_open():
    # Four walls with a hollow between them, as of a mug: its bottom is the table's top.
    walls = [
        Box((0.06, 0.006, 0.06), pose=placed(z=0.03) @ placed(y=0.033, yaw=0.0)),
        Box((0.06, 0.006, 0.06), pose=placed(z=0.03) @ placed(y=-0.033, yaw=0.0)),
        Box((0.006, 0.072, 0.06), pose=placed(z=0.03) @ placed(x=0.033)),
        Box((0.006, 0.072, 0.06), pose=placed(z=0.03) @ placed(x=-0.033)),
    ]
    depth, ids = render([*walls, Ground()], CAMERA, EYE)
    seen = observe(View(depth_m=depth, mask=(ids > 0) & (ids < 5), camera=CAMERA), Gripper())
    _, points, unseen = in_world(seen)
    for cloud in (points, unseen):
        assert (np.abs(cloud[:, :2]).max(axis=1) < 0.026).sum() == 0
    # The inner face of the near wall is hidden; a finger goes there.
    inner = (np.abs(unseen[:, 0] - 0.03) < 0.003) & (np.abs(unseen[:, 1]) < 0.025)
    assert inner.sum() > 20


@settings(max_examples=8, deadline=None)
@given(yaw=st.floats(-3, 3), x=st.floats(-1, 1), y=st.floats(-1, 1), roll=st.floats(-0.6, 0.6))
def test_a_rigid_motion_of_scene_and_camera_changes_nothing(yaw, x, y, roll):
    motion = placed(x=x, y=y, z=0.3, rotation=turned('z', yaw) @ turned('x', roll))
    moved = Box(BOX.size, pose=motion @ BOX.pose)
    depth, ids = render([moved, Ground(pose=motion)], CAMERA, motion @ EYE)
    a = observe(view_of(BOX), Gripper())
    b = observe(View(depth_m=depth, mask=ids == 1, camera=CAMERA), Gripper())
    assert b.tf_camera_table == pytest.approx(a.tf_camera_table, abs=1e-3)


@settings(max_examples=8, deadline=None)
@given(yaw=st.floats(-0.5, 0.5), roll=st.floats(-0.5, 0.5))
def test_the_table_frame_points_away_from_the_camera_wherever_that_is(yaw, roll):
    eye = look_at((0.42 * np.cos(yaw), 0.42 * np.sin(yaw), 0.42), (0, 0, 0.04), roll=roll)
    seen = observe(view_of(CYLINDER, eye=eye), Gripper())
    tf = eye @ seen.tf_camera_table
    assert tf[:3, 2] == pytest.approx([0, 0, 1], abs=5e-3)
    assert tf[:3, 0] == pytest.approx([-np.cos(yaw), -np.sin(yaw), 0], abs=0.02)
    assert tf[:3, 3] == pytest.approx([0, 0, 0], abs=3e-3)
    assert seen.viewpoint == pytest.approx(inverse(tf)[:3, :3] @ (eye - tf)[:3, 3], abs=1e-6)


def test_the_same_view_gives_the_same_answer():
    first, second = (observe(view_of(BOX, noise_m=0.001), Gripper()) for _ in range(2))
    assert np.array_equal(first.seen.points, second.seen.points)
    assert np.array_equal(first.unseen.normals, second.unseen.normals)
    assert np.array_equal(first.obstacles, second.obstacles)


@pytest.mark.parametrize('elevation', [0.35, 0.8])
def test_a_wall_with_more_pixels_does_not_become_the_table(elevation):
    eye = look_at((0.5 * np.cos(elevation), 0.05, 0.5 * np.sin(elevation)), (-0.05, 0, 0.12))
    table = Ground(half_xy=(0.14, 0.2))
    depth, ids = render([BOX, table, WALL], CAMERA, eye)
    assert (ids == 3).sum() > (ids == 2).sum()
    seen = observe(View(depth_m=depth, mask=ids == 1, camera=CAMERA), Gripper())
    tf = eye @ seen.tf_camera_table
    assert degrees_between(tf[:3, 2], UP) < 0.5
    assert tf[2, 3] == pytest.approx(0, abs=1e-3)


def test_a_given_table_is_taken():
    plane = Plane(EYE[:3, :3].T @ [0, 0, 1.0], EYE[2, 3] - 0.01)
    seen = observe(view_of(BOX, plane=plane), Gripper())
    assert (EYE @ seen.tf_camera_table)[2, 3] == pytest.approx(0.01)
    assert seen.dropped['on_table'] > 20


def test_a_mask_that_spills_over_is_cut_back():
    exact = view_of(BOX)
    mask = cv2.dilate(exact.mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    seen = observe(with_mask(exact, mask), Gripper())
    _, points, _ = in_world(seen)
    # At the foot of the box the table is as near as the box.
    assert np.abs(BOX.distance(points)).max() < 0.004
    assert seen.dropped['on_table'] > 100


def test_a_mask_that_spills_onto_what_stands_behind_is_cut_back():
    behind = Box((0.05, 0.3, 0.2), pose=placed(x=-0.12, z=0.1))
    exact = view_of(BOX, behind)
    mask = cv2.dilate(exact.mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    seen = observe(with_mask(exact, mask), Gripper())
    _, points, _ = in_world(seen)
    assert np.abs(BOX.distance(points)).max() < 0.004
    assert seen.dropped['outlier'] > 30


def test_flying_pixels_are_neither_object_nor_obstacle():
    behind = Box((0.05, 0.3, 0.2), pose=placed(x=-0.12, z=0.1))
    view = view_of(BOX, behind)
    # Halfway between the box and what is behind it, as a sensor measures at an edge.
    ring = cv2.dilate(view.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    far = cv2.dilate(view.depth_m, np.ones((5, 5), np.uint8))
    flying = ring & ~view.mask & (far - cv2.erode(view.depth_m, np.ones((5, 5))) > 0.06)
    depth = view.depth_m.copy()
    depth[flying] = (0.5 * (cv2.erode(view.depth_m, np.ones((5, 5))) + far))[flying]
    seen = observe(View(depth_m=depth, mask=ring, camera=CAMERA), Gripper())
    assert flying.sum() > 50
    tf, points, _ = in_world(seen)
    assert np.abs(BOX.distance(points)).max() < 0.004
    obstacles = apply(tf, seen.obstacles)
    assert np.abs(behind.distance(obstacles)).max() < 0.004


def test_a_handle_that_something_cuts_off_still_belongs():
    post = Cylinder(0.004, 0.2, pose=placed(x=0.045, y=0.022, z=0.1))
    view = view_of(CYLINDER, post)
    seen = observe(view, Gripper())
    _, points, _ = in_world(seen)
    count, *_ = cv2.connectedComponents(view.mask.astype(np.uint8), connectivity=4)
    assert count > 2, 'the post must cut the mask in two'
    across = points @ [-EYE[1, 3], EYE[0, 3], 0] / np.linalg.norm(EYE[:2, 3])
    assert np.ptp(across) > 0.055


def test_a_hole_in_the_depth_is_survived():
    view = view_of(BOX)
    rows, columns = np.nonzero(view.mask)
    depth = view.depth_m.copy()
    r, c = int(rows.mean()), int(columns.mean())
    depth[r - 12 : r + 12, c - 12 : c + 12] = np.nan
    seen = observe(with_depth(view, depth), Gripper())
    _, points, unseen = in_world(seen)
    assert seen.dropped['no_depth'] == 24 * 24
    assert np.abs(BOX.distance(points)).max() < 0.001
    for cloud in (seen.seen.points, seen.seen.normals, unseen, seen.unseen.normals):
        assert np.isfinite(cloud).all()


def test_obstacles_are_what_else_stands_on_the_table_within_reach():
    near = Box((0.04, 0.04, 0.1), pose=placed(y=0.1, z=0.05))
    far = Box((0.04, 0.04, 0.1), pose=placed(x=-0.7, z=0.05))
    seen = observe(view_of(BOX, near, far), Gripper())
    tf, _, _ = in_world(seen)
    obstacles = apply(tf, seen.obstacles)
    assert len(obstacles) > 200
    assert np.abs(near.distance(obstacles)).max() < 0.001
    assert np.unique(np.round(seen.obstacles / 0.003, 0), axis=0).shape[0] > 0.6 * len(obstacles)


@pytest.mark.parametrize('noise_m', [0.0, 0.002])
def test_an_object_alone_has_no_obstacles(noise_m):
    view = view_of(BOX, noise_m=noise_m)
    tight = cv2.erode(view.mask.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    for mask in (view.mask, tight):
        assert len(observe(with_mask(view, mask), Gripper()).obstacles) == 0


def few(mask):
    rows, columns = np.nonzero(mask)
    result = np.zeros_like(mask)
    result[rows[500:520], columns[500:520]] = True
    return result


@pytest.mark.parametrize(
    ('mask', 'error', 'message'),
    [
        (np.zeros_like, TargetError, 'the mask is empty'),
        (few, TargetError, 'of the 20 pixels of the mask'),
        (np.ones_like, NoTableError, 'table_plane'),
    ],
)
def test_a_mask_that_is_no_use_is_refused(mask, error, message):
    view = view_of(BOX)
    with pytest.raises(error, match=message):
        observe(with_mask(view, mask(view.mask)), Gripper())


def test_a_mask_of_the_bare_table_is_refused_with_the_counts():
    view = view_of(BOX)
    mask = np.zeros_like(view.mask)
    mask[200:230, 20:60] = True
    with pytest.raises((TargetError, NoTableError)):
        observe(with_mask(view, mask), Gripper())


def test_an_object_without_depth_is_refused():
    view = view_of(BOX)
    for depth in (
        np.full_like(view.depth_m, np.nan),
        np.where(view.mask, np.nan, view.depth_m).astype(np.float32),
    ):
        with pytest.raises(DepthError, match='has depth'):
            observe(with_depth(view, depth), Gripper())


def test_an_object_in_the_air_has_no_table():
    depth, ids = render([BOX, WALL], CAMERA, EYE)
    depth = np.where(ids == 1, depth, np.nan).astype(np.float32)
    with pytest.raises(NoTableError, match='table_plane'):
        observe(View(depth_m=depth, mask=ids == 1, camera=CAMERA), Gripper())


def test_a_table_above_the_camera_is_refused():
    upside_down = Plane(EYE[:3, :3].T @ [0, 0, -1.0], -EYE[2, 3])
    with pytest.raises(NoTableError, match='normal upwards'):
        observe(view_of(BOX, plane=upside_down), Gripper())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_noise_of_any_kind_is_answered_without_nan(seed):
    rng = np.random.default_rng(seed)
    view = view_of(BOX)
    depth, mask = view.depth_m.copy(), view.mask.copy()
    depth[rng.random(depth.shape) < rng.random()] = np.nan
    depth += rng.normal(0, rng.choice([0, 0.002, 0.05]), depth.shape).astype(np.float32)
    depth = np.where(depth > 0.01, depth, np.nan).astype(np.float32)
    mask ^= rng.random(mask.shape) < rng.choice([0, 0.01, 0.5])
    try:
        seen = observe(View(depth_m=depth, mask=mask, camera=CAMERA), Gripper())
    except (DepthError, TargetError, NoTableError):
        return
    for cloud in (seen.seen, seen.unseen):
        assert np.isfinite(cloud.points).all()
        assert np.linalg.norm(cloud.normals, axis=1) == pytest.approx(1)
    assert np.isfinite(seen.obstacles).all()
    assert np.isfinite(seen.tf_camera_table).all()


def test_an_edge_does_not_round_the_normals_beside_it():
    seen = observe(view_of(BOX), Gripper())
    tf, _, _ = in_world(seen)
    normals = seen.seen.normals @ tf[:3, :3].T @ BOX.pose[:3, :3]
    # Every normal is that of a face.
    assert np.percentile(np.abs(normals).max(axis=1), 5) > np.cos(np.radians(6))


def test_a_longer_approach_looks_further_for_obstacles():
    post = Box((0.04, 0.04, 0.2), pose=placed(y=-0.45, z=0.1))
    view = view_of(BOX, post, eye=look_at((0.9, 0.0, 0.8), (0, -0.2, 0.04)))
    assert len(observe(view, Gripper()).obstacles) == 0
    assert len(observe(view, Gripper(), approach_m=0.3).obstacles) > 20
