# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from toy_tracker import BLUE, GREEN, RED, ToyTracker, frame

from sam_common.errors import ImageError, MissingFrameError
from sam_segmentation import ObjectState, Prompt, TrackerOptions
from sam_segmentation.core.errors import PromptError, TooManyObjectsError, UnknownObjectError


def click(x, y, **more):
    return Prompt(points_xy=[(x, y)], labels=[1], **more)


def scene(t=0):
    return frame((RED, 4 + t, 4), (GREEN, 30, 20), (BLUE, 50 - t, 36))


@pytest.fixture
def tracker():
    tracker = ToyTracker()
    tracker.step(scene())
    return tracker


def states(tracker):
    return {obj.object_id: obj.state for obj in tracker.objects}


def facts(tracker):
    return [
        (obj.object_id, obj.state, obj.label, obj.score, obj.mask.tobytes())
        for obj in tracker.objects
    ]


def test_every_object_keeps_its_id_and_label_from_frame_to_frame(tracker):
    assert tracker.add(click(6, 6, text='red thing')).object_id == 1
    assert tracker.add(click(32, 22), label='green thing').object_id == 2
    for t in range(1, 6):
        red, green = tracker.step(scene(t))
        assert (red.object_id, red.label, red.state) == (1, 'red thing', ObjectState.VISIBLE)
        assert (green.object_id, green.label) == (2, 'green thing')
        assert red.box_xyxy == (3.5 + t, 3.5, 11.5 + t, 11.5)


def test_an_id_is_never_used_twice_unless_asked_for(tracker):
    first = tracker.add(click(6, 6)).object_id
    tracker.remove(first)
    assert tracker.add(click(6, 6)).object_id == 2
    tracker.reset()
    tracker.step(scene())
    assert tracker.add(click(6, 6)).object_id == 3
    assert tracker.add(click(32, 22), new_id=1).object_id == 1
    assert tracker.add(click(52, 38)).object_id == 4


def test_ids_end_where_the_label_image_does(tracker):
    assert tracker.add(click(6, 6), new_id=65535).object_id == 65535
    assert tracker.add(click(32, 22)).object_id == 1
    with pytest.raises(PromptError, match='object id 65536 is out of range; give 1 to 65535'):
        tracker.add(click(52, 38), new_id=65536)
    with pytest.raises(PromptError, match='object id 1 is tracked already'):
        tracker.add(click(52, 38), new_id=1)


def test_when_ids_run_out_what_is_gone_for_longest_comes_back(tracker):
    tracker.add(click(6, 6), new_id=65535)
    # Those that were never used come first, over removals and resets.
    assert tracker.add(click(6, 6)).object_id == 1
    tracker.remove(1)
    assert tracker.add(click(6, 6)).object_id == 2
    tracker.reset()
    tracker.step(frame((RED, 4, 4)))
    assert tracker.add(click(6, 6)).object_id == 3
    for object_id in range(4, 65535):
        assert tracker.reserve_id(object_id) == object_id
    # Each was used: 3 is tracked, and 1 went before the two that the reset ended.
    assert [tracker.add(click(6, 6)).object_id for _ in range(3)] == [1, 65535, 2]
    tracker.remove(1)
    assert tracker.add(click(6, 6)).object_id == 4
    assert len(tracker._used) == 65535


@pytest.mark.parametrize('label', ['x' * 257, 'two\nlines', 'escape \x1b[31m', 'nul\0'])
def test_a_label_that_is_too_long_or_breaks_a_line_is_refused(tracker, label):
    with pytest.raises(PromptError, match=r'label .*(257 characters; give at most 256|holds)'):
        tracker.add(click(6, 6), label=label)
    tracker.add(click(6, 6))
    with pytest.raises(PromptError, match='label'):
        tracker.rename(1, label)
    assert [obj.label for obj in tracker.objects] == ['']


def test_unknown_and_removed_ids_are_told_apart(tracker):
    tracker.add(click(6, 6))
    tracker.add(click(32, 22))
    tracker.remove(1)
    with pytest.raises(UnknownObjectError, match=r'object 1 is not tracked any more; .* are: 2;'):
        tracker.add(click(6, 6), 1)
    with pytest.raises(UnknownObjectError, match='object 7 is not tracked; tracked are: 2;'):
        tracker.remove(7)
    with pytest.raises(UnknownObjectError, match='object 0 is not tracked;'):
        tracker.branch(0)


