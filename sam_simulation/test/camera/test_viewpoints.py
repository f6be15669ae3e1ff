# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_common.camera_model import CameraModel
from sam_simulation.camera.viewpoint import FOVY_DEG, look_at, orbit, random_view

SIZE_WH = (64, 48)


def test_target_is_seen_in_the_centre_of_the_image():
    pose = look_at([0.5, -0.3, 0.6], [0.1, 0.0, 0.05])
    point = pose[:3, :3].T @ (np.array([0.1, 0.0, 0.05]) - pose[:3, 3])
    pixel = CameraModel.from_fovy(SIZE_WH, fovy_deg=FOVY_DEG).project(point)
    np.testing.assert_allclose(pixel, [31.5, 23.5], atol=1e-9)


def test_poses_are_rotations_with_the_image_upright():
    for pose in [random_view(seed) for seed in range(20)] + [orbit(3, t) for t in range(9)]:
        rotation = pose[:3, :3]
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(rotation) == pytest.approx(1)
        assert rotation[2, 0] == pytest.approx(0)  # x is level
        assert rotation[2, 1] < 0  # y points down
        assert rotation[2, 2] < 0  # z looks down at the table


def test_looking_straight_down_is_refused():
    with pytest.raises(ValueError, match='straight'):
        look_at([0, 0, 1], [0, 0, 0])


def test_orbit_moves_smoothly():
    for seed in range(5):
        steps = [orbit(seed, 0.1 * index)[:3, 3] for index in range(100)]
        speed = np.linalg.norm(np.diff(steps, axis=0), axis=1) / 0.1
        assert 0.01 < speed.max() < 0.25


def test_deproject_is_the_inverse_of_project():
    camera = CameraModel.from_fovy(SIZE_WH, fovy_deg=FOVY_DEG)
    depth = np.random.default_rng(0).uniform(0.3, 2, SIZE_WH[::-1]).astype(np.float32)
    points = camera.deproject(depth)
    rows, columns = np.indices(depth.shape)
    # Points are float32, as a depth image is: 24 bits for some 600 px.
    np.testing.assert_allclose(camera.project(points), np.stack([columns, rows], -1), atol=2e-4)
    np.testing.assert_array_equal(points[..., 2], depth)


def test_deproject_nan_depth_is_nan():
    depth = np.full((2, 2), np.nan, np.float32)
    assert np.isnan(CameraModel.from_fovy((2, 2), fovy_deg=FOVY_DEG).deproject(depth)).all()
