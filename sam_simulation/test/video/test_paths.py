# SPDX-License-Identifier: Apache-2.0
"""Paths start and stop as a hand does."""

import numpy as np
import pytest

from sam_simulation.video.paths import around, through, to_pose


def test_a_path_rests_at_its_points_and_beyond_its_ends():
    path = through([1.0, 2.0, 4.0], [[0.0, 1.0], [2.0, 1.0], [2.0, 5.0]])
    for time_s, point in ((-1, [0, 1]), (1, [0, 1]), (2, [2, 1]), (3, [2, 3]), (9, [2, 5])):
        np.testing.assert_allclose(path(time_s), point)
    for time_s in (1.0, 2.0, 4.0):
        assert np.abs(path(time_s + 1e-3) - path(time_s - 1e-3)).max() < 1e-6


def test_a_path_is_fastest_halfway():
    path = through([0.0, 1.0], [[0.0], [1.0]])
    speeds = np.diff([path(t)[0] for t in np.linspace(0, 1, 101)]) * 100
    assert speeds.max() == pytest.approx(1.875, abs=1e-2)  # of minimum jerk
    assert np.argmax(speeds) in (49, 50)


def test_times_that_do_not_ascend_are_refused():
    with pytest.raises(ValueError, match='ascending'):
        through([1.0, 1.0], [[0.0], [1.0]])


def test_going_round_follows_the_ellipse():
    axes = np.array([[3.0, 0.0], [0.0, 1.0]])
    path = around(np.array([1.0, 1.0]), axes, through([0.0, 1.0], [[0.0], [np.pi]]), yaw_rad=0.5)
    np.testing.assert_allclose(path(0.0), [4, 1, 0, 0.5])
    np.testing.assert_allclose(path(0.5), [1, 2, 0, 0.5 + np.pi / 4])
    np.testing.assert_allclose(path(1.0), [-2, 1, 0, 0.5 + np.pi / 2])


def test_a_place_is_a_turn_about_z_and_a_shift():
    pose = to_pose(np.array([1.0, 2.0, 3.0, np.pi / 2]))
    np.testing.assert_allclose(pose @ [1, 0, 0, 1], [1, 3, 3, 1], atol=1e-12)
