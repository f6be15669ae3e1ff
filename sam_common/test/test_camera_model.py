# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_common.camera_model import CameraModel
from sam_common.errors import CameraModelError

PINHOLE = {'fx': 600.0, 'fy': 610.0, 'cx': 159.5, 'cy': 119.5, 'size_wh': (320, 240)}
DISTORTIONS = {
    '': (),
    'plumb_bob': (-0.28, 0.09, 0.001, -0.0005, -0.01),
    'rational_polynomial': (0.5, 0.1, 0.001, -0.001, 0.02, 0.3, 0.05, 0.01),
    'equidistant': (0.01, -0.02, 0.003, 0.001),
}


def camera(model=''):
    return CameraModel(distortion_model=model, distortion=DISTORTIONS[model], **PINHOLE)


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
        ({'fx': 0.0, 'fy': 0.0}, 'focal lengths 0, 0'),
        ({'fx': np.nan}, 'focal lengths nan'),
        ({'fy': 1e300}, r'focal lengths 600, 1e\+300 px; they must be 1 to 1,000,000'),
        ({'cx': np.inf}, 'principal point at inf'),
        ({'cy': -1e300}, 'principal point at 159.5, -1e'),
        ({'size_wh': (0, 240)}, r'\(0, 240\)'),
        ({'size_wh': (2**32 - 1, 2**32 - 1)}, 'at most 100,000,000 pixels'),
        ({'distortion': (0.1,) * 5, 'distortion_model': 'omni'}, "'omni' is not supported"),
        ({'distortion': (0.1,) * 5}, "'' is not supported"),
        ({'distortion': (0.1,) * 3, 'distortion_model': 'plumb_bob'}, '3 coefficients'),
        ({'distortion': (0.1,) * 100_000, 'distortion_model': 'plumb_bob'}, '100000 coeff'),
        ({'distortion': (np.nan,) * 5, 'distortion_model': 'plumb_bob'}, 'the distortion'),
        ({'distortion': (1e300,) * 4, 'distortion_model': 'equidistant'}, 'the distortion'),
    ],
)
def test_a_useless_calibration_is_refused_with_its_value(changes, message):
    with pytest.raises(CameraModelError, match=message):
        CameraModel(**{**PINHOLE, **changes})


def test_zero_coefficients_of_an_unknown_model_do_no_harm():
    CameraModel(**PINHOLE, distortion=(0.0,) * 6, distortion_model='none')


# Where the distortion's polynomial turns back, by its derivative; a pixel far inside the image
# would be that of a point far outside of what the lens shows.
TURNS_BACK = {
    'plumb_bob': ((-0.3, 0.0, 0.0, 0.0), np.sqrt(1 / 0.9)),
    'equidistant': ((-0.3, 0.0, 0.0, 0.0), np.tan(np.sqrt(1 / 0.9))),
    # (1 - 0.1 s) / (1 + 0.1 s): the derivative's numerator is 1 - 0.4 s - 0.01 s^2.
    'rational_polynomial': ((-0.1, 0, 0, 0, 0, 0.1, 0, 0), np.sqrt(np.sqrt(500) - 20)),
}


@pytest.mark.parametrize('model', TURNS_BACK)
def test_a_point_that_the_lens_does_not_show_is_not_folded_back_into_the_image(model):
    distortion, radius = TURNS_BACK[model]
    lens = CameraModel(
        fx=100, fy=100, cx=99.5, cy=99.5, size_wh=(200, 200), distortion_model=model,
        distortion=distortion,
    )  # fmt: skip
    inside, outside = (
        lens.project(np.array([[factor * radius, 0, 1], [0, -factor * radius, 1]]))
        for factor in (0.999, 1.001)
    )
    assert np.isfinite(inside).all()
    assert np.isnan(outside).all()


def test_a_pixel_that_no_point_is_seen_at_has_no_ray():
    # At its widest the lens shows 100 * (2 / 3) * sqrt(1 / 0.9) px from the centre.
    lens = CameraModel(
        fx=100, fy=100, cx=100, cy=1, size_wh=(201, 3), distortion_model='plumb_bob',
        distortion=(-0.3, 0, 0, 0),
    )  # fmt: skip
    x, _ = lens.rays_xy
    seen = np.abs(np.arange(201) - 100) < 100 * 2 / 3 * np.sqrt(1 / 0.9)
    np.testing.assert_array_equal(np.isfinite(x[1]), seen)


def test_the_rays_of_a_large_image_take_no_memory_without_distortion():
    x, y = CameraModel(**{**PINHOLE, 'size_wh': (10_000, 10_000)}).rays_xy
    assert x.shape == y.shape == (10_000, 10_000)
    assert x.base.nbytes + y.base.nbytes < 1e6
    assert not x.flags.writeable


def test_depth_of_another_size_is_refused():
    with pytest.raises(CameraModelError, match=r'\(240, 321\)'):
        camera().deproject(np.ones((240, 321), np.float32))


def test_a_window_is_deprojected_as_in_the_whole_image():
    camera = CameraModel(
        fx=60.0, fy=61.0, cx=20.3, cy=14.8, size_wh=(40, 30),
        distortion_model='plumb_bob', distortion=(0.1, 0.01, 0.0, 0.0, 0.0),
    )  # fmt: skip
    depth_m = np.random.default_rng(0).uniform(0.3, 2.0, (30, 40)).astype(np.float32)
    window = camera.deproject(depth_m[4:20, 7:40], origin_xy=(7, 4))
    np.testing.assert_array_equal(window, camera.deproject(depth_m)[4:20, 7:40])


@pytest.mark.parametrize('origin_xy', [None, (0, 1), (1, 0), (-1, 0)])
def test_a_window_beyond_the_image_is_refused(origin_xy):
    camera = CameraModel(fx=60.0, fy=60.0, cx=20.0, cy=15.0, size_wh=(40, 30))
    depth_m = np.ones((29, 40) if origin_xy is None else (30, 40), np.float32)
    with pytest.raises(CameraModelError, match='at its resolution'):
        camera.deproject(depth_m, origin_xy=origin_xy)
