# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_common.boxes import box_iou
from sam_segmentation.core.motion import BoxMotion


def box(t, *, speed=3.0, size=20.0):
    return (10 + speed * t, 50.0, 10 + speed * t + size, 50.0 + size)


def followed(count, **how):
    motion = BoxMotion(box(0, **how))
    for t in range(1, count):
        motion.predict()
        motion.update(box(t, **how))
    return motion


def test_constant_motion_is_predicted():
    motion = followed(20)
    assert motion.predict() == pytest.approx(box(20), abs=0.3)


def test_growth_is_predicted():
    motion = BoxMotion((0.0, 0.0, 20.0, 20.0))
    for t in range(1, 25):
        motion.predict()
        motion.update((-t, -t, 20.0 + t, 20.0 + t))
    assert motion.predict() == pytest.approx((-25, -25, 45, 45), abs=1.0)


def test_noise_is_smoothed():
    rng = np.random.default_rng(0)
    motion, errors, raw = BoxMotion(box(0)), [], []
    for t in range(1, 200):
        motion.predict()
        noise = rng.normal(0, 1.0, 4)
        motion.update(tuple(np.add(box(t), noise)))
        errors.append(np.subtract(motion.box_xyxy, box(t)))
        raw.append(noise)
    assert np.std(errors[20:]) < 0.8 * np.std(raw[20:])


def test_unseen_it_coasts_and_slows_down():
    motion = followed(20)
    lefts = [motion.box_xyxy[0]]
    for _ in range(30):
        lefts.append(motion.predict()[0])
        motion.update(None)
    steps = np.diff(lefts)
    assert steps[0] == pytest.approx(3.0, abs=0.3)
    assert (np.diff(steps) < 0).all()
    assert steps[-1] < 0.3


def test_steady_only_after_sightings_in_a_row():
    assert not followed(2).is_steady
    motion = followed(3)
    assert motion.is_steady
    motion.predict()
    motion.update(None)
    assert not motion.is_steady


def test_a_box_never_shrinks_to_nothing():
    motion = BoxMotion((0.0, 0.0, 20.0, 20.0))
    for t in range(1, 6):
        motion.predict()
        motion.update((4.0 * t * 0.5, 0.0, 20.0 - 4.0 * t * 0.4, 20.0))
    for _ in range(50):
        left, top, right, bottom = motion.predict()
        motion.update(None)
        assert right - left >= 1.0 - 1e-9
        assert bottom - top >= 1.0 - 1e-9


def test_a_copy_goes_on_by_itself():
    motion = followed(5)
    other = motion.copy()
    other.predict()
    other.update((300.0, 300.0, 320.0, 320.0))
    assert motion.box_xyxy == pytest.approx(box(4), abs=1.0)
    assert motion.updates == 5


@pytest.mark.parametrize(
    ('first', 'share'),
    [((0, 0, 10, 10), 1.0), ((-10.5, 0, 9.5, 10), 0.5), ((100, 100, 110, 110), 0.0)],
)
def test_share_inside(first, share):
    assert BoxMotion(first).share_inside((64, 48)) == pytest.approx(share)


@pytest.mark.parametrize(
    ('second', 'value'),
    [((0, 0, 10, 10), 1.0), ((5, 0, 15, 10), 1 / 3), ((10, 0, 20, 10), 0.0), ((2, 2, 7, 6), 0.2)],
)
def test_box_iou(second, value):
    assert box_iou((0, 0, 10, 10), second) == pytest.approx(value)
    assert box_iou(second, (0, 0, 10, 10)) == pytest.approx(value)
