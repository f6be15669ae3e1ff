# SPDX-License-Identifier: Apache-2.0
"""What every tracker promises, asked of each that there is."""

import numpy as np
import pytest
from moving_shapes import BLUE, GREEN, RED, draw, shape
from small_models import write_small_sam2

from sam_common.errors import ImageError, MissingFrameError
from sam_segmentation import ObjectState, Prompt, TrackerOptions, load_segmenter
from sam_segmentation.core.errors import PromptError, TooManyObjectsError, UnknownObjectError
from sam_segmentation.models.registry import make_tracker


@pytest.fixture(scope='module', params=['grabcut', 'sam2'])
def segmenter(request, tmp_path_factory):
    if request.param == 'grabcut':
        yield load_segmenter('grabcut')
        return
    config, checkpoint = write_small_sam2(
        tmp_path_factory.mktemp('sam2'), image_size=128, embed_dim=16
    )
    loaded = load_segmenter(str(config), checkpoint=checkpoint, device='cpu')
    yield loaded
    loaded.close()


@pytest.fixture
def make(segmenter):
    return lambda **options: make_tracker(segmenter, TrackerOptions(**options))


@pytest.fixture
def tracker(make):
    tracker = make()
    tracker.step(frame(0))
    return tracker


def frame(t):
    return draw(shape(RED, 50 + 2 * t, 50), shape(BLUE, 170, 60 + t), shape(GREEN, 90, 135))[0]


def click(x, y, **more):
    return Prompt(points_xy=[(x, y)], labels=[1], **more)


RED_CLICK, BLUE_CLICK, GREEN_CLICK = click(50, 50), click(170, 60), click(90, 135)


def facts(tracker):
    return [
        (obj.object_id, obj.state, obj.label, obj.score, obj.presence, obj.mask.tobytes())
        for obj in tracker.objects
    ]


def test_a_tracker_begins_with_nothing(make):
    tracker = make()
    assert (tracker.objects, tracker.size_wh, tracker.steps) == ([], None, 0)
    assert tracker.step(frame(0)) == []
    assert (tracker.size_wh, tracker.steps) == ((240, 180), 1)


def test_every_object_has_its_own_id_and_a_mask_of_the_frames_size(tracker):
    assert [tracker.add(p).object_id for p in (RED_CLICK, BLUE_CLICK)] == [1, 2]
    assert tracker.add(GREEN_CLICK, new_id=7).object_id == 7
    for t in range(1, 4):
        objects = tracker.step(frame(t))
        assert [obj.object_id for obj in objects] == [1, 2, 7]
        for obj in objects:
            assert obj.mask.shape == (180, 240)
            assert obj.mask.dtype == bool
            assert 0 <= obj.score <= 1
            assert 0 <= obj.presence <= 1
            assert obj.state in ObjectState


def test_the_label_is_the_texts_unless_another_is_given(tracker):
    assert tracker.add(click(50, 50, text='mug')).label == 'mug'
    assert tracker.add(click(170, 60, text='mug'), label='blue mug').label == 'blue mug'
    assert tracker.add(click(52, 52), 1).label == 'mug'
    assert [obj.label for obj in tracker.step(frame(1))] == ['mug', 'blue mug']


def test_a_prompt_before_the_first_frame_is_refused(make):
    with pytest.raises(MissingFrameError, match='step one'):
        make().add(RED_CLICK)


def test_text_alone_needs_a_finder(tracker):
    with pytest.raises(PromptError, match='reads no text'):
        tracker.add(Prompt(text='mug'))
    tracker.finder = lambda image, text: RED_CLICK
    assert tracker.add(Prompt(text='mug')).label == 'mug'


def test_unknown_and_removed_ids_are_refused(tracker):
    tracker.add(RED_CLICK)
    tracker.add(BLUE_CLICK)
    tracker.remove(1)
    for ask in (tracker.remove, tracker.branch, lambda i: tracker.add(RED_CLICK, i)):
        with pytest.raises(UnknownObjectError, match='object 1 is not tracked any more'):
            ask(1)
        with pytest.raises(UnknownObjectError, match='object 9 is not tracked;'):
            ask(9)
    assert [obj.object_id for obj in tracker.step(frame(1))] == [2]
    assert tracker.add(RED_CLICK).object_id == 3


def test_no_more_objects_than_allowed(make):
    tracker = make(max_objects=2)
    tracker.step(frame(0))
    tracker.add(RED_CLICK)
    tracker.add(BLUE_CLICK)
    with pytest.raises(TooManyObjectsError, match='max_objects is 2'):
        tracker.add(GREEN_CLICK)
    assert len(tracker.step(frame(1))) == 2


