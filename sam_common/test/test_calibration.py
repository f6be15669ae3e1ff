# SPDX-License-Identifier: Apache-2.0
"""A camera_info gives the camera of the image that came with it, or is refused."""

from types import SimpleNamespace

import numpy as np
import pytest

from sam_common.calibration import calibration_in_use, camera_of, is_rectified
from sam_common.errors import CameraModelError

FULL_WH = (640, 480)
K = (600.0, 0.0, 310.0, 0.0, 605.0, 250.0, 0.0, 0.0, 1.0)
P = (580.0, 0.0, 330.0, -43.5, 0.0, 580.0, 230.0, 0.0, 0.0, 0.0, 1.0, 0.0)
D = (-0.28, 0.09, 0.001, -0.0005, -0.01)
POINTS = np.array([[0.1, 0.05, 0.8], [-0.2, 0.1, 1.1], [0.0, -0.15, 0.7]])


def roi(x_offset=0, y_offset=0, width=0, height=0):
    return SimpleNamespace(x_offset=x_offset, y_offset=y_offset, width=width, height=height)


def info(**changes):
    fields = {
        'width': FULL_WH[0], 'height': FULL_WH[1], 'k': K, 'p': P, 'd': D,
        'distortion_model': 'plumb_bob', 'binning_x': 0, 'binning_y': 0, 'roi': roi(),
    }  # fmt: skip
    return SimpleNamespace(**{**fields, **changes})


def project(points, fx, fy, cx, cy, d=D):
    """Return pixels by the formula of plumb_bob."""
    k1, k2, p1, p2, k3 = d
    x, y = (points[:, :2] / points[:, 2:]).T
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([fx * u + cx, fy * v + cy], axis=1)


FULL_PIXELS = project(POINTS, 600, 605, 310, 250)
IDEAL_PIXELS = project(POINTS, 580, 580, 330, 230, (0, 0, 0, 0, 0))
WINDOW = roi(100, 60, 400, 300)


# Pixels are counted by their centres: of two that are put together the centre is between both.
@pytest.mark.parametrize(
    ('changes', 'image_wh', 'expected'),
    [
        ({}, FULL_WH, FULL_PIXELS),
        ({'binning_x': 1, 'binning_y': 1}, FULL_WH, FULL_PIXELS),
        ({'binning_x': 2, 'binning_y': 2}, (320, 240), (FULL_PIXELS - 0.5) / 2),
        ({'binning_x': 4}, (160, 480), (FULL_PIXELS - [1.5, 0]) / [4, 1]),
        ({'binning_x': 3, 'binning_y': 3}, (213, 160), (FULL_PIXELS - 1) / 3),
        ({'roi': WINDOW}, (400, 300), FULL_PIXELS - [100, 60]),
        ({'roi': roi(0, 0, 640, 480)}, FULL_WH, FULL_PIXELS),
        (
            {'roi': WINDOW, 'binning_x': 2, 'binning_y': 2},
            (200, 150),
            (FULL_PIXELS - [100, 60] - 0.5) / 2,
        ),
    ],
)
@pytest.mark.parametrize('rectified', [False, True])
def test_roi_and_binning_are_undone(changes, image_wh, expected, rectified):
    if rectified:
        # The same affine map, on what P gives.
        scale = (expected[1] - expected[0]) / (FULL_PIXELS[1] - FULL_PIXELS[0])
        expected = expected + scale * (IDEAL_PIXELS - FULL_PIXELS)
    camera = camera_of(info(**changes), image_wh, rectified=rectified)
    np.testing.assert_allclose(camera.project(POINTS), expected, atol=1e-9)


@pytest.mark.parametrize(
    ('changes', 'image_wh', 'expected'),
    [
        # Size and K are those of what is delivered, and yet the driver tells of binning or roi.
        ({'binning_x': 2, 'binning_y': 2}, FULL_WH, FULL_PIXELS),
        ({'roi': WINDOW}, FULL_WH, FULL_PIXELS),
        ({'roi': WINDOW, 'binning_x': 2, 'binning_y': 2}, (400, 300), FULL_PIXELS - [100, 60]),
        ({'roi': WINDOW, 'binning_x': 2, 'binning_y': 2}, (320, 240), (FULL_PIXELS - 0.5) / 2),
    ],
)
def test_what_the_size_of_the_image_shows_was_not_applied_is_not_undone(
    changes, image_wh, expected
):
    camera = camera_of(info(**changes), image_wh, rectified=False)
    np.testing.assert_allclose(camera.project(POINTS), expected, atol=1e-9)


