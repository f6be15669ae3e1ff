# SPDX-License-Identifier: Apache-2.0
"""The parts that the geometric planner is made of, on clouds of known shape."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_grasping import Gripper, Plan, Plane
from sam_grasping.core.geometric.candidates import find
from sam_grasping.core.geometric.centre_of_mass import centre_of_mass
from sam_grasping.core.geometric.collision import Jaws, Scene, above_table, find_collision
from sam_grasping.core.geometric.contacts import touch
from sam_grasping.core.geometric.hidden_space import OcclusionVolume
from sam_grasping.core.geometric.orientations import find_rotations
from sam_grasping.core.geometric.proposals import RejectionCounter
from sam_grasping.core.geometric.ragged import expand, largest, smallest
from sam_grasping.core.geometric.score import kind, names, probability
from sam_grasping.core.geometric.slices import Columns, ToolCloud
from sam_grasping.core.observe.downsampling import thinned, thinned_obstacles
from sam_grasping.core.observe.observation import Surface

GRIPPER = Gripper()
DOWN = np.array([[[1.0, 0, 0], [0, -1, 0], [0, 0, -1]]])


def box_surface(size, *, yaw=0.0, step=0.004):
    """Return the points and normals of a box that stands on the table."""
    points, normals = [], []
    for axis in range(3):
        sides = [np.arange(-s / 2 + step / 2, s / 2, step) for s in np.delete(size, axis)]
        grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
        for sign in (-1.0, 1.0):
            points.append(np.insert(grid, axis, sign * size[axis] / 2, axis=1))
            normals.append(np.tile(sign * np.eye(3)[axis], (len(grid), 1)))
    turn = np.array([[np.cos(yaw), -np.sin(yaw), 0], [np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]])
    points = np.concatenate(points) @ turn.T + [0, 0, size[2] / 2]
    return Surface(points, np.concatenate(normals) @ turn.T)


@settings(max_examples=30, deadline=None)
@given(yaw=st.floats(0, np.pi), cone=st.floats(0, np.pi / 2))
def test_orientations_are_rotations_within_the_cone_and_along_the_faces(yaw, cone):
    surface = box_surface((0.05, 0.08, 0.1), yaw=yaw)
    rotations, outside = find_rotations(surface.points, surface.normals, cone_rad=cone)
    np.testing.assert_allclose(
        rotations @ rotations.transpose(0, 2, 1), np.eye(3)[None] + 0 * rotations, atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(rotations), 1.0)
    assert (np.arccos(np.clip(-rotations[:, 2, 2], -1, 1)) <= cone + 1e-6).all()
    assert outside > 0 or cone > np.radians(75)
    face = np.array([np.cos(yaw), np.sin(yaw), 0])
    for axis in (face, np.cross(face, [0, 0, 1])):
        assert np.abs(rotations[:, :, 1] @ axis).max() > np.cos(np.radians(2))


@pytest.mark.parametrize('yaw', [0.0, 0.7])
def test_a_box_balances_in_its_middle(yaw):
    surface = box_surface((0.05, 0.12, 0.1), yaw=yaw)
    assert centre_of_mass(surface.points + [0.2, -0.1, 0]) == pytest.approx(
        [0.2, -0.1, 0.05], abs=0.004
    )


def test_ranges_expand_in_turn():
    entries, owner = expand(np.array([3, 7, 9]), np.array([5, 7, 12]))
    assert entries.tolist() == [3, 4, 9, 10, 11]
    assert owner.tolist() == [0, 0, 2, 2, 2]


def test_rows_without_values_have_no_extremes():
    values, owner = np.array([3.0, 1.0, 2.0]), np.array([0, 0, 2])
    assert smallest(values, owner, 4).tolist() == [1.0, np.inf, 2.0, np.inf]
    assert largest(values, owner, 4).tolist() == [3.0, -np.inf, 2.0, -np.inf]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_slices_and_columns_hold_the_points_that_lie_in_them(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.05, 0.05, (80, 3))
    rotations, _ = find_rotations(points, rng.normal(size=(80, 3)), cone_rad=0.5)
    middles = rng.uniform(-0.05, 0.05, (len(rotations), 3))
    middles[0, 0] = np.nan
    slices = ToolCloud(points, rotations).cut(middles, thickness_m=0.02)
    for index in range(middles.size):
        turn, middle = rotations[index // 3], middles.ravel()[index]
        mine = slices.point[slices.start[index] : slices.stop[index]]
        local = points @ turn
        expected = np.flatnonzero(np.abs(local[:, 0] - middle) < 0.01)
        assert sorted(mine) == expected.tolist()
        least = local[expected, 2].min(initial=np.inf)
        assert slices.top()[index] == pytest.approx(least, abs=1e-6)
    used = np.arange(1, middles.size)
    columns = Columns(slices, used, width_m=0.002)
    first = columns.at(np.full(len(used), columns.origin_y)) + 5
    entry, owner = columns.between(used, first, first + 10)
    low = columns.origin_y + 5 * 0.002
    for row, index in enumerate(used):
        y = slices.y[slices.start[index] : slices.stop[index]]
        inside = (y > low + 1e-6) & (y < low + 0.02 - 1e-6)
        assert np.count_nonzero(owner == row) >= np.count_nonzero(inside)
        found = slices.y[entry[owner == row]]
        assert ((found > low - 1e-6) & (found < low + 0.02 + 1e-6)).all()


def two_walls(gap_m, *, thick_m=0.004, height_m=0.05):
    """Return the surface of two walls along x that stand apart along y."""
    wall = box_surface((0.1, thick_m, height_m), step=0.002)
    off = np.array([0, (gap_m + thick_m) / 2, 0])
    return Surface(
        np.concatenate([wall.points - off, wall.points + off]),
        np.concatenate([wall.normals, wall.normals]),
    )


def test_fingers_fit_round_each_of_two_walls_and_round_both():
    surface = two_walls(0.04)
    found, columns, _ = find(surface.points, DOWN, np.zeros(3), GRIPPER)
    widths = found.high - found.low
    assert ((np.abs(widths - 0.004) < 0.005) | (np.abs(widths - 0.048) < 0.005)).all()
    single = widths < 0.02
    assert np.count_nonzero(single) == 2 * np.count_nonzero(~single)
    assert found.clearance[single] == pytest.approx(0.04, abs=0.005)
    assert np.isinf(found.clearance[~single]).all()
    contacts = touch(found, columns, surface, len(surface.points), DOWN, GRIPPER)
    assert contacts.width == pytest.approx(np.where(single, 0.004, 0.048), abs=1e-6)
    assert contacts.facing == pytest.approx(1.0, abs=1e-3)
    assert (contacts.unseen == 0).all()


def test_walls_that_no_finger_fits_between_are_one():
    surface = two_walls(0.008)
    found, _, _ = find(surface.points, DOWN, np.zeros(3), GRIPPER)
    assert found.high - found.low == pytest.approx(0.016, abs=0.005)


@pytest.mark.parametrize('height_m', [0.02, 0.05, 0.15])
def test_tips_differ_in_depth_and_stay_clear_of_table_and_palm(height_m):
    surface = two_walls(0.04, height_m=height_m)
    found, _, _ = find(surface.points, DOWN, np.zeros(3), GRIPPER)
    above = -found.tip  # the tool's z points down
    assert (above > 0.002).all()
    assert (above < height_m).all()
    assert (above + GRIPPER.finger_length_m > height_m).all()
    for place in set(zip(found.slice, found.low, strict=True)):
        mine = np.sort(above[(found.slice == place[0]) & (found.low == place[1])])
        assert (np.diff(np.unique(mine)) > 0.002).all()


def jaws(*, y=0.0, tip=-0.003, width=0.04):
    one = np.zeros(1, np.int64)
    return Jaws(one, one, np.zeros(1), np.array([y]), np.array([tip]), np.array([width]))


def room_beside(obstacle):
    scene = Scene(np.array([obstacle]), DOWN, np.zeros((1, 1)), GRIPPER, pre_grasp_m=0.1)
    return scene.clearance(jaws())


# The tool's y is the table's -y, its z points down; the tips are 3 mm above the table.
def test_room_is_what_an_obstacle_beside_leaves():
    clearance = room_beside([0.0, 0.05, 0.02])
    assert clearance.at_grasp[0] == pytest.approx(0.05 - 0.02 - 0.01, abs=0.0025)
    assert clearance.palm_at_grasp[0]


@pytest.mark.parametrize('obstacle', [(0.02, 0.05, 0.02), (0.0, 0.03, 0.3), (0.0, 0.3, 0.02)])
def test_what_the_fingers_do_not_pass_leaves_all_room(obstacle):
    clearance = room_beside(obstacle)
    assert clearance.on_approach[0] > 0.2
    assert clearance.palm_on_approach[0]


def test_what_stands_between_the_fingers_leaves_no_room():
    assert room_beside([0.005, 0.0, 0.03]).at_grasp[0] < 0


def test_what_is_passed_only_on_the_way_is_in_the_way_only_there():
    clearance = room_beside([0.0, 0.03, 0.1])
    assert clearance.at_grasp[0] > 0.2
    assert clearance.on_approach[0] < 0.003
    assert not clearance.palm_at_grasp[0]
    palm = room_beside([0.028, 0.05, 0.2])
    assert palm.palm_at_grasp[0]
    assert not palm.palm_on_approach[0]


def test_the_lowest_corner_of_a_gripper_is_above_the_table():
    assert above_table(jaws(), DOWN, np.array([0.06]), GRIPPER) == pytest.approx(0.003)
    # Level, with its own x upwards: the palm reaches lower than the fingers.
    level = np.array([[[0.0, 0, 1], [0, -1, 0], [1, 0, 0]]])
    one = np.zeros(1, np.int64)
    placed = Jaws(one, one, np.array([0.05]), np.zeros(1), np.zeros(1), np.zeros(1))
    lowest = 0.05 - GRIPPER.palm_size_xyz_m[0] / 2
    assert above_table(placed, level, np.array([0.06]), GRIPPER) == pytest.approx(lowest)


def test_a_shadow_covers_what_is_behind_and_nothing_else():
    rows, columns = np.meshgrid(np.linspace(-0.05, 0.05, 51), np.linspace(0, 0.1, 51))
    wall = np.stack([np.zeros_like(rows), rows, columns], axis=-1).reshape(-1, 3)
    shadow = OcclusionVolume(wall, np.array([-0.5, 0.0, 0.3]))
    asked = np.array([[0.05, 0, 0.02], [-0.05, 0, 0.05], [0.05, 0, 0.2], [0.0, 0, 0.05]])
    assert shadow.covers(asked).tolist() == [True, False, False, False]
    nothing = OcclusionVolume(np.zeros((0, 3)), np.array([-0.5, 0.0, 0.3]))
    assert not nothing.covers(asked).any()


def test_each_rejection_counts_once():
    rejections = Counter()
    counter = RejectionCounter(4, rejections)
    counter.reject('first', np.array([True, True, False, False]))
    counter.reject('second', np.array([True, False, True, False]))
    assert rejections == {'first': 2, 'second': 1}
    assert counter.left.tolist() == [False, False, False, True]


def test_thinning_leaves_no_stripes_and_keeps_both_sides_of_a_wall():
    wall = box_surface((0.2, 0.004, 0.1), step=0.002)
    few = thinned(wall, 600)
    assert 200 < len(few.points) < 1200
    for side in (-1.0, 1.0):
        mine = few.points[few.normals[:, 1] == side]
        for x in np.arange(-0.09, 0.09, 0.012):
            for z in np.arange(0.01, 0.09, 0.012):
                assert (np.abs(mine[:, [0, 2]] - [x, z]).max(axis=1) < 0.012).any()


def test_obstacles_near_the_object_are_kept_first():
    rng = np.random.default_rng(0)
    near, far = rng.uniform(0, 0.01, (100, 3)), rng.uniform(0.2, 0.3, (3000, 3))
    kept = thinned_obstacles(np.concatenate([far, near]), np.zeros((1, 3)), 150)
    assert len(kept) == 250
    assert np.count_nonzero(kept[:, 0] < 0.1) == 100


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 5), min_size=len(names()), max_size=len(names())))
def test_whatever_speaks_against_a_grasp_lowers_its_score(values):
    base = np.array([values])
    before = probability(base)[0]
    assert 0 < before < 1
    for index in range(len(values)):
        worse = base.copy()
        worse[0, index] += 0.5
        if kind(worse) == kind(base):
            assert probability(worse)[0] <= before + 1e-12


@pytest.mark.parametrize(
    ('point', 'cause'),
    [
        ((0.0, 0.035, -0.02), 'collision_with_scene'),
        ((0.0, 0.035, -0.2), 'collision_on_approach'),
        ((0.02, 0.05, -0.1), 'collision_with_scene'),
        ((0.0, 0.02, -0.02), ''),
        ((0.0, 0.035, 0.01), ''),
        ((0.0, 0.035, -0.3), ''),
    ],
)
def test_what_the_gripper_meets_is_told_by_where_it_meets_it(point, cause):
    found = find_collision(np.eye(4), 0.06, np.array([point]), GRIPPER, pre_grasp_m=0.1)
    assert found == cause


def test_an_empty_plan_names_the_most_frequent_cause_and_what_came_farthest():
    nothing, plane = np.zeros((0, 3)), Plane(np.array([0.0, 0.0, 1.0]), 1.0)
    rejections = {'contact_slope': 50, 'outside_workspace': 7}
    words = Plan(grasps=(), rejections=rejections, object_points=nothing, plane=plane).explain()
    assert 'no grasp was found; candidates rejected: 50 contact_slope, 7 outside_work' in words
    assert 'mostly, the fingers would slide off' in words
    assert 'where all else was right, the grasp leaves the workspace' in words
    words = Plan(
        grasps=(), rejections={'too_wide': 3}, object_points=nothing, plane=plane
    ).explain()
    assert words.endswith('mostly, the object is wider there than the jaws open')
