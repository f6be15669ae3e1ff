# SPDX-License-Identifier: Apache-2.0
"""Odd frames in a stream: one costs nothing but itself, what stays is a reset that is told."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_tracker import GREEN, RED, ToyTracker, frame

from sam_common.errors import MissingFrameError
from sam_common.stamp_order import NANOSECONDS, SEVERAL, StampOrder, format_stamp
from sam_segmentation import Prompt, TrackerOptions
from sam_segmentation.core.errors import UnknownObjectError
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer
from sam_segmentation.streaming.requests import NewObject, add, refine
from sam_segmentation.streaming.session import TrackingSession

MS = NANOSECONDS // 1000
START = 1_700_000_000 * NANOSECONDS
ONE_PIXEL = np.zeros((1, 1, 3), np.uint8)
RATES_HZ = (1, 5, 30, 100)
# What may be odd about a frame: its stamp, given the one before, or its size.
FORWARD = {'far future': lambda ns: ns + 10**18, 'an hour ahead': lambda ns: ns + 3600 * 10**9}
BACK = {
    'zero': lambda ns: 0,
    'negative': lambda ns: -5 * 10**9,
    '1 ms back': lambda ns: ns - MS,
    'an hour back': lambda ns: ns - 3600 * 10**9,
}
ODD = [*FORWARD, *BACK, '1 x 1']


def run(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


class Camera:
    """A stream whose every frame is stepped as the node does, and what the tracker makes of it."""

    def __init__(self, rate_hz=30, start=START):
        self.told, self.now_s, self.number = [], 0.0, 0
        self.interval_ns = NANOSECONDS // rate_hz
        self.stamp_ns = start - self.interval_ns
        self.session = TrackingSession(
            ToyTracker(TrackerOptions()), history=100, on_reset=self.told.append
        )
        self.session.order = StampOrder(lambda: self.now_s)
        self.buffer = FrameBuffer(100, self.session.order)

    def send(self, stamp_ns=None, image=None):
        if stamp_ns is None:
            self.number += 1
            self.now_s += self.interval_ns / NANOSECONDS
            stamp_ns = self.stamp_ns = self.stamp_ns + self.interval_ns
        if image is None:
            t = self.number % 30
            image = frame((RED, 4 + t, 4), (GREEN, 30, 20))
        one = Frame(stamp_ns, None, lambda: image)
        self.buffer.add(one)
        if self.buffer.current is not None:
            self.session.step(self.buffer.current)
        return one

    def send_odd(self, kind):
        if kind == '1 x 1':
            return self.send(self.stamp_ns + self.interval_ns // 2, ONE_PIXEL)
        return self.send({**FORWARD, **BACK}[kind](self.stamp_ns))

    def add(self, xy, stamp_ns=0):
        new = [NewObject(Prompt(points_xy=[xy], labels=[1]))]
        return run(add(self.session, self.buffer, new, stamp_ns=stamp_ns)).objects[0]

    def facts(self):
        return [(o.object_id, o.state, o.score, o.mask.tobytes()) for o in self.session.objects]

    @property
    def ids(self):
        return [obj.object_id for obj in self.session.objects]


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(RATES_HZ), st.dictionaries(st.integers(3, 30), st.sampled_from(ODD)))
def test_the_frame_after_an_odd_one_is_tracked_as_if_that_had_not_come(rate_hz, odd):
    plain, disturbed = Camera(rate_hz), Camera(rate_hz)
    for camera in (plain, disturbed):
        for _ in range(3):
            camera.send()
        camera.add((32, 22))
    for number in range(3, 31):
        if number in odd:
            disturbed.send_odd(odd[number])
        for camera in (plain, disturbed):
            camera.send()
        assert disturbed.facts() == plain.facts()
    assert (disturbed.told, disturbed.session.resets) == ([], 0)
    sizes = sum(kind == '1 x 1' for kind in odd.values())
    session = disturbed.session
    assert (session.other_size, session.order.skipped) == (sizes, len(odd) - sizes)


@pytest.mark.parametrize('rate_hz', RATES_HZ)
@pytest.mark.parametrize('swapped', [1, 2, 7])
def test_two_swapped_frames_cost_the_one_that_is_late(rate_hz, swapped):
    camera = Camera(rate_hz)
    for _ in range(swapped):
        camera.send()
    camera.add((32, 22))
    late = camera.stamp_ns + camera.interval_ns
    camera.send(late + camera.interval_ns)
    camera.send(late)
    camera.stamp_ns = late + camera.interval_ns
    for _ in range(10):
        camera.send()
    assert (camera.ids, camera.told, camera.session.order.skipped) == ([1], [], 1)
    assert camera.session.tracker.steps == swapped + 11


@pytest.mark.parametrize('rate_hz', RATES_HZ)
@pytest.mark.parametrize('ahead_s', [0.05, 0.2, 0.7, 1.5, 4, 1e9])
@pytest.mark.parametrize('after', [0, 1, 2, 8])
def test_an_odd_frame_that_was_believed_costs_no_object(rate_hz, ahead_s, after):
    camera = Camera(rate_hz)
    for _ in range(after):
        camera.send()
    camera.send(camera.stamp_ns + round(ahead_s * NANOSECONDS))
    camera.add((32, 22))
    for _ in range(4 * SEVERAL):
        last = camera.send()
    assert (camera.ids, camera.told) == ([1], [])
    assert camera.session.last is last
    # It can be corrected, now and in the past.
    prompt = Prompt(points_xy=[(32, 22)], labels=[1])
    past_ns = camera.stamp_ns - 2 * camera.interval_ns
    for stamp_ns in (0, past_ns):
        view = run(refine(camera.session, camera.buffer, 1, prompt, stamp_ns=stamp_ns))
        assert view.objects[0].area == 64


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(RATES_HZ),
    st.integers(6, 40),
    st.sampled_from([*BACK, 'size', 'zero for ever', 'stands still']),
    st.booleans(),
)
def test_what_changes_and_stays_is_one_reset_that_is_told_soon(rate_hz, before, change, odd):
    camera = Camera(rate_hz)
    for _ in range(before):
        camera.send()
    camera.add((32, 22))
    camera.send()
    if odd:
        camera.send_odd('far future')
        camera.send()
    limit_s = 2.0 if rate_hz == 1 else 1.0
    small = last = None
    if change == 'size':
        small = frame((RED, 4, 4), size_wh=(32, 24))
    elif change in BACK:
        leap = {'1 ms back': 60 * NANOSECONDS}.get(change)
        camera.stamp_ns = camera.stamp_ns - leap if leap else BACK[change](camera.stamp_ns)
    changed_s = camera.now_s
    for _ in range(max(10, 3 * rate_hz)):
        if change in ('zero for ever', 'stands still'):
            camera.number, camera.now_s = camera.number + 1, camera.now_s + 1 / rate_hz
            sent = camera.send(0 if change == 'zero for ever' else NANOSECONDS)
            last = sent if sent.stamp_ns == 0 or not last else camera.session.last
        else:
            last = camera.send(image=small)
        if camera.told and changed_s is not None:
            assert camera.now_s - changed_s <= max(limit_s, SEVERAL / rate_hz) + 1 / rate_hz
            changed_s = None
    assert (len(camera.told), camera.session.resets, camera.ids) == (1, 1, [])
    reason = 'the camera changed' if change == 'size' else 'the stamps went back'
    assert reason in camera.told[0]
    assert camera.add((6, 6) if change == 'size' else (32, 22)).object_id == 2
    assert camera.session.last is last
    with pytest.raises(UnknownObjectError, match=f'1 is not tracked any more: .*{reason}'):
        camera.session.remove(1)


@pytest.mark.parametrize('rate_hz', RATES_HZ)
@pytest.mark.parametrize('gap_s', [0.5, 3, 1e6])
def test_a_leap_ahead_that_stays_keeps_the_objects(rate_hz, gap_s):
    camera = Camera(rate_hz)
    for _ in range(8):
        camera.send()
    camera.add((32, 22))
    camera.stamp_ns += round(gap_s * NANOSECONDS)
    held = camera.send()
    last = camera.send()
    assert camera.session.last is last
    for _ in range(10):
        camera.send()
    assert (camera.ids, camera.told, camera.session.order.skipped) == ([1], [], 0)
    # The frame that had to wait for the second one can be prompted on.
    assert camera.add((32, 22), stamp_ns=held.stamp_ns).object_id == 2


def test_a_leap_that_the_clock_confirms_is_followed_at_once():
    camera = Camera()
    for _ in range(8):
        camera.send()
    camera.add((32, 22))
    camera.now_s += 60
    camera.stamp_ns += 60 * NANOSECONDS
    last = camera.send()
    assert camera.session.last is last


def test_a_stream_without_stamps_is_tracked():
    camera = Camera()
    for stamp_ns in [0] * 20:
        last = camera.send(stamp_ns)
        if not camera.session.objects:
            camera.add((32, 22))
        assert camera.session.last is last
    assert (camera.ids, camera.session.order.skipped) == ([1], 0)


def test_of_two_sizes_in_turn_the_first_is_tracked():
    camera = Camera()
    camera.send()
    camera.add((32, 22))
    for _ in range(10):
        camera.send(image=frame(size_wh=(32, 24)))
        last = camera.send()
        assert camera.session.last is last
    assert (camera.ids, camera.told, camera.session.other_size) == ([1], [], 10)


def test_stamps_without_any_order_do_not_end_the_tracking():
    camera = Camera()
    camera.send()
    camera.add((32, 22))
    steps = camera.session.tracker.steps
    for number in range(60):
        camera.send(START - number * NANOSECONDS)
    assert camera.session.last.stamp_ns < START - 30 * NANOSECONDS
    assert len(camera.told) == 1
    assert steps <= 2


@pytest.mark.parametrize('kind', ODD)
def test_a_prompt_on_a_skipped_frame_says_why_and_others_go_past_it(kind):
    camera = Camera()
    early = [camera.send() for _ in range(10)][4]
    camera.add((32, 22))
    odd = camera.send_odd(kind)
    camera.send()
    if odd.stamp_ns:
        with pytest.raises(MissingFrameError, match=r'was skipped: it.*; prompt on another one'):
            camera.add((32, 22), stamp_ns=odd.stamp_ns)
    assert camera.buffer.at(odd.stamp_ns) is odd  # for who wants no track but a mask
    # What catches up does not see it.
    assert camera.add((32, 22), stamp_ns=early.stamp_ns).score == 7 / 20
    # Nor does it stand for the newest one.
    odd = camera.send_odd(kind)
    assert camera.add((32, 22)).object_id == 3
    assert camera.session.last is not odd


def test_a_size_that_changed_while_nobody_looked_is_seen_by_the_next_prompt():
    camera = Camera()
    camera.send()
    camera.add((32, 22))
    for number in range(1, 9):
        image = frame((RED, 4, 4), size_wh=(32, 24))
        camera.buffer.add(Frame(camera.stamp_ns + number * 33 * MS, None, lambda i=image: i))
    assert camera.add((6, 6)).object_id == 2
    assert len(camera.told) == 1
    assert camera.session.last is camera.buffer.newest()


def test_negative_stamps_are_written_as_they_are():
    assert format_stamp(-1_500_000_000) == '-1.500000000'
    assert format_stamp(1) == '0.000000001'


def test_an_odd_stamp_after_a_new_beginning_is_an_odd_one():
    """What the beginning had proven to be in order speaks for no later one."""
    order = StampOrder()
    for stamp in (2, 0, 0, 0, 0, 1, 0, 2):
        order.judge(SimpleNamespace(stamp_ns=stamp))
    assert order.era == 0
    assert order.newest_ns == 2