@pytest.mark.parametrize(
    ('changes', 'image_wh', 'scale'),
    [
        ({}, (320, 240), 0.5),
        ({}, (1280, 960), 2),
        ({'width': 1280, 'height': 720}, (427, 240), (427 / 1280, 1 / 3)),  # rounded
        ({'roi': roi(0, 0, 640, 320)}, (320, 160), 0.5),
    ],
)
def test_an_image_of_another_size_and_the_same_ratio_is_taken_for_scaled(changes, image_wh, scale):
    camera = camera_of(info(**changes), image_wh, rectified=False)
    np.testing.assert_allclose(
        camera.project(POINTS), (FULL_PIXELS + 0.5) * scale - 0.5, atol=1e-9
    )


@pytest.mark.parametrize(
    ('changes', 'image_wh', 'words'),
    [
        ({}, (640, 481), 'the image is 640x481 px, but its camera_info says 640x480'),
        ({}, (641, 480), 'the image is 641x480'),
        ({}, (480, 640), '480x640'),
        ({}, (320, 200), '320x200'),
        ({'width': 480, 'height': 640}, (480, 641), '480x641'),
        # Of the window, or of the whole?
        ({'roi': roi(100, 60, 320, 240)}, (160, 120), 'roi 320x240'),
        ({'width': 0}, FULL_WH, '0x480'),
        ({'width': 2**32 - 1, 'height': 2**32 - 1}, FULL_WH, '4294967295x4294967295'),
        ({'roi': roi(600, 0, 100, 100)}, (100, 100), r'100x100 px from \(600, 0\)'),
        ({'roi': roi(2**32 - 1, 0, 2**32 - 1, 1)}, FULL_WH, 'not within its 640x480'),
        ({'roi': roi(5, 5)}, FULL_WH, '0x0 px from'),
        ({'binning_x': 10**6}, FULL_WH, 'binning of 1000000x1'),
        ({'k': (0.0,) * 9}, FULL_WH, 'camera_info cannot be used: .* focal lengths 0, 0'),
        ({'k': (600.0, 0.0, 0.0, 0.0, 605.0, 0.0, 310.0, 250.0, 1.0)}, FULL_WH, r'\[fx, 0, cx\]'),
        ({'k': (600.0, 3.0, 310.0, 0.0, 605.0, 250.0, 0.0, 0.0, 1.0)}, FULL_WH, r'\[fx, 0, cx\]'),
        ({'k': ()}, FULL_WH, 'K of camera_info has 0 numbers; it must have 9'),
    ],
)
def test_a_calibration_that_is_not_that_of_the_image_is_refused(changes, image_wh, words):
    with pytest.raises(CameraModelError, match=words):
        camera_of(info(**changes), image_wh, rectified=False)


def test_a_rectified_image_needs_p():
    with pytest.raises(CameraModelError, match='P of its camera_info is all 0'):
        camera_of(info(p=(0.0,) * 12), FULL_WH, rectified=True)


def test_where_the_second_camera_is_does_not_matter_to_the_depth_of_its_own_image():
    first = info(p=(*P[:3], 0.0, *P[4:]))
    depth = np.ones(FULL_WH[::-1], np.float32)
    expected = camera_of(first, FULL_WH, rectified=True).deproject(depth)
    found = camera_of(info(), FULL_WH, rectified=True).deproject(depth)
    np.testing.assert_array_equal(found, expected)
    assert found[230, 330] == pytest.approx([0, 0, 1])


