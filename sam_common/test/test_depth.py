# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_common.depth import check_scene, depth_to_metres, remark
from sam_common.errors import DepthError


@pytest.mark.parametrize('encoding', ['16UC1', 'mono16'])
def test_millimetres_become_metres_and_zero_is_no_reading(encoding):
    depth = depth_to_metres(np.array([[0, 1, 1500, 65535]], np.uint16), encoding)
    assert depth.dtype == np.float32
    assert depth == pytest.approx(np.array([[np.nan, 0.001, 1.5, 65.535]]), nan_ok=True)


def test_metres_stay_and_what_is_no_distance_is_no_reading():
    pixels = np.array([[0.7, 0.0, -1.0, np.inf, -np.inf, np.nan]], np.float32)
    depth = depth_to_metres(pixels, '32FC1')
    assert depth == pytest.approx(np.array([[0.7] + [np.nan] * 5]), nan_ok=True)
    assert np.isinf(pixels).sum() == 2, 'the input is left alone'


@pytest.mark.parametrize(
    ('pixels', 'encoding', 'message'),
    [
        (np.zeros((2, 2), np.uint8), 'mono8', "'mono8'"),
        (np.zeros((2, 2, 3), np.uint8), 'rgb8', "'rgb8'"),
        (np.zeros((2, 2), np.float32), '16UC1', 'float32'),
        (np.zeros((2, 2, 1), np.uint16), '16UC1', r'\(2, 2, 1\)'),
    ],
)
def test_what_is_no_depth_image_is_refused(pixels, encoding, message):
    with pytest.raises(DepthError, match=message):
        depth_to_metres(pixels, encoding)


SCENE_M = np.linspace(0.5, 1.5, 320 * 240, dtype=np.float32).reshape(240, 320)


@pytest.mark.parametrize(
    ('depth_m', 'words'),
    [
        (np.full((240, 320), np.nan, np.float32), 'no pixel of the depth image has a reading'),
        (
            SCENE_M * 1000,
            r'e\+03 m away \(median .* m\); 16UC1 and mono16 are millimetres',
        ),
        (SCENE_M / 1000, r'away \(median 0.00'),
    ],
)
def test_depth_of_no_scene_within_reach_is_refused_with_what_it_says(depth_m, words):
    with pytest.raises(DepthError, match=words):
        check_scene(depth_m)


def test_few_readings_are_enough_for_a_scene():
    depth_m = np.full((240, 320), np.nan, np.float32)
    depth_m[3, 5] = 0.7
    check_scene(depth_m)
    far_background = SCENE_M.copy()
    far_background[:200] = 40
    check_scene(far_background)


@pytest.mark.parametrize(
    ('factor', 'words'),
    [
        (1, ''),
        (10, 'by its depth the object is 10 m away; if it is not, the unit is wrong: 16UC1'),
        (0.02, 'by its depth the object is 0.02 m away'),
        (np.nan, '0% of the pixels of the mask have depth, 50% of all'),
    ],
)
def test_what_is_odd_about_the_depth_of_an_object_is_said(factor, words):
    depth_m, mask = SCENE_M.copy(), np.zeros(SCENE_M.shape, bool)
    mask[120:] = True
    depth_m[mask] = np.float32(1.0) * np.float32(factor)
    assert remark(depth_m, mask).startswith(words)
    assert bool(remark(depth_m, mask)) == bool(words)
