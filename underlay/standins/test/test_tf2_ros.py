# SPDX-License-Identifier: Apache-2.0
"""tf2_ros answers as the original: where one frame lies in another, when, and why not."""

import json
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tf2_ros
from ament_index_python.packages import get_package_share_directory
from geometry_msgs.msg import TransformStamped
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.duration import Duration
from rclpy.time import Time
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation
from tf2_ros.frame_history import FrameHistory, Placing
from tf2_ros.rigid import Rigid

NOW = Time()


def tf(parent, child, xyz=(0, 0, 0), rotvec=(0, 0, 0), *, at_s=0.0):
    msg = TransformStamped(child_frame_id=child)
    msg.header.frame_id = parent
    msg.header.stamp = Time(seconds=at_s).to_msg()
    t, q = msg.transform.translation, msg.transform.rotation
    t.x, t.y, t.z = map(float, xyz)
    q.x, q.y, q.z, q.w = map(float, Rotation.from_rotvec(rotvec).as_quat())
    return msg


def filled(*transforms, static=()):
    buffer = tf2_ros.Buffer()
    for transform in transforms:
        buffer.set_transform(transform, 'test')
    for transform in static:
        buffer.set_transform_static(transform, 'test')
    return buffer


def matrix(msg):
    t, q = msg.transform.translation, msg.transform.rotation
    result = np.eye(4)
    result[:3, :3] = Rotation.from_quat([q.x, q.y, q.z, q.w]).as_matrix()
    result[:3, 3] = t.x, t.y, t.z
    return result


def translation(msg):
    t = msg.transform.translation
    return pytest.approx((t.x, t.y, t.z), abs=1e-7)  # stamps are whole nanoseconds


def test_a_transform_takes_points_from_source_to_target():
    # The camera looks down from a metre above the table: its z axis is the table's -z axis.
    buffer = filled(static=[tf('table', 'camera', (0.2, 0, 1), (np.pi, 0, 0))])
    found = buffer.lookup_transform('table', 'camera', NOW)
    assert (found.header.frame_id, found.child_frame_id) == ('table', 'camera')
    np.testing.assert_allclose(matrix(found) @ [0, 0, 0.9, 1], [0.2, 0, 0.1, 1], atol=1e-12)


NUMBERS = st.floats(-3, 3)
PLACES = st.tuples(NUMBERS, NUMBERS, NUMBERS)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(PLACES, PLACES), min_size=5, max_size=5))
def test_a_chain_through_the_common_root_is_the_product_of_matrices(moves):
    names = ['root', 'a', 'b'], ['root', 'x', 'y', 'z']
    links = [pair for chain in names for pair in pairwise(chain)]
    transforms = [tf(*link, *move) for link, move in zip(links, moves, strict=True)]
    buffer = filled(static=transforms)
    a, b, x, y, z = map(matrix, transforms)
    expected = np.linalg.inv(a @ b) @ x @ y @ z
    np.testing.assert_allclose(matrix(buffer.lookup_transform('b', 'z', NOW)), expected, atol=1e-9)
    np.testing.assert_allclose(
        matrix(buffer.lookup_transform('z', 'b', NOW)), np.linalg.inv(expected), atol=1e-9
    )


@settings(max_examples=50, deadline=None)
@given(PLACES, st.floats(0, 3), st.floats(0, 1))
def test_between_two_times_a_frame_turns_and_moves_evenly(axis, angle, share):
    if np.linalg.norm(axis) < 1e-3:
        axis = (0, 0, 1)
    axis = np.array(axis) / np.linalg.norm(axis)
    buffer = filled(
        tf('world', 'arm', (1, 0, 0), at_s=5), tf('world', 'arm', (3, 4, 0), angle * axis, at_s=6)
    )
    found = buffer.lookup_transform('world', 'arm', Time(seconds=5 + share))
    assert (1 + 2 * share, 4 * share, 0) == translation(found)
    expected = Rotation.from_rotvec(share * angle * axis).as_matrix()
    np.testing.assert_allclose(matrix(found)[:3, :3], expected, atol=1e-6)