@pytest.mark.parametrize(
    ('topic', 'changes', 'expected'),
    [
        ('/camera/image_raw', {}, False),
        ('/camera/image_rect', {}, True),
        ('/camera/depth/image_rect_raw', {}, True),
        ('/left/image_rect_color/compressed', {}, True),
        ('/camera/depth_registered/image_rect/compressedDepth', {}, True),
        ('/camera/depth_rectified', {}, True),
        ('/rect/camera/depth', {}, False),
        ('/camera/direct', {}, False),
        ('/compressed', {}, False),
        ('', {}, False),
        # No P, and none is needed: K gives the camera.
        ('/camera/image_rect', {'p': (0.0,) * 12, 'd': ()}, False),
        # None, and one is needed: an error, later.
        ('/camera/image_rect', {'p': (0.0,) * 12}, True),
    ],
)
def test_the_topic_tells_whether_images_are_rectified_unless_a_parameter_does(
    topic, changes, expected
):
    assert is_rectified(info(**changes), 'auto', topic) is expected
    assert is_rectified(info(**changes), 'true', topic) is True
    assert is_rectified(info(**changes), 'false', topic) is False


def test_another_word_for_rectified_is_refused():
    with pytest.raises(CameraModelError, match="rectified is 'yes'; use auto, true, false"):
        is_rectified(info(), 'yes', '/image')


@pytest.mark.parametrize(
    ('changes', 'rectified', 'expected'),
    [
        ({}, False, 'K and D (raw image); P would give another camera'),
        ({}, True, 'P (rectified image); K and D would give another camera'),
        ({'p': (*K[:3], 0, *K[3:6], 0, *K[6:], 0), 'd': (0.0,) * 5}, False, 'K and D (raw image)'),
        ({'p': (0.0,) * 12}, False, 'K and D (raw image)'),
    ],
)
def test_what_is_in_use_is_told_in_words(changes, rectified, expected):
    words = calibration_in_use(info(**changes), rectified=rectified)
    assert words.startswith(expected)
    assert (';' in words) == (';' in expected)


ODD = (0.0, -1.0, 1.0, np.nan, np.inf, -np.inf, 1e300, -1e300, 1e-300, 600.0, 1e6)


def odd_info(rng):
    """Return a camera_info of 32 x 24 px in which some things are wrong."""
    share = rng.choice([0, 0.03, 0.3])

    def odd(good, *others):
        return rng.choice(others or ODD) if rng.random() < share else good

    size = int(rng.choice([0, 4, 5, 8, 14, 3, 100_000], p=[0.3, 0.2, 0.2, 0.15, 0.1, 0.04, 0.01]))
    distortion = rng.normal(size=size) * rng.choice([0, 0.01, 0.1, 1, 1e5])
    if size:
        distortion[rng.integers(size)] = odd(distortion[0])
    models = ['plumb_bob', 'rational_polynomial', 'equidistant', '', 'omni']
    return info(
        width=int(odd(32, 0, 1, 16, 2**32 - 1)),
        height=int(odd(24, 0, 1, 12, 2**32 - 1)),
        k=(odd(30.0), odd(0.0), odd(15.5), 0.0, odd(31.0), odd(11.5), odd(0.0), 0.0, 1.0),
        p=(odd(30.0), 0.0, odd(15.5), odd(-5), 0.0, odd(30.0), odd(11.5), 0, 0, 0, 1.0, 0),
        d=distortion,
        distortion_model=str(rng.choice(models, p=[0.4, 0.3, 0.25, 0.03, 0.02])),
        binning_x=int(odd(1, 0, 2, 3, 10**6)),
        binning_y=int(odd(1, 0, 2, 3, 10**6)),
        roi=roi(*(int(odd(0, 1, 8, 16, 24, 32, 2**31)) for _ in range(4))),
    )


def test_any_calibration_gives_a_camera_that_comes_back_to_its_pixels_or_is_refused():
    rng = np.random.default_rng(7)
    usable = 0
    for _ in range(5000):
        calibration = odd_info(rng)
        width, height = size_wh = [(32, 24), (16, 12)][rng.random() < 0.2]
        try:
            camera = camera_of(calibration, size_wh, rectified=rng.random() < 0.5)
            points = camera.deproject(np.ones((height, width), np.float32))
        except CameraModelError:
            continue
        usable += 1
        seen = np.isfinite(points).all(axis=-1)
        row, column = np.nonzero(seen)
        found = camera.project(points[seen].astype(float))
        np.testing.assert_allclose(found, np.stack([column, row], axis=1), atol=0.02)
    assert usable > 1000