def test_a_refused_prompt_changes_nothing(tracker):
    tracker.add(RED_CLICK)
    before = facts(tracker)
    with pytest.raises(PromptError, match='outside the image'):
        tracker.add(click(240, 10), 1)
    with pytest.raises(PromptError, match='is tracked already'):
        tracker.add(BLUE_CLICK, new_id=1)
    assert facts(tracker) == before


def test_a_frame_of_another_size_needs_a_reset(tracker):
    tracker.add(RED_CLICK)
    before = facts(tracker)
    small = np.ascontiguousarray(frame(1)[:90, :120])
    with pytest.raises(ImageError, match='120 x 90 px, but those before were 240 x 180'):
        tracker.step(small)
    with pytest.raises(ImageError, match='uint8'):
        tracker.step(frame(1).astype(np.float32))
    assert facts(tracker) == before
    tracker.reset()
    assert tracker.step(small) == []
    assert tracker.add(RED_CLICK).object_id == 2


def test_the_same_in_gives_the_same_out(make):
    def run():
        tracker = make()
        for t in range(5):
            tracker.step(frame(t))
            if t == 0:
                tracker.add(RED_CLICK)
                tracker.add(BLUE_CLICK)
        return facts(tracker)

    assert run() == run()


def test_after_a_reset_it_is_as_good_as_new(make):
    used, new = make(), make()
    used.step(frame(7))
    used.add(GREEN_CLICK)
    used.step(frame(8))
    used.reset()
    for t in range(4):
        for tracker in (used, new):
            tracker.step(frame(t))
            if t == 0:
                tracker.add(RED_CLICK, new_id=5)
    assert facts(used) == facts(new)


def test_removing_one_does_not_touch_what_is_seen_of_others_now(tracker):
    tracker.add(RED_CLICK)
    tracker.add(BLUE_CLICK)
    tracker.step(frame(1))
    before = facts(tracker)
    tracker.remove(1)
    assert facts(tracker) == before[1:]


def test_a_branch_runs_beside_and_is_merged(tracker):
    tracker.add(RED_CLICK)
    for t in range(1, 5):
        tracker.step(frame(t))
    branch, new_id = tracker.branch(), tracker.reserve_id()
    before = facts(tracker)
    branch.step(frame(2))
    branch.add(BLUE_CLICK, new_id=new_id)
    for t in range(3, 5):
        branch.step(frame(t))
    assert facts(tracker) == before
    tracker.merge(branch)
    assert facts(tracker) == before + facts(branch)
    assert [obj.object_id for obj in tracker.step(frame(5))] == [1, new_id]


@pytest.mark.parametrize('steps_back', [0, 2, 50])
def test_a_branch_begins_with_an_object_as_it_was(tracker, steps_back):
    tracker.add(RED_CLICK, label='mug')
    for t in range(1, 5):
        tracker.step(frame(t))
    before = facts(tracker)
    branch = tracker.branch(1, steps_back=steps_back)
    branch.step(frame(5 - min(steps_back, 2)))
    branch.add(BLUE_CLICK, 1)
    assert facts(tracker) == before
    (seen,) = branch.step(frame(5))
    assert (seen.object_id, seen.label) == (1, 'mug')
    tracker.step(frame(5))
    tracker.merge(branch)
    assert facts(tracker) == facts(branch)


def test_a_branch_that_saw_no_frame_is_not_merged(tracker):
    with pytest.raises(ImageError, match='step both to the same frame'):
        tracker.merge(tracker.branch())


def test_a_snapshot_goes_on_as_the_first_would(make, tracker):
    tracker.add(RED_CLICK, label='mug')
    tracker.add(BLUE_CLICK)
    for t in range(1, 4):
        tracker.step(frame(t))
    other = make()
    other.restore(tracker.snapshot())
    assert facts(other) == facts(tracker)
    with pytest.raises(MissingFrameError):
        other.add(GREEN_CLICK)
    for t in range(4, 8):
        tracker.step(frame(t))
        other.step(frame(t))
        assert facts(other) == facts(tracker)
    assert other.add(GREEN_CLICK).object_id == 3


def test_a_snapshot_is_made_of_plain_things(tracker):
    def check(value):
        if isinstance(value, dict):
            assert all(isinstance(key, str) for key in value)
            value = list(value.values())
        if isinstance(value, list):
            for part in value:
                check(part)
        else:
            assert value is None or isinstance(value, (str, int, float, np.ndarray))

    tracker.add(RED_CLICK)
    tracker.step(frame(1))
    check(tracker.snapshot())


def test_black_frames_are_survived(tracker):
    tracker.add(RED_CLICK)
    black = np.zeros((180, 240, 3), np.uint8)
    for _ in range(3):
        tracker.step(black)
    assert [obj.object_id for obj in tracker.step(frame(1))] == [1]