def test_what_comes_out_of_order_is_put_in_order():
    buffer = filled(*[tf('world', 'arm', (s, 0, 0), at_s=s) for s in (3, 1, 2)])
    assert translation(buffer.lookup_transform('world', 'arm', Time(seconds=1.5))) == (1.5, 0, 0)


def test_time_zero_is_the_newest_time_that_all_frames_between_have():
    buffer = filled(
        *[tf('world', 'base', (s, 0, 0), at_s=s) for s in (1, 2, 3)],
        *[tf('base', 'arm', (0, s, 0), at_s=s) for s in (1, 2)],
        static=[tf('arm', 'tool', (0, 0, 1))],
    )
    found = buffer.lookup_transform('world', 'tool', NOW)
    assert found.header.stamp.sec == 2
    assert translation(found) == (2, 2, 1)


@pytest.mark.parametrize(
    ('target', 'source', 'at_s', 'error', 'words'),
    [
        ('world', 'nowhere', 1, tf2_ros.LookupException, '"nowhere" passed to .* source_frame'),
        ('nowhere', 'world', 1, tf2_ros.LookupException, 'target_frame does not exist'),
        ('world', 'island', 1, tf2_ros.ConnectivityException, 'not part of the same tree'),
        ('world', 'arm', 0.5, tf2_ros.ExtrapolationException, 'into the past.*earliest .* 1.0'),
        ('world', 'arm', 2.5, tf2_ros.ExtrapolationException, 'into the future.*latest .* 2.0'),
        ('arm', 'tool', 9.0, tf2_ros.ExtrapolationException, r'\[tool\] to frame \[arm\]'),
        ('', 'arm', 1, tf2_ros.InvalidArgumentException, 'cannot be empty'),
        ('/world', 'arm', 1, tf2_ros.InvalidArgumentException, "start with a '/'"),
    ],
)
def test_what_is_not_known_is_an_error_that_says_why(target, source, at_s, error, words):
    buffer = filled(
        *[tf('world', 'arm', at_s=s) for s in (1, 2)],
        tf('arm', 'tool', at_s=1), tf('arm', 'tool', at_s=2),
        tf('sea', 'island', at_s=1),
    )  # fmt: skip
    when = Time(seconds=at_s)
    with pytest.raises(error, match=words) as caught:
        buffer.lookup_transform(target, source, when)
    assert isinstance(caught.value, tf2_ros.TransformException)
    assert not buffer.can_transform(target, source, when)


def test_a_frame_in_itself_is_where_it_is():
    buffer = filled(tf('world', 'arm', (1, 2, 3), at_s=4))
    assert translation(buffer.lookup_transform('arm', 'arm', Time(seconds=9))) == (0, 0, 0)


def test_a_frame_that_stands_is_there_at_every_time():
    buffer = filled(static=[tf('world', 'table', (1, 0, 0), at_s=100)])
    assert translation(buffer.lookup_transform('world', 'table', Time(seconds=3))) == (1, 0, 0)
    buffer.set_transform_static(tf('world', 'table', (2, 0, 0), at_s=1), 'test')
    assert translation(buffer.lookup_transform('world', 'table', Time(seconds=3))) == (2, 0, 0)


def test_ten_seconds_are_remembered():
    buffer = filled(*[tf('world', 'arm', (s, 0, 0), at_s=s) for s in range(1, 31)])
    assert translation(buffer.lookup_transform('world', 'arm', Time(seconds=20))) == (20, 0, 0)
    with pytest.raises(tf2_ros.ExtrapolationException, match='past'):
        buffer.lookup_transform('world', 'arm', Time(seconds=19.5))
    buffer.set_transform(tf('world', 'arm', at_s=5), 'test')
    assert not buffer.can_transform('world', 'arm', Time(seconds=5))
    short = tf2_ros.Buffer(Duration(seconds=1))
    for s in (1, 2, 3):
        short.set_transform(tf('world', 'arm', at_s=s), 'test')
    assert not short.can_transform('world', 'arm', Time(seconds=1.5))


def test_a_flood_within_ten_seconds_is_remembered_in_part():
    history = FrameHistory(10 * 10**9)
    placing = Placing('world', Rigid.identity())
    for stamp_ns in range(12_000):
        history.add(stamp_ns, placing)
    assert history.at(2_000) is placing
    with pytest.raises(tf2_ros.ExtrapolationException):
        history.at(1_999)


