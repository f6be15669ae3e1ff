# SPDX-License-Identifier: Apache-2.0
"""Colour, depth and labels show the same pixel of the same scene."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from sam_simulation.camera import renderer as renderer_module
from sam_simulation.camera.dataset import frames
from sam_simulation.camera.renderer import Renderer
from sam_simulation.camera.sensor import PERFECT
from sam_simulation.camera.viewpoint import orbit, random_view
from sam_simulation.scene.tabletop import Tabletop

SIZE_WH = (320, 240)


def black(surface):
    return replace(surface, texture=np.zeros_like(surface.texture), specular=0.0)


@pytest.fixture(scope='module')
def convex_scene():
    """Return one bright convex object, on a black table."""
    scene = next(
        scene
        for scene in (Tabletop(seed, object_count=1) for seed in range(50))
        if scene.objects[0].class_name == 'hull'
    )
    scene.table, scene.floor = black(scene.table), black(scene.floor)
    item = scene.objects[0]
    white = np.full_like(item.surface.texture, 255)
    scene.objects = (replace(item, surface=replace(item.surface, texture=white)),)
    return scene


def outline(scene, frame):
    """Return the outline of the scene's convex object in pixels, (N, 1, 2)."""
    pose = frame.tf_world_camera
    vertices = scene.objects[0].surface.mesh.vertices
    points = (vertices - pose[:3, 3]) @ pose[:3, :3]
    return cv2.convexHull(frame.camera.project(points).astype(np.float32))


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_labels_are_the_pixels_whose_centre_projects_into_the_object(convex_scene, seed):
    with Renderer(convex_scene, SIZE_WH, noise=PERFECT) as renderer:
        frame = renderer.render(random_view(seed))
    polygon = outline(convex_scene, frame)
    assert np.count_nonzero(frame.labels) > 400
    for (row, column), label in np.ndenumerate(frame.labels):
        distance = cv2.pointPolygonTest(polygon, (float(column), float(row)), True)
        if abs(distance) > 0.02:  # px; nearer than that, rounding decides
            assert (label == 1) == (distance > 0), (row, column, distance)


def test_colour_shows_the_object_exactly_where_the_labels_do(convex_scene):
    with Renderer(convex_scene, SIZE_WH, noise=PERFECT, fine=False) as renderer:
        frame = renderer.render(random_view(0))
    np.testing.assert_array_equal(frame.image_rgb.max(axis=-1) > 0, frame.labels == 1)


def test_averaged_colour_is_centred_on_the_labels(convex_scene):
    with Renderer(convex_scene, SIZE_WH, noise=PERFECT) as renderer:
        frame = renderer.render(random_view(0))
    mask = (frame.labels == 1).astype(np.uint8)
    lit = frame.image_rgb.max(axis=-1) > 0
    kernel = np.ones((3, 3), np.uint8)
    assert lit[cv2.erode(mask, kernel) > 0].all()
    assert not lit[cv2.dilate(mask, kernel) == 0].any()
    # Half-covered pixels lie on both sides of the edge: shifting the labels only makes it worse.
    image = frame.image_rgb.mean(axis=-1)
    contrast = {
        (dy, dx): image[np.roll(mask, (dy, dx), (0, 1)) > 0].mean()
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert max(contrast, key=contrast.__getitem__) == (0, 0)


def test_depth_is_metric_on_the_table():
    scene = Tabletop(5)
    with Renderer(scene, SIZE_WH, noise=PERFECT) as renderer:
        frame = renderer.render(random_view(5))
    world = in_world(frame)
    low, high = bounds(scene.table.mesh.vertices)
    on_table = (frame.labels == 0) & (world[..., 2] > -0.1)
    assert on_table.mean() > 0.2
    np.testing.assert_allclose(world[on_table][:, 2], 0, atol=3e-4)
    assert (world[on_table][:, :2] > low[:2] - 1e-3).all()
    assert (world[on_table][:, :2] < high[:2] + 1e-3).all()


def test_depth_of_each_object_lies_on_that_object():
    scene = Tabletop(5)
    with Renderer(scene, SIZE_WH, noise=PERFECT) as renderer:
        frame = renderer.render(random_view(5))
    world = in_world(frame)
    for item in scene.objects:
        points = world[frame.labels == item.id]
        low, high = bounds(item.surface.mesh.vertices)
        assert (points > low - 1e-3).all()
        assert (points < high + 1e-3).all()
        if item.class_name == 'box':  # the camera looks down on its top
            assert points[:, 2].max() == pytest.approx(high[2], abs=5e-4)


def test_same_seed_view_and_time_give_the_same_pixels():
    def shot(time_s):
        with Renderer(Tabletop(2), SIZE_WH) as renderer:
            return renderer.render(orbit(2, 1.0), time_s=time_s)

    first, again, later = shot(1.0), shot(1.0), shot(2.0)
    np.testing.assert_array_equal(first.image_rgb, again.image_rgb)
    np.testing.assert_array_equal(first.depth_m, again.depth_m)
    np.testing.assert_array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image_rgb, later.image_rgb)
    np.testing.assert_array_equal(first.labels, later.labels)


