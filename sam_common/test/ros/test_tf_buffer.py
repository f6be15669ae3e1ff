# SPDX-License-Identifier: Apache-2.0
"""TF is forgotten when time goes back, and whatever is published on /tf does no harm; no DDS."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time as Stamp
from geometry_msgs.msg import TransformStamped
from rclpy.logging import get_logger
from rclpy.time import Time
from std_msgs.msg import Header

from sam_common.ros.tf_buffer import MAX_FRAMES, TfBuffer

NAN, INF = float('nan'), float('inf')


def tf(at_s, x=0.0, *, parent='world', child='arm', quaternion=(0.0, 0.0, 0.0, 1.0)):
    stamp = Time(seconds=at_s).to_msg()
    msg = TransformStamped(header=Header(frame_id=parent, stamp=stamp), child_frame_id=child)
    msg.transform.translation.x = x
    q = msg.transform.rotation
    q.x, q.y, q.z, q.w = quaternion
    return msg


@pytest.fixture
def buffer():
    return TfBuffer(get_logger('test'), clock=lambda: 0.0)


def tell(buffer, *transforms):
    for transform in transforms:
        buffer.set_transform(transform, 'test')


def x_at(buffer, at_s, child='arm'):
    """Return where a frame was, None: that is not known."""
    when = Time(seconds=at_s)
    if not buffer.can_transform('world', child, when):
        return None
    return buffer.lookup_transform('world', child, when).transform.translation.x


@pytest.mark.parametrize('length_s', [3, 15])
def test_when_a_bag_begins_anew_its_transforms_are_those_of_now(buffer, length_s):
    buffer.set_transform_static(tf(0, 5.0, child='table'), 'test')
    for round_ in range(3):
        for step in range(length_s * 10):
            tell(buffer, tf(100 + step / 10, float(1000 * round_ + step)))
            if step >= 2:
                assert x_at(buffer, 100 + step / 10) == 1000 * round_ + step
                assert x_at(buffer, 100 + (step - 1) / 10) == 1000 * round_ + step - 1
        assert x_at(buffer, 100, 'table') == 5, 'what stands still is not told of again'


def test_of_the_round_before_nothing_is_left(buffer):
    tell(buffer, *[tf(at, 1.0) for at in (10, 11, 12, 13, 14)])
    tell(buffer, tf(10.5, 2.0), tf(10.6, 2.0), tf(10.7, 2.0))
    assert x_at(buffer, 10.6) == 2
    assert x_at(buffer, 12) is None


def test_what_came_since_of_other_frames_is_kept(buffer):
    tell(buffer, tf(100, child='slow'), tf(101, child='slow'))
    tell(buffer, *[tf(100 + i / 10) for i in range(10)])
    tell(buffer, tf(10, 7.0, child='slow'), tf(10), tf(10.1), tf(10.2))
    assert x_at(buffer, 10, 'slow') == 7


@pytest.mark.parametrize('odd_s', [0, 50, 95, 115, 10_000, 2_000_000_000])
def test_one_transform_with_an_odd_stamp_costs_nothing(buffer, odd_s):
    for step in range(60):
        at_s = 100 + step / 10
        tell(buffer, tf(at_s, float(step)))
        assert x_at(buffer, at_s) == step
        if step == 30:
            tell(buffer, tf(odd_s, -1.0))
        if step > 1:
            assert x_at(buffer, at_s - 0.1) == step - 1


def test_a_stream_that_goes_on_after_a_pause_is_taken_up(buffer):
    tell(buffer, *[tf(100 + i / 10, float(i)) for i in range(5)])
    tell(buffer, tf(500, 50.0), tf(500.1, 51.0))
    assert (x_at(buffer, 500), x_at(buffer, 500.1)) == (50, 51)


def test_one_transform_after_a_pause_is_taken_in_if_the_pause_was_as_long():
    now_s = 0.0
    buffer = TfBuffer(get_logger('test'), clock=lambda: now_s)
    for now_s in (0.0, 30.0, 90.0):
        tell(buffer, tf(1000 + now_s, now_s))
        assert x_at(buffer, 1000 + now_s) == now_s


def test_two_publishers_of_one_frame_of_which_one_is_late_do_not_make_time_go_back(buffer):
    for step in range(50):
        tell(buffer, tf(100 + step / 10), tf(99 + step / 10 + 0.05))
        if step > 10:
            assert x_at(buffer, 100.5) is not None


ODD = [NAN, INF, -INF, 1e300, 0.0, 0.5]


@pytest.mark.parametrize(
    'bad',
    [
        *(tf(2, quaternion=(0.0, 0.0, 0.0, w)) for w in ODD),
        *(tf(2, x) for x in (NAN, INF, -INF)),
        tf(2, parent='arm'),
        tf(2, parent=''),
        tf(2, child=''),
        tf(2, child='x' * 257),
        tf(2, child='a\0b'),
    ],
)
def test_a_transform_without_a_meaning_is_left_out(buffer, bad):
    tell(buffer, tf(1, 3.0), bad)
    buffer.set_transform_static(bad, 'test')
    assert x_at(buffer, 1) == 3
    assert x_at(buffer, 2) is None


def test_frames_without_number_take_no_memory_without_end(buffer):
    tell(buffer, tf(1, 1.0))
    tell(buffer, *[tf(1, child=f'frame_{i}') for i in range(6_000)])
    assert x_at(buffer, 1) == 1
    tell(buffer, tf(1.1, 2.0))
    assert x_at(buffer, 1.1) == 2
    last = f'frame_{MAX_FRAMES - 3}'
    assert x_at(buffer, 1, last) == 0
    assert x_at(buffer, 1, f'frame_{MAX_FRAMES - 2}') is None
    assert f'more than {MAX_FRAMES} frames' in buffer.overflow


def test_any_transforms_leave_a_buffer_that_answers(buffer):
    rng = np.random.default_rng(3)
    names = ['world', 'arm', '', 'arm ', '/arm', 'a', 'b', 'x' * 300]
    numbers = [0.0, 1.0, -1.0, NAN, INF, 1e300, 1e-300]
    for _ in range(1000):
        parent, child = rng.choice(names, 2)
        msg = tf(0, float(rng.choice(numbers)), parent=str(parent), child=str(child))
        msg.header.stamp = Stamp(sec=int(rng.integers(-(2**31), 2**31)) >> int(rng.integers(32)))
        if rng.random() < 0.3:
            msg.transform.rotation.w = float(rng.choice(numbers))
        buffer.set_transform(msg, 'test')
        if rng.random() < 0.1:
            buffer.set_transform_static(msg, 'test')
        buffer.can_transform('world', 'arm', Time(seconds=int(rng.integers(0, 100))))
