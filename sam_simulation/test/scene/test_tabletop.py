# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_simulation.camera.dataset import DEVELOPMENT_SEEDS, HELD_OUT_SEEDS
from sam_simulation.scene.shapes import CLASS_NAMES, make_shape
from sam_simulation.scene.tabletop import MAX_OBJECTS, MIN_OBJECTS, Tabletop


def test_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = Tabletop(3), Tabletop(3), Tabletop(4)
    for one, two in zip(first.objects, again.objects, strict=True):
        assert one.class_name == two.class_name
        np.testing.assert_array_equal(one.surface.mesh.vertices, two.surface.mesh.vertices)
        np.testing.assert_array_equal(one.surface.texture, two.surface.texture)
    assert first.lights == again.lights
    assert not np.array_equal(first.table.texture, other.table.texture)


def test_scenes_hold_four_to_nine_objects_of_every_class():
    scenes = [Tabletop(seed) for seed in range(6)]
    assert all(MIN_OBJECTS <= len(scene.objects) <= MAX_OBJECTS for scene in scenes)
    assert {o.class_name for scene in scenes for o in scene.objects} == set(CLASS_NAMES)
    assert [o.id for o in scenes[0].objects] == list(range(1, len(scenes[0].objects) + 1))


@pytest.mark.parametrize('name', CLASS_NAMES)
def test_shapes_rest_on_the_table_and_are_two_to_twenty_centimetres_large(name):
    for seed in range(10):
        low, high = _bounds(make_shape(name, np.random.default_rng(seed)).mesh)
        assert low[2] == pytest.approx(0, abs=1e-9)
        assert 0.02 <= (high - low).max() <= 0.24  # a diagonal exceeds the longest edge


@pytest.mark.parametrize('name', CLASS_NAMES)
def test_normals_are_unit_and_triangles_face_outwards(name):
    shape = make_shape(name, np.random.default_rng(5)).mesh
    np.testing.assert_allclose(np.linalg.norm(shape.normals, axis=1), 1, atol=1e-6)
    corners = shape.vertices[shape.faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    mean = shape.normals[shape.faces].mean(axis=1)
    assert (np.einsum('ij,ij->i', cross, mean) > 0).mean() > 0.99


@pytest.mark.parametrize(('name', 'solid'), [('bowl', 0.45), ('mug', 0.5), ('bottle', None)])
def test_bowls_and_mugs_are_hollow(name, solid):
    corners = (shape := make_shape(name, np.random.default_rng(0)).mesh).vertices[shape.faces]
    volume = np.linalg.det(corners).sum() / 6
    low, high = _bounds(shape)
    share = volume / np.prod(high - low)
    assert share > 0.01
    assert solid is None or share < solid


def test_objects_do_not_touch_each_other():
    for seed in range(4):
        shapes = [o.surface.mesh.vertices[::3, :2] for o in Tabletop(seed).objects]
        for index, one in enumerate(shapes):
            for other in shapes[:index]:
                step = max(1, len(other) // 200)
                gaps = np.linalg.norm(one[:, None] - other[None, ::step], axis=-1)
                assert gaps.min() > 0.003


def test_a_seed_below_zero_is_refused_by_value():
    with pytest.raises(ValueError, match='-1'):
        Tabletop(-1)


@pytest.mark.parametrize('count', [-1, MAX_OBJECTS + 1])
def test_an_object_count_out_of_range_is_refused(count):
    with pytest.raises(ValueError, match=f'{count}; give 1 to {MAX_OBJECTS}'):
        Tabletop(0, object_count=count)


def test_held_out_seeds_are_no_development_seeds():
    assert len(HELD_OUT_SEEDS) == 50
    assert not set(HELD_OUT_SEEDS) & set(DEVELOPMENT_SEEDS)


def _bounds(shape):
    return shape.vertices.min(axis=0), shape.vertices.max(axis=0)