def test_labels_name_only_objects_of_the_scene_and_most_are_seen():
    for scene, frame in frames(range(3), size_wh=SIZE_WH):
        seen = set(np.unique(frame.labels)) - {0}
        assert seen <= {item.id for item in scene.objects}
        assert len(seen) >= len(scene.objects) - 1


def test_noise_is_as_strong_as_it_says():
    noise = replace(PERFECT, shot=4.0, read=2.0)
    grey = np.full((200, 200, 3), 128, np.uint8)
    spoilt = noise.spoil_colour(grey, np.random.default_rng(0))
    assert spoilt.std() == pytest.approx(np.sqrt(4 + 16 * 128 / 255), rel=0.03)
    depth = np.full((600, 600), 2.0, np.float32)
    noise = replace(PERFECT, depth_at_1m_m=0.001)
    spoilt_depth = noise.spoil_depth(depth, np.random.default_rng(0))
    assert 0.002 < spoilt_depth.std() < 0.005
    assert spoilt_depth.mean() == pytest.approx(2.0, abs=1e-3)


def test_depth_beyond_the_range_is_nan():
    depth = np.array([[1.0, 7.0]], np.float32)
    spoilt = PERFECT.spoil_depth(depth, np.random.default_rng(0))
    np.testing.assert_array_equal(spoilt, [[1.0, np.nan]])


def test_a_closed_renderer_says_so():
    renderer = Renderer(Tabletop(0), (32, 32), fine=False)
    renderer.close()
    renderer.close()
    with pytest.raises(RuntimeError, match='closed'):
        renderer.render(random_view(0))


def test_a_moved_object_is_seen_where_it_is_and_a_still_one_where_it_was(convex_scene):
    pose = random_view(0)
    shifted = np.eye(4)
    shifted[:3, 3] = 0.04 * pose[:3, 0]  # to the right
    with Renderer(convex_scene, SIZE_WH, noise=PERFECT, fine=False) as renderer:
        before = renderer.render(pose)
        moved = renderer.render(pose, motions={1: shifted})
        after = renderer.render(pose)
    columns = [np.nonzero(frame.labels)[1].mean() for frame in (before, moved)]
    depth = before.depth_m[before.labels == 1].mean()
    assert columns[1] - columns[0] == pytest.approx(0.04 * before.camera.fx / depth, rel=0.05)
    np.testing.assert_array_equal(moved.image_rgb.max(axis=-1) > 0, moved.labels == 1)
    np.testing.assert_array_equal(before.image_rgb, after.image_rgb)
    np.testing.assert_array_equal(before.labels, after.labels)


def test_a_turned_object_turns(convex_scene):
    turn = np.diag([-1.0, -1.0, 1.0, 1.0])
    with Renderer(convex_scene, SIZE_WH, noise=PERFECT, fine=False) as renderer:
        frame = renderer.render(random_view(0), motions={1: turn})
    item = convex_scene.objects[0]
    low, high = bounds(item.surface.mesh.vertices @ turn[:3, :3].T)
    points = in_world(frame)[frame.labels == 1]
    assert (points > low - 1e-3).all()
    assert (points < high + 1e-3).all()


def test_moving_what_is_not_in_the_scene_is_refused(convex_scene):
    with (
        Renderer(convex_scene, (32, 32), fine=False) as renderer,
        pytest.raises(ValueError, match='id 0'),
    ):
        renderer.render(random_view(0), motions={0: np.eye(4)})


@pytest.mark.parametrize('size_wh', [(8, 480), (640, 5000)])
def test_an_image_size_out_of_range_is_refused(size_wh):
    with pytest.raises(ValueError, match=str(renderer_module.MAX_SIDE)):
        Renderer(Tabletop(0), size_wh)


def in_world(frame):
    points = frame.camera.deproject(frame.depth_m)
    return points @ frame.tf_world_camera[:3, :3].T + frame.tf_world_camera[:3, 3]


def bounds(vertices):
    return vertices.min(axis=0), vertices.max(axis=0)
