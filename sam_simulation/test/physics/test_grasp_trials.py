# SPDX-License-Identifier: Apache-2.0
"""What the camera sees is what the evaluator has at rest."""

import numpy as np
import pytest

from sam_common.transforms import inverse
from sam_grasping.core.grasp import Grasp
from sam_simulation.camera.sensor import PERFECT
from sam_simulation.physics import grasp_trials
from sam_simulation.physics.grasp_trials import MIN_TARGET_PX, grasp_scenes
from sam_simulation.scene.tabletop import Tabletop


@pytest.fixture(scope='module')
def at():
    """Return the first scene, seen without noise."""
    return next(grasp_scenes([0], noise=PERFECT, size_wh=(320, 240)))


def test_targets_rest_and_are_seen_well(at):
    assert at.targets
    for item in at.scene.objects:
        seen = np.count_nonzero(at.frame.labels == item.id) >= MIN_TARGET_PX
        assert (item.id in at.targets) == (seen and item.id in at.evaluator.targets)


def test_a_view_has_the_objects_mask_or_the_one_given(at):
    view = at.view(at.targets[0])
    np.testing.assert_array_equal(view.mask, at.frame.labels == at.targets[0])
    other = np.zeros_like(view.mask)
    assert at.view(at.targets[0], other).mask is other
    points = view.camera.deproject(view.depth_m)
    np.testing.assert_allclose(points, at.frame.camera.deproject(view.depth_m), atol=1e-5)


def test_the_camera_sees_objects_where_they_came_to_rest(monkeypatch):
    class Raised(Tabletop):
        """Its first object hangs 2 cm over the table."""

        def __init__(self, seed):
            super().__init__(seed, object_count=1)
            item = self.objects[0]
            up = [0.0, 0.0, 0.02]
            mesh = item.surface.mesh.moved(np.eye(3), up)
            surface = type(item.surface)(mesh, item.surface.texture, 0.1, 0.1)
            parts = tuple(piece.moved(np.eye(3), up) for piece in item.parts)
            self.objects = (type(item)(item.id, item.class_name, surface, parts),)

    monkeypatch.setattr(grasp_trials, 'Tabletop', Raised)
    at = next(grasp_scenes([2], noise=PERFECT, size_wh=(320, 240)))
    view = at.view(1)
    points = view.camera.deproject(view.depth_m)[view.mask]
    heights = (points @ at.frame.tf_world_camera[:3, :3].T + at.frame.tf_world_camera[:3, 3])[:, 2]
    top = at.scene.objects[0].surface.mesh.vertices[:, 2].max()
    assert heights.max() == pytest.approx(top - 0.02, abs=0.002)


def test_a_grasp_in_the_cameras_frame_ends_as_the_same_one_in_the_world(at):
    pose = np.eye(4)
    pose[:3, :3] = np.diag([1.0, -1.0, -1.0])
    motion, item = at.evaluator.motions[at.targets[0]], at.scene.objects[at.targets[0] - 1]
    pose[:3, 3] = (item.surface.mesh.vertices @ motion[:3, :3].T + motion[:3, 3]).mean(axis=0)
    back = np.eye(4)
    back[2, 3] = -0.1
    grasp = Grasp(
        pose=pose, pre_grasp=pose @ back, lift=pose, width_m=0.0, opening_m=0.08, score=0.5
    )
    in_world = at.evaluator.try_grasp(grasp, at.targets[0])
    in_camera = at.try_grasp(grasp.in_frame(inverse(at.frame.tf_world_camera)), at.targets[0])
    assert in_camera.cause == in_world.cause
    assert in_camera.lifted_m == pytest.approx(in_world.lifted_m, abs=1e-3)
