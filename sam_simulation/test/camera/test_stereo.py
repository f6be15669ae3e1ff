# SPDX-License-Identifier: Apache-2.0
"""Depth from stereo has steps, holes and ragged edges, where a real pair has them."""

from dataclasses import replace

import numpy as np
import pytest

from sam_common.camera_model import CameraModel
from sam_simulation.camera.sensor import PERFECT, REALSENSE, SensorNoise
from sam_simulation.camera.stereo import Stereo
from sam_simulation.camera.viewpoint import FOVY_DEG

CLEAN = Stereo(lost_at_edges=0, fat_at_edges=0, mixed_at_edges=0, speckles=0)
SHAPE = (480, 640)


def add_noise(stereo, depth, seed=0):
    return stereo.add_noise(depth, np.random.default_rng(seed))


def box_before_wall(near_m=0.5, far_m=0.8):
    """Return a depth image with a box in its middle, and the box."""
    depth = np.full(SHAPE, far_m, np.float32)
    box = np.zeros(SHAPE, bool)
    box[160:320, 240:400] = True
    depth[box] = near_m
    return depth, box


@pytest.mark.parametrize('at_m', [0.5, 1.0])
def test_steps_of_depth_grow_with_its_square(at_m):
    ramp = np.tile(np.linspace(at_m, 1.05 * at_m, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))
    steps = np.diff(np.unique(add_noise(CLEAN, ramp)))
    expected = (1.025 * at_m) ** 2 / 32 / (424 * 0.05)
    assert np.median(steps) == pytest.approx(expected, rel=0.05)
    assert np.abs(add_noise(CLEAN, ramp) - ramp).max() < expected * 1.5


def test_what_the_right_camera_cannot_see_has_no_depth():
    depth, box = box_before_wall()
    holes = np.isnan(add_noise(CLEAN, depth))
    assert not holes[:150].any()
    assert not holes[330:].any()
    assert not holes[box].mean() > 0.01
    row = holes[240]
    assert not row[402:].any()  # nothing on the right
    shadow_px = (
        CameraModel.from_fovy((640, 480), fovy_deg=FOVY_DEG).fx * 0.05 * (1 / 0.5 - 1 / 0.8)
    )
    assert np.count_nonzero(row) == pytest.approx(shadow_px, abs=3)
    assert row[235]


def test_edges_are_ragged_and_some_pixels_fly_between_foreground_and_background():
    depth, box = box_before_wall()
    seen = add_noise(
        replace(CLEAN, lost_at_edges=0.3, fat_at_edges=0.2, mixed_at_edges=0.1), depth
    )
    flying = (seen > 0.51) & (seen < 0.78)
    assert 50 < np.count_nonzero(flying) < 1500
    above = seen[150:170, 260:380]
    assert 0.02 < np.isnan(above).mean() < 0.2
    assert np.isfinite(seen[200:280, 280:360]).all()
    right = np.array([np.nanargmax(row[380:] > 0.7) for row in seen[170:310]])
    assert right.std() > 0.3
    assert flying[:, 470:].sum() == 0
    assert box.any()


def test_speckles_are_as_frequent_as_they_say():
    flat = np.full(SHAPE, 0.7, np.float32)
    lost = np.isnan(add_noise(replace(CLEAN, speckles=0.02), flat)).mean()
    assert lost == pytest.approx(0.02, rel=0.3)
    assert not np.isnan(add_noise(CLEAN, flat)).any()


def test_no_reading_stays_no_reading_and_nothing_is_infinite():
    depth = np.full(SHAPE, np.nan, np.float32)
    depth[:, 320:] = 0.6
    seen = REALSENSE.spoil_depth(depth, np.random.default_rng(0))
    assert np.isnan(seen[:, :300]).all()
    assert not np.isinf(seen).any()
    assert np.isfinite(seen[:, 340:]).mean() > 0.95


def test_noise_of_a_realsense_is_millimetres_at_arms_length_and_repeats():
    flat = np.full(SHAPE, 0.65, np.float32)
    seen = REALSENSE.spoil_depth(flat, np.random.default_rng(1))
    assert 0.0008 < np.nanstd(seen) < 0.0025
    assert abs(np.nanmean(seen) - 0.65) < 0.0005
    again = REALSENSE.spoil_depth(flat, np.random.default_rng(1))
    np.testing.assert_array_equal(seen, again)


def test_other_noise_has_no_stereo_in_it():
    assert SensorNoise().stereo is None
    assert PERFECT.stereo is None
