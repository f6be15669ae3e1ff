# SPDX-License-Identifier: Apache-2.0
"""The core speaks of Python, and what a node says of its errors names the way over ROS."""

import pytest

from sam_common.errors import MissingFrameError, NoFrameYetError
from sam_common.ros.faults import explain, reason
from sam_common.worker import BusyError, StoppedError


@pytest.mark.parametrize('say', [explain, reason])
@pytest.mark.parametrize(
    ('error', 'words'),
    [
        (StoppedError('the worker is stopped'), 'activate it'),
        (NoFrameYetError('no image has arrived yet'), '/diagnostics says what is missing'),
    ],
)
def test_a_node_adds_what_to_do_over_ros(error, words, say):
    assert str(error) in say(error)
    assert words in say(error)


@pytest.mark.parametrize('error', [BusyError('too many'), MissingFrameError('no such frame')])
def test_what_is_the_same_over_ros_is_said_as_it_is(error):
    assert explain(error) == str(error)
