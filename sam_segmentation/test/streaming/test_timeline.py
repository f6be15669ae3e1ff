# SPDX-License-Identifier: Apache-2.0
"""What is remembered of the last frames: who was followed through which, and where it was."""

import pytest

from sam_segmentation.streaming.timeline import Timeline

HERE, THERE = (0.0, 0.0, 4.0, 4.0), (9.0, 0.0, 13.0, 4.0)


@pytest.fixture
def timeline():
    """Object 1 was added in frame 10 and followed up to frame 15."""
    timeline = Timeline(capacity=8)
    timeline.step(10, {})
    timeline.put(10, 1, HERE)
    for stamp in range(11, 16):
        timeline.step(stamp, {1: HERE})
    return timeline


def test_steps_are_counted_from_a_frame_on(timeline):
    assert (timeline.first_ns, timeline.since_ns(1)) == (10, 10)
    assert timeline.steps_from(1, 13) == 3
    assert timeline.steps_after(13) == 2
    assert timeline.steps_from(7, 10) == 0


def test_an_object_that_skipped_frames_went_through_the_others_only(timeline):
    timeline.replace(1, {12: THERE, 15: THERE})
    timeline.replace(2, {11: HERE, 15: None})
    assert (timeline.steps_from(1, 10), timeline.steps_from(1, 12)) == (4, 2)
    assert (timeline.steps_from(2, 10), timeline.since_ns(2)) == (2, 11)
    assert timeline.boxes_at(12) == {1: THERE}
    assert timeline.boxes_at(15) == {1: THERE, 2: None}


def test_frames_that_only_a_branch_saw_are_put_in_their_place(timeline):
    timeline.replace(2, {8: HERE, 12: THERE})
    assert timeline.first_ns == 8
    assert timeline.steps_after(8) == 6
    assert timeline.boxes_at(9) == {}


def test_a_later_prompt_is_forgotten_with_what_it_taught(timeline):
    timeline.put(14, 1, HERE)
    assert timeline.was_prompted(1, 14)
    timeline.replace(1, {12: THERE, 15: THERE})
    assert [timeline.was_prompted(1, stamp) for stamp in (10, 12, 14)] == [True, True, False]


def test_the_oldest_frames_are_forgotten(timeline):
    for stamp in range(16, 30):
        timeline.step(stamp, {1: THERE})
    assert (timeline.first_ns, timeline.steps_from(1, 0)) == (22, 8)
    assert not timeline.was_prompted(1, 10)
    assert timeline.since_ns(1) == 10
