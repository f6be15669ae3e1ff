# SPDX-License-Identifier: Apache-2.0
"""A tracker on a stream: resets, ids that are gone, and prompts on past frames caught up."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from toy_tracker import BLUE, GREEN, RED, ToyTracker, frame

from sam_common.errors import ImageError, MissingFrameError
from sam_common.stamp_order import NANOSECONDS
from sam_common.worker import Worker
from sam_segmentation import Prompt, TrackerOptions
from sam_segmentation.core.errors import PromptError, TooManyObjectsError, UnknownObjectError
from sam_segmentation.streaming.detections import detect
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer
from sam_segmentation.streaming.requests import NewObject, add, refine
from sam_segmentation.streaming.session import TrackingSession

RED_AT, GREEN_AT, BLUE_AT = (6, 6), (32, 22), (52, 38)


def click(xy, **more):
    return Prompt(points_xy=[xy], labels=[1], **more)


def second(number):
    return number * NANOSECONDS


class Live:
    """A session with a buffer, and a camera whose frames carry their number as stamp [s]."""

    def __init__(self, *, buffered=30, **options):
        self.buffer = FrameBuffer(buffered)
        self.told = []
        self.tracker = ToyTracker(TrackerOptions(**options))
        self.session = TrackingSession(self.tracker, history=buffered, on_reset=self.told.append)

    def arrive(self, number, image=None, stamp_ns=None):
        t = number % 20
        image = frame((RED, 4 + t, 4), (GREEN, 30, 20), (BLUE, 50, 36)) if image is None else image
        one = Frame(second(number) if stamp_ns is None else stamp_ns, None, lambda: image)
        self.buffer.add(one)
        return one

    def frames(self, numbers):
        """Let frames arrive, and step each one."""
        for number in numbers:
            self.session.step(self.arrive(number))

    def run(self, steps, *, between=lambda: None):
        """Run a request, something else between its parts; return its view and its parts."""
        parts = 0
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value, parts + 1
            parts += 1
            between()

    def add(self, xy, *, at=0, **more):
        new = [NewObject(click(xy), **more)]
        view, _ = self.run(add(self.session, self.buffer, new, stamp_ns=second(at)))
        return view.objects[0]

    def detect(self, found, *, at=0):
        def refuse(new, error):
            self.refused[new] = str(error)

        self.refused = {}
        steps = detect(self.session, self.buffer, found, stamp_ns=second(at), refuse=refuse)
        return self.run(steps)[0]

    def facts(self):
        return [(o.object_id, o.label, o.state, o.score, o.mask.tobytes()) for o in self.objects]

    @property
    def objects(self):
        return self.session.objects

    @property
    def ids(self):
        return [obj.object_id for obj in self.objects]


@pytest.fixture
def live():
    return Live()


def test_a_prompt_before_the_first_frame_says_what_is_missing(live):
    with pytest.raises(MissingFrameError, match='no image has arrived yet'):
        live.add(RED_AT)
    live.arrive(1)
    assert live.add(RED_AT).object_id == 1


def test_the_newest_frame_is_stepped_before_it_is_prompted(live):
    live.frames([1])
    live.arrive(2)
    added = live.add((6 + 2, 6))
    assert added.box_xyxy == (5.5, 3.5, 13.5, 11.5)
    assert live.session.view().frame is live.buffer.newest()


@pytest.mark.parametrize('at', [3, 6, 8])
def test_an_object_clicked_in_the_past_is_as_if_it_had_been_clicked_in_time(live, at):
    in_time = Live()
    for one in (live, in_time):
        one.frames([1])
        one.add(GREEN_AT)
        one.frames(range(2, at + 1))
    in_time.add((6 + at, 6))
    for one in (live, in_time):
        one.frames(range(at + 1, 9))
    assert live.add((6 + at, 6), at=at).object_id == 2
    assert live.facts() == in_time.facts()
    for one in (live, in_time):
        one.frames([9])
    assert live.facts() == in_time.facts()


def test_the_first_object_is_caught_up_through_frames_that_nobody_tracked_in(live):
    for number in range(1, 8):
        live.arrive(number)
    added = live.add((6 + 3, 6), at=3)
    assert added.box_xyxy == (10.5, 3.5, 18.5, 11.5)
    assert added.score == 5 / 20  # it was seen in each of the frames 3 to 7


def test_a_time_without_objects_is_no_past_that_was_followed(live):
    live.frames([1])
    live.add(GREEN_AT)
    live.session.remove(1)
    for number in range(2, 9):
        live.arrive(number)  # nothing is tracked, so nobody steps these
    # Through each of the frames 4 to 8, and not in one leap as from an old step to a new one.
    assert live.add((6 + 4, 6), at=4).score == 5 / 20


def test_a_correction_of_the_past_is_as_if_it_had_been_made_in_time(live):
    in_time = Live()
    for one in (live, in_time):
        one.frames([1])
        one.add(RED_AT)
        one.add(GREEN_AT)
        one.frames(range(2, 6))
    prompt = click(BLUE_AT)
    in_time.run(refine(in_time.session, in_time.buffer, 1, prompt))
    for one in (live, in_time):
        one.frames(range(6, 9))
    view, _ = live.run(refine(live.session, live.buffer, 1, prompt, stamp_ns=second(5)))
    assert [obj.box_xyxy for obj in view.objects] == [(49.5, 35.5, 57.5, 43.5)]
    assert live.facts() == in_time.facts()


def test_a_correction_on_the_frame_of_an_earlier_prompt_builds_on_it(live):
    live.frames([1])
    live.add(RED_AT)
    live.frames(range(2, 7))
    known = []
    original = ToyTracker._refine

    def spy(tracker, object_id, prompt):
        known.append(list(tracker.memories[object_id]))
        return original(tracker, object_id, prompt)

    live.tracker.__class__ = type('Spied', (ToyTracker,), {'_refine': spy})
    live.tracker.__class__._empty = lambda self: self.__class__(self.options)
    for at in (1, 4, 4):
        live.run(refine(live.session, live.buffer, 1, click((6 + at, 6)), stamp_ns=second(at)))
    # What it had learned up to that frame: the frame of an earlier prompt is seen once more.
    assert [len(memory) for memory in known] == [2, 5, 6]


def test_a_correction_from_before_the_object_was_tracked_is_refused(live):
    live.frames([1, 2, 3])
    live.add(RED_AT)
    live.frames([4])
    with pytest.raises(PromptError, match=r'tracked from 3\.0+ on, .* for 2\.0+; prompt on a lat'):
        live.run(refine(live.session, live.buffer, 1, click(RED_AT), stamp_ns=second(2)))


@pytest.mark.parametrize('behind', [1, 5, 25])
def test_catching_up_ends_although_the_stream_goes_on_as_fast(live, behind):
    live.frames([1])
    live.add(GREEN_AT)
    live.frames(range(2, 28))
    steps = add(
        live.session, live.buffer, [NewObject(click(BLUE_AT))], stamp_ns=second(27 - behind)
    )
    numbers = iter(range(28, 100))
    view, parts = live.run(steps, between=lambda: live.frames([next(numbers)]))
    assert parts <= 2 + min(behind, 10) + 1
    assert view.objects[0].area == 64
    assert view.frame is live.buffer.newest()


def test_no_part_of_a_request_takes_more_than_one_run_of_the_model(live, monkeypatch):
    runs = []
    for name in ('_step', '_add', '_refine'):
        original = getattr(ToyTracker, name)

        def counted(tracker, *args, original=original, name=name, **kwargs):
            if name != '_refine' or runs[-1:] != ['_add']:  # an addition refines within
                runs.append(name)
            return original(tracker, *args, **kwargs)

        monkeypatch.setattr(ToyTracker, name, counted)
    live.frames([1])
    live.add(RED_AT)
    live.frames(range(2, 9))
    live.arrive(9)
    session, buffer, prompt = live.session, live.buffer, click(BLUE_AT)
    for steps in (
        add(session, buffer, [NewObject(prompt)]),
        add(session, buffer, [NewObject(prompt)] * 3, stamp_ns=second(4)),
        refine(session, buffer, 1, prompt, stamp_ns=second(5)),
    ):
        runs.clear()

        def check():
            assert len(runs) <= 1
            runs.clear()

        live.run(steps, between=check)


def test_the_stream_goes_on_between_all_parts_of_every_request(live, monkeypatch):
    events = []
    # A frame takes as long as a part, whatever else the machine does: the worker goes by time.
    monkeypatch.setattr('sam_common.worker.monotonic', lambda: float(len(events)))
    worker = Worker(max_pending=10, on_stream_error=events.append)
    numbers = iter(range(10, 1000))

    def stream():
        events.append('frame')
        live.frames([next(numbers)])
        worker.offer(stream)

    def noted(steps):
        while True:
            events.append('part')
            try:
                yield next(steps)
            except StopIteration as end:
                return end.value

    live.frames(range(1, 10))
    live.add(GREEN_AT)
    worker.offer(stream)
    session, buffer = live.session, live.buffer
    futures = [
        worker.submit_steps(noted(steps))
        for steps in (
            add(session, buffer, [NewObject(click(BLUE_AT)), NewObject(click(GREEN_AT))]),
            add(session, buffer, [NewObject(click(BLUE_AT))], stamp_ns=second(3)),
            refine(session, buffer, 1, click(BLUE_AT)),
        )
    ]
    futures.append(worker.submit(lambda: (events.append('part'), session.remove(1))))
    for future in futures:
        future.exception(10)
    worker.stop()
    assert events.count('part') > 8
    assert ('part', 'part') not in set(pairwise(events))


def test_an_object_that_is_removed_while_it_catches_up_is_told_of(live):
    live.frames([1])
    live.add(RED_AT)
    live.frames(range(2, 9))
    steps = refine(live.session, live.buffer, 1, click(RED_AT), stamp_ns=second(3))
    next(steps)
    live.session.remove(1)
    with pytest.raises(UnknownObjectError, match='object 1 is not tracked any more: it was remov'):
        live.run(steps)
    assert live.ids == []


@pytest.mark.parametrize('cause', ['request', 'size', 'time'])
def test_a_reset_ends_what_catches_up_and_says_why(live, cause):
    live.frames(range(1, 9))
    steps = add(live.session, live.buffer, [NewObject(click(BLUE_AT))], stamp_ns=second(3))
    next(steps)
    if cause == 'request':
        live.session.reset()
    elif cause == 'size':
        for number in (9, 10, 11):
            live.session.step(live.arrive(number, frame(size_wh=(32, 24))))
    else:
        live.frames([2, 3, 4])
    reason = {
        'request': 'everything was removed on request',
        'size': 'the camera changed from 64 x 48 to 32 x 24 px',
        'time': r'the stamps went back from 8\.0+',
    }[cause]
    with pytest.raises(UnknownObjectError, match=f'was dropped: .*{reason}'):
        live.run(steps)
    assert (live.ids, live.session.reserved) == ([], set())


def test_two_corrections_of_one_object_are_made_one_after_the_other(live):
    live.frames([1])
    live.add(RED_AT)
    live.frames(range(2, 9))
    first = refine(live.session, live.buffer, 1, click(GREEN_AT), stamp_ns=second(3))
    next(first)
    second_one = refine(live.session, live.buffer, 1, click(BLUE_AT))
    for _ in range(3):
        next(second_one)
    live.run(first)
    assert live.objects[0].box_xyxy == (29.5, 19.5, 37.5, 27.5)
    live.run(second_one)
    assert live.objects[0].box_xyxy == (49.5, 35.5, 57.5, 43.5)


def test_a_damaged_frame_on_the_way_is_passed_over(live):
    def damaged():
        raise ImageError('damaged')

    for number in range(1, 9):
        if number in (4, 5):
            live.buffer.add(Frame(second(number), None, damaged))
        else:
            live.arrive(number)
    assert live.add((6 + 2, 6), at=2).box_xyxy == (11.5, 3.5, 19.5, 11.5)
    with pytest.raises(ImageError, match='damaged'):
        live.add((6 + 2, 6), at=4)


def test_a_stamp_that_went_back_resets_and_says_so(live):
    live.frames([7, 8])
    live.add(GREEN_AT)
    live.add(BLUE_AT)
    live.frames([1, 2])
    assert live.ids == [1, 2]
    live.frames([3])
    [told] = live.told
    assert told == (
        'the tracker was reset at 3.000000000 because the stamps went back from 8.000000000 and '
        'stay back; objects no longer tracked: 2'
    )
    assert (live.session.resets, live.ids) == (1, [])
    with pytest.raises(
        UnknownObjectError, match=r'object 2 is not .* any more: the tracker was r'
    ):
        live.session.remove(2)
    # A frame that is still buffered from before is not of this time.
    with pytest.raises(MissingFrameError, match=r'7\.0+ came before the stamps went back'):
        live.add(GREEN_AT, at=7)
    assert live.add(GREEN_AT).object_id == 3


def test_another_size_resets_and_says_so(live):
    live.frames([1])
    live.add(GREEN_AT)
    for number in (2, 3, 4):
        assert live.ids == [1]
        live.session.step(live.arrive(number, frame((RED, 4, 4), size_wh=(32, 24))))
    assert live.session.other_size == 3
    assert 'because the camera changed from 64 x 48 to 32 x 24 px' in live.told[0]
    view = live.session.view()
    assert view.objects == ()
    assert view.frame is live.buffer.newest()
    with pytest.raises(ImageError, match="is 64 x 48 px, which is no longer the camera's size"):
        live.add(GREEN_AT, at=1)
    assert live.add(RED_AT).object_id == 2


def test_a_reset_of_nothing_is_not_told(live):
    live.frames([7, 1])
    live.session.step(live.arrive(2, frame(size_wh=(32, 24))))
    assert (live.told, live.session.resets) == ([], 0)


def test_a_repeated_stamp_is_the_same_frame_and_no_stamp_is_none(live):
    live.frames([1])
    live.add(GREEN_AT)
    again = live.arrive(1)
    assert [live.session.step(again), live.session.step(again)] == [False, False]
    assert (live.session.repeated, live.tracker.steps) == (1, 1)
    live = Live()
    for _ in range(3):
        assert live.session.step(live.arrive(0))
    assert live.add(GREEN_AT).object_id == 1
    assert live.session.step(live.arrive(0))
    assert live.session.repeated == 0


def test_errors_say_what_became_of_an_id(live):
    live.frames([1])
    live.add(RED_AT)
    live.add(GREEN_AT)
    live.session.remove(1)
    with pytest.raises(UnknownObjectError, match=r'1 is not .* any more: it was removed; .* 2;'):
        live.run(refine(live.session, live.buffer, 1, click(RED_AT)))
    with pytest.raises(
        UnknownObjectError, match=r'object 9 .* since the model was loaded at \d{4}-.* are gone'
    ):
        live.session.remove(9)
    live.session.reset()
    with pytest.raises(
        UnknownObjectError, match=r'2 .*: everything was removed on request; .*none'
    ):
        live.session.remove(2)
    # An id comes back only when it is asked for.
    assert live.add(RED_AT).object_id == 3
    assert live.add(GREEN_AT, object_id=1).object_id == 1
    with pytest.raises(PromptError, match='object id 1 is tracked already'):
        live.add(GREEN_AT, object_id=1)
    live.session.remove(1)


def test_an_id_that_is_being_added_is_taken(live):
    live.frames(range(1, 6))
    new = [NewObject(click(BLUE_AT), object_id=7)]
    first = add(live.session, live.buffer, new, stamp_ns=second(2))
    next(first)
    with pytest.raises(PromptError, match='object id 7 is being added already'):
        live.run(add(live.session, live.buffer, new))
    live.run(first)
    assert live.ids == [7]


def test_objects_that_catch_up_count(live):
    live = Live(max_objects=2)
    live.frames(range(1, 6))
    first = add(live.session, live.buffer, [NewObject(click(BLUE_AT))] * 2, stamp_ns=second(2))
    next(first)
    with pytest.raises(TooManyObjectsError, match=r'2 objects are tracked and 1 more .* is 2;'):
        live.add(RED_AT)
    live.run(first)
    assert live.ids == [1, 2]


def test_of_several_objects_all_are_added_or_none(live):
    live.frames(range(1, 6))
    new = [NewObject(click(BLUE_AT)), NewObject(click((99, 9)))]
    with pytest.raises(PromptError, match=r'prompt 2: point \(99, 9\) lies outside'):
        live.run(add(live.session, live.buffer, new))
    assert (live.ids, live.session.reserved) == ([], set())


def detection(x, y, label=''):
    return NewObject(Prompt(box_xyxy=(x - 0.5, y - 0.5, x + 7.5, y + 7.5)), label=label)


def test_detections_of_tracked_objects_name_them_and_the_others_are_added(live):
    live.frames([1])
    live.add((7, 6))
    live.add(BLUE_AT, label='cup')
    found = [
        detection(6, 4, 'ball'), detection(50, 37, 'bowl'),
        detection(30, 20, 'box'), detection(31, 20, 'case'),
    ]  # fmt: skip
    view = live.detect(found)
    assert [(obj.object_id, obj.label) for obj in view.objects] == [
        (1, 'ball'), (2, 'cup'), (3, 'box'),
    ]  # fmt: skip


def test_detections_are_compared_where_the_objects_were_in_their_frame(live):
    live.frames([1])
    live.add((7, 6))
    live.frames(range(2, 12))
    view = live.detect([detection(6, 4)], at=2)
    assert [obj.object_id for obj in view.objects] == [1]
    # A frame that is not buffered stands for the newest: there the red one is 10 px farther.
    view = live.detect([detection(15, 4)], at=99)
    assert [obj.object_id for obj in view.objects] == [1]


def test_a_detection_that_cannot_be_tracked_costs_no_other_one():
    live = Live(max_objects=2)
    live.frames([1])
    outside, low = detection(900, 4), replace(detection(50, 36), score=0.1)
    new = [
        low,
        outside,
        replace(detection(4, 4), score=0.5),
        replace(detection(30, 20), score=0.9),
    ]
    view = live.detect(new)
    assert [obj.box_xyxy[0] for obj in view.objects] == [4.5, 29.5]
    assert 'lies outside the image of 64 x 48 px' in live.refused[outside]
    assert 'max_objects is 2' in live.refused[low]
    assert len(live.refused) == 2


def test_a_detection_that_the_model_refuses_costs_no_other_one(live, monkeypatch):
    original = ToyTracker._add

    def picky(tracker, object_id, prompt):
        if prompt.box_xyxy[0] > 40:
            raise PromptError('not that one')
        return original(tracker, object_id, prompt)

    monkeypatch.setattr(ToyTracker, '_add', picky)
    live.frames([1, 2, 3])
    for found in ([detection(50, 36)], [detection(50, 36), detection(30, 20)]):
        live.detect(found, at=2)
        assert live.refused == {found[0]: 'not that one'}
    assert live.ids == [3]
    assert live.session.reserved == set()


def test_what_is_remembered_does_not_grow(live):
    live = Live(buffered=5)
    live.frames([1])
    for number in range(2, 300):
        live.frames([number])
        live.add(GREEN_AT, at=max(1, number - 3))
        live.session.remove(live.ids[0])
    timeline = live.session.timeline
    assert len(timeline._moments) <= 5
    assert (timeline._since, timeline._prompted) == ({}, {})


def test_after_a_failed_step_nothing_is_changed(live):
    live.frames([1])
    live.add(GREEN_AT)
    before, live.tracker.broken = live.facts(), True
    with pytest.raises(RuntimeError):
        live.session.step(live.arrive(2))
    assert live.facts() == before
    live.tracker.broken = False
    live.frames([3])
    np.testing.assert_array_equal(live.objects[0].mask[20:28, 30:38], True)