def test_a_prompt_needs_a_frame_and_has_to_fit_it(tracker):
    with pytest.raises(MissingFrameError, match='no frame has come yet'):
        ToyTracker().add(click(6, 6))
    with pytest.raises(PromptError, match=r'point \(64, 6\) lies outside'):
        tracker.add(click(64, 6))
    tracker.add(click(6, 6))
    with pytest.raises(PromptError, match='give one of them'):
        tracker.add(click(6, 6), 1, new_id=2)
    assert len(tracker.objects) == 1


def test_objects_are_bounded(tracker):
    tracker = ToyTracker(TrackerOptions(max_objects=2))
    tracker.step(scene())
    tracker.add(click(6, 6))
    tracker.add(click(32, 22))
    with pytest.raises(TooManyObjectsError, match='2 objects are tracked, and max_objects is 2'):
        tracker.add(click(52, 38))
    tracker.add(click(52, 38), 2)
    assert len(tracker.objects) == 2


def test_a_frame_of_another_size_needs_a_reset(tracker):
    tracker.add(click(6, 6))
    with pytest.raises(ImageError, match='32 x 24 px, but those before were 64 x 48'):
        tracker.step(frame(size_wh=(32, 24)))
    assert len(tracker.objects) == 1
    tracker.reset()
    tracker.step(frame(size_wh=(32, 24)))
    assert tracker.objects == []


def test_a_step_that_fails_changes_nothing(tracker):
    tracker.add(click(6, 6))
    before, tracker.broken = facts(tracker), True
    with pytest.raises(RuntimeError):
        tracker.step(scene(1))
    assert facts(tracker) == before
    assert tracker.steps == 1
    tracker.broken = False
    assert tracker.step(scene(1))[0].box_xyxy == (4.5, 3.5, 12.5, 11.5)


def test_hidden_is_occluded_then_lost_then_back_under_its_id():
    tracker = ToyTracker(TrackerOptions(lost_after=4))
    tracker.step(scene())
    tracker.add(click(32, 22))
    tracker.step(scene())
    seen = [tracker.step(frame())[0].state for _ in range(5)]
    assert seen == [ObjectState.OCCLUDED] * 3 + [ObjectState.LOST] * 2
    back = [tracker.step(scene())[0].state for _ in range(2)]
    assert back == [ObjectState.LOST, ObjectState.VISIBLE]


def test_what_moved_out_of_the_image_is_lost_at_once():
    tracker = ToyTracker()
    tracker.step(frame((RED, 30, 20)))
    tracker.add(click(32, 22))
    for x in (24, 18, 12, 6, 0, -6):
        tracker.step(frame((RED, x, 20)))
    assert states(tracker) == {1: ObjectState.VISIBLE}
    tracker.step(frame())
    assert states(tracker) == {1: ObjectState.LOST}


def test_the_model_is_told_where_motion_leads(tracker):
    tracker.add(click(6, 6))
    for t in range(1, 12):
        tracker.step(scene(2 * t))
    tracker.step(scene(24))
    left = tracker.expected[1].box_xyxy[0]
    assert left == pytest.approx(3.5 + 24, abs=0.5)


def test_text_finds_things_only_with_a_finder(tracker):
    with pytest.raises(PromptError, match=r"toy reads no text \('green'\)"):
        tracker.add(Prompt(text='green'))
    tracker.finder = lambda image, text: click(32, 22) if text == 'green' else None
    found = tracker.add(Prompt(text='green'))
    assert (found.label, found.box_xyxy) == ('green', (29.5, 19.5, 37.5, 27.5))
    with pytest.raises(PromptError, match="nothing called 'mug' is seen"):
        tracker.add(Prompt(text='mug'))