def test_a_frame_may_change_its_parent():
    buffer = filled(
        tf('world', 'left', at_s=1), tf('world', 'left', at_s=9),
        tf('world', 'right', (5, 0, 0), at_s=1), tf('world', 'right', (5, 0, 0), at_s=9),
        tf('left', 'cup', at_s=2), tf('right', 'cup', at_s=4),
    )  # fmt: skip
    assert translation(buffer.lookup_transform('world', 'cup', Time(seconds=3))) == (0, 0, 0)
    assert translation(buffer.lookup_transform('world', 'cup', Time(seconds=4))) == (5, 0, 0)


def test_a_loop_is_an_error_and_no_hang():
    buffer = filled(static=[tf('a', 'b'), tf('b', 'c'), tf('c', 'a'), tf('world', 'table')])
    with pytest.raises(tf2_ros.TransformException, match='loop'):
        buffer.lookup_transform('world', 'a', NOW)


@pytest.mark.parametrize(
    'bad',
    [
        tf('world', 'world'),
        tf('', 'arm'),
        tf('world', ''),
        tf('world', 'arm', (np.nan, 0, 0)),
        TransformStamped(child_frame_id='arm'),
    ],
)
def test_a_transform_that_cannot_be_used_is_left_out(bad):
    buffer = filled(tf('world', 'arm', (1, 0, 0), at_s=1))
    buffer.set_transform(bad, 'test')
    buffer.set_transform_static(bad, 'test')
    assert translation(buffer.lookup_transform('world', 'arm', NOW)) == (1, 0, 0)


def test_a_quaternion_out_of_unit_length_is_left_out():
    bad = tf('world', 'arm')
    bad.transform.rotation.w = 0.5
    assert not filled(bad).can_transform('world', 'arm', NOW)


def test_a_time_before_all_times_is_one_like_others():
    early = tf('world', 'arm', (1, 0, 0))
    early.header.stamp.sec = -5
    found = filled(early).lookup_transform('world', 'arm', NOW)
    assert found.header.stamp.sec == -5


def test_waiting_ends_when_the_transform_comes():
    buffer = filled(tf('world', 'arm', (1, 0, 0), at_s=1))
    late = tf('world', 'arm', (2, 0, 0), at_s=2)
    sender = threading.Timer(0.1, buffer.set_transform, (late, 'test'))
    sender.start()
    found = buffer.lookup_transform('world', 'arm', Time(seconds=2), Duration(seconds=20))
    assert translation(found) == (2, 0, 0)
    sender.join()
    assert not buffer.can_transform('world', 'arm', Time(seconds=3), Duration(seconds=0.05))


def test_what_is_broadcast_is_heard_also_by_who_comes_late(ros):
    standing = tf2_ros.StaticTransformBroadcaster(ros.node)
    standing.sendTransform(tf('world', 'table', (1, 0, 0)))
    standing.sendTransform([tf('world', 'shelf', (2, 0, 0))])
    buffer = tf2_ros.Buffer()
    listener = tf2_ros.TransformListener(buffer, ros.node)
    moving = tf2_ros.TransformBroadcaster(ros.node)

    def heard():
        moving.sendTransform([tf('table', 'arm', (0, 0, 3), at_s=7)])
        return buffer.can_transform('shelf', 'arm', NOW)

    ros.until(heard, 'a transform from the shelf to the arm')
    assert translation(buffer.lookup_transform('shelf', 'arm', NOW)) == (-1, 0, 3)
    listener.unregister()
    assert ros.node.count_subscribers('/tf') == 0


def test_the_message_is_the_original_to_other_nodes():
    share = Path(get_package_share_directory('tf2_msgs'), 'msg', 'TFMessage.json')
    hashes = json.loads(share.read_text())['type_hashes']
    name = 'tf2_msgs/msg/TFMessage'
    ours = next(entry['hash_string'] for entry in hashes if entry['type_name'] == name)
    assert ours == get_typestore(Stores.ROS2_JAZZY).hash_rihs01(name)
