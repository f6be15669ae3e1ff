# SPDX-License-Identifier: Apache-2.0
"""A camera is shown something at any time, and nothing jumps."""

import numpy as np
import pytest

from sam_simulation.camera.viewpoint import orbit
from sam_simulation.video.showing import still_life, there_and_back
from sam_simulation.video.video import Video


@pytest.fixture(scope='module')
def video():
    return Video(2)


def test_a_video_runs_backwards_when_it_is_over(video):
    showing, end_s = there_and_back(video), video.duration_s
    for asked_s, shown_s in ((1.0, 1.0), (end_s, end_s), (end_s + 1, end_s - 1), (2 * end_s, 0)):
        np.testing.assert_allclose(showing.camera(asked_s), video.camera(shown_s), atol=1e-9)
        motions, expected = showing.motions(asked_s), video.motions(shown_s)
        assert motions.keys() == expected.keys() == {o.id for o in showing.scene.objects}
        for object_id, motion in motions.items():
            np.testing.assert_allclose(motion, expected[object_id], atol=1e-9)


def test_nothing_jumps_however_long_it_is_shown(video):
    showing = there_and_back(video)
    times = np.arange(0, 5 * video.duration_s, 0.05)
    for object_id in showing.motions(0.0):
        places = np.array([showing.motions(t)[object_id][:3, 3] for t in times])
        assert np.linalg.norm(np.diff(places, axis=0), axis=1).max() < 0.1


def test_in_a_still_life_only_the_camera_moves():
    showing = still_life(7, object_count=2)
    assert len(showing.scene.objects) == 2
    assert not showing.motions(3.0)
    np.testing.assert_array_equal(showing.camera(3.0), orbit(7, 3.0))