def test_a_lost_object_that_was_named_is_looked_for_again():
    tracker = ToyTracker(TrackerOptions(lost_after=2))
    tracker.step(scene())
    tracker.add(click(32, 22, text='thing'))
    tracker.add(click(6, 6))
    asked = []

    def find(image, text):
        asked.append(text)
        return click(42, 12)

    tracker.finder = find
    for _ in range(12):  # the thing has another colour now, which only the finder knows
        tracker.step(frame((BLUE, 40, 10)))
    assert asked == ['thing']
    assert tracker.objects[0].box_xyxy == (39.5, 9.5, 47.5, 17.5)
    assert tracker.objects[1].area == 0


def test_a_branch_that_caught_up_is_as_if_it_had_been_there(tracker):
    ahead = ToyTracker()
    ahead.step(scene())
    ahead.add(click(6, 6))
    tracker.add(click(6, 6))
    frames = [scene(t) for t in range(1, 8)]
    for number, image in enumerate(frames):
        ahead.step(image)
        if number == 2:
            ahead.add(click(32, 22))
        tracker.step(image)
    branch = tracker.branch()
    new_id = tracker.reserve_id()
    branch.step(frames[2])
    branch.add(click(32, 22), new_id=new_id)
    for image in frames[3:]:
        branch.step(image)
    tracker.merge(branch)
    assert facts(tracker) == facts(ahead)
    tracker.step(scene(9))
    ahead.step(scene(9))
    assert facts(tracker) == facts(ahead)


def test_a_branch_corrects_the_past_of_one_object(tracker):
    tracker.add(click(6, 6))
    tracker.add(click(32, 22))
    frames = [scene(t) for t in range(1, 8)]
    for image in frames:
        tracker.step(image)
    other = facts(tracker)[1]
    branch = tracker.branch(1, steps_back=3)
    branch.step(frames[4])
    branch.add(click(47, 38), 1)  # it was the blue one that was meant
    for image in frames[5:]:
        branch.step(image)
    assert tracker.objects[0].box_xyxy == (10.5, 3.5, 18.5, 11.5)
    tracker.merge(branch)
    assert tracker.objects[0].box_xyxy == (42.5, 35.5, 50.5, 43.5)
    assert facts(tracker)[1] == other
    # Each of the eight frames is remembered once.
    assert tracker.objects[0].score == 8 / 20


def test_a_branch_of_another_size_or_without_a_frame_is_not_merged(tracker):
    branch = tracker.branch()
    with pytest.raises(ImageError, match='the branch saw frames of None'):
        tracker.merge(branch)
    branch.step(frame(size_wh=(32, 24)))
    with pytest.raises(ImageError, match=r'frames of \(32, 24\), this tracker of \(64, 48\)'):
        tracker.merge(branch)


def test_a_restored_tracker_goes_on_as_the_first_would(tracker):
    tracker.add(click(6, 6, text='red'))
    tracker.add(click(32, 22))
    for t in range(1, 5):
        tracker.step(scene(t))
    other = ToyTracker()
    other.restore(tracker.snapshot())
    assert facts(other) == facts(tracker)
    for t in range(5, 9):
        other.step(scene(t))
        tracker.step(scene(t))
        assert facts(other) == facts(tracker)
    np.testing.assert_array_equal(other.expected[1].mean, tracker.expected[1].mean)
    assert other.add(click(52, 38)).object_id == 3


def test_a_snapshot_of_another_model_is_refused(tracker):
    snapshot = tracker.snapshot() | {'model': 'grabcut'}
    with pytest.raises(ImageError, match="made by 'grabcut', not by 'toy'"):
        tracker.restore(snapshot)


@pytest.mark.parametrize(
    ('bad', 'message'),
    [
        ({'memory': 'lifo'}, "the memory policy is 'lifo'; use fifo or motion_aware"),
        ({'refine_rounds': 4}, 'refine_rounds is 4; give 0 to 3'),
        ({'max_objects': 0}, 'max_objects is 0; give 1 to 1000'),
        ({'lost_after': 0}, 'lost_after is 0; give 1 to 10000'),
        ({'fill_hole_area': -1}, 'fill_hole_area is -1; give 0 to 1000'),
    ],
)
def test_options_are_checked(bad, message):
    with pytest.raises(PromptError, match=message):
        TrackerOptions(**bad)
