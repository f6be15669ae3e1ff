# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_grasping import CameraModel
from sam_grasping.core.errors import CameraModelError

K = (600.0, 0.0, 159.5, 0.0, 610.0, 119.5, 0.0, 0.0, 1.0)
SIZE_WH = (320, 240)
DISTORTIONS = {
    '': (),
    'plumb_bob': (-0.28, 0.09, 0.001, -0.0005, -0.01),
    'rational_polynomial': (0.5, 0.1, 0.001, -0.001, 0.02, 0.3, 0.05, 0.01),
    'equidistant': (0.01, -0.02, 0.003, 0.001),
}


def camera(model=''):
    return CameraModel.from_calibration(
        K, DISTORTIONS[model], distortion_model=model, size_wh=SIZE_WH
    )


@pytest.mark.parametrize('model', DISTORTIONS)
@settings(max_examples=20, deadline=None)
@given(depth=st.floats(0.1, 5.0), row=st.integers(0, 239), column=st.integers(0, 319))
def test_project_undoes_deproject(model, depth, row, column):
    image = np.full((240, 320), np.nan, np.float32)
    image[row, column] = depth
    points = camera(model).deproject(image)
    assert points[row, column, 2] == np.float32(depth)
    pixel = camera(model).project(points[row, column].astype(float))
    assert pixel == pytest.approx([column, row], abs=0.01)


@pytest.mark.parametrize('model', [name for name in DISTORTIONS if name])
def test_distortion_matters(model):
    depth = np.ones((240, 320), np.float32)
    assert np.abs(camera(model).deproject(depth) - camera().deproject(depth)).max() > 1e-3


def test_a_pixel_without_reading_has_no_point():
    depth = np.ones((240, 320), np.float32)
    depth[3, 4] = np.nan
    points = camera().deproject(depth)
    assert points.dtype == np.float32
    assert np.isnan(points).all(axis=-1).sum() == np.isnan(points).any(axis=-1).sum() == 1
    assert np.isnan(points[3, 4]).all()


def test_the_first_pixel_lies_off_the_axis_by_its_centre():
    points = camera().deproject(np.full((240, 320), 2.0, np.float32))
    assert points[0, 0] == pytest.approx([2 * -159.5 / 600, 2 * -119.5 / 610, 2], rel=1e-6)


@pytest.mark.parametrize('model', DISTORTIONS)
def test_a_point_behind_the_camera_has_no_pixel(model):
    pixels = camera(model).project(np.array([[0.0, 0, -1], [0, 0, 0], [0, 0, 1]]))
    assert np.isnan(pixels[:2]).all()
    assert pixels[2] == pytest.approx([159.5, 119.5])


@pytest.mark.parametrize('model', DISTORTIONS)
def test_no_points_have_no_pixels(model):
    assert camera(model).project(np.zeros((0, 3))).shape == (0, 2)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'k': (0.0,) * 9}, 'focal lengths 0.0, 0.0'),
        ({'k': (np.nan, *K[1:])}, 'focal lengths nan'),
        ({'k': (*K[:2], np.inf, *K[3:])}, 'centre inf'),
        ({'k': ()}, 'K of camera_info has 0 numbers'),
        ({'size_wh': (0, 240)}, r'\(0, 240\)'),
        ({'d': (0.1,) * 5, 'distortion_model': 'omni'}, "'omni' is not supported"),
        ({'d': (0.1,) * 5}, "'' is not supported"),
        ({'d': (0.1,) * 3, 'distortion_model': 'plumb_bob'}, '3 coefficients'),
        ({'d': (np.nan,) * 5, 'distortion_model': 'plumb_bob'}, 'distortion'),
    ],
)
def test_a_useless_calibration_is_refused_with_its_value(changes, message):
    calibration = {'k': K, 'd': (), 'distortion_model': '', 'size_wh': SIZE_WH, **changes}
    k, d = calibration.pop('k'), calibration.pop('d')
    with pytest.raises(CameraModelError, match=message):
        CameraModel.from_calibration(k, d, **calibration)


def test_zero_coefficients_of_an_unknown_model_do_no_harm():
    CameraModel.from_calibration(K, (0.0,) * 6, distortion_model='none', size_wh=SIZE_WH)


def test_depth_of_another_size_is_refused():
    with pytest.raises(CameraModelError, match=r'\(240, 321\)'):
        camera().deproject(np.ones((240, 321), np.float32))
