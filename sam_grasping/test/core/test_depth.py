# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_grasping.core.depth import depth_to_metres
from sam_grasping.core.errors import DepthError


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
