# SPDX-License-Identifier: Apache-2.0
"""Bags over DDS: what is recorded is what was published, what is played is what was recorded."""

import array
import os
import random
import signal
import subprocess
import time

import pytest
import rclpy
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message, serialize_message
from ros2_standin.bag_qos import bag_qos
from rosbags.rosbag2 import Reader, StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from std_msgs.msg import String

# Above 101 the ports are those that the system gives to anyone.
DOMAIN = 1 + os.getpid() % 100
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
BEST_EFFORT = QoSProfile(depth=7, reliability=ReliabilityPolicy.BEST_EFFORT)


@pytest.fixture
def node(monkeypatch):
    monkeypatch.setenv('ROS_DOMAIN_ID', str(DOMAIN))
    monkeypatch.setenv('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN)
    made = rclpy.create_node('bag_test', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(made)
    made.spin_until = lambda condition, timeout_s=15.0: spin_until(executor, condition, timeout_s)
    yield made
    executor.shutdown()
    made.destroy_node()
    rclpy.shutdown(context=context)


def spin_until(executor, condition, timeout_s):
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, 'nothing came of it in time'
        executor.spin_once(timeout_sec=0.02)


@pytest.fixture
def start():
    processes = []

    def start_bag(*words):
        command = ['ros2', 'bag', *map(str, words)]
        processes.append(
            subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
        )
        return processes[-1]

    yield start_bag
    for process in processes:
        process.kill()
        process.wait()


def end(process, number=None, timeout_s=15):
    if number is not None:
        process.send_signal(number)
    message = process.communicate(timeout=timeout_s)[1].decode()
    return process.returncode, message


def write_bag(path, topics, storage=StoragePlugin.MCAP):
    """Write a bag of topics, each with its class, QoS, and (stamp in ns, message) pairs."""
    types = get_typestore(Stores.ROS2_JAZZY)
    with Writer(path, version=9, storage_plugin=storage) as writer:
        for topic, (kind, qos, messages) in topics.items():
            connection = writer.add_connection(
                topic, kind, typestore=types, offered_qos_profiles=[bag_qos(qos)]
            )
            for stamp_ns, message in messages:
                writer.write(connection, stamp_ns, serialize_message(message))


def texts(count, period_ns=100_000_000, first_ns=5_000_000_000):
    return [(first_ns + i * period_ns, String(data=str(i))) for i in range(count)]


def test_recording_is_complete_and_ends_cleanly(node, start, tmp_path):
    image = Image(height=480, width=640, encoding='rgb8', step=1920)
    image.data = array.array('B', random.Random(1).randbytes(640 * 480 * 3))
    text = node.create_publisher(String, '/text', 10)
    latched = node.create_publisher(String, '/latched', LATCHED)
    images = node.create_publisher(Image, '/image', 10)
    sensor = node.create_publisher(String, '/sensor', BEST_EFFORT)
    node.create_publisher(String, '/other', 10)
    latched.publish(String(data='kept'))

    process = start(
        'record', '-o', tmp_path / 'bag', '/text', 'latched', '--topics', '/image', '/sensor'
    )
    publishers = (text, latched, images, sensor)
    node.spin_until(lambda: all(p.get_subscription_count() for p in publishers))
    before_ns = time.time_ns()
    for i in range(20):
        text.publish(String(data=str(i)))
        images.publish(image)
        sensor.publish(String(data='s'))
        time.sleep(0.05)
    assert all(p.wait_for_all_acked(Duration(seconds=10)) for p in (text, images, latched))
    status, message = end(process, signal.SIGINT)

    assert status == 0, message
    with Reader(tmp_path / 'bag') as reader:
        kinds = {c.topic: c for c in reader.connections}
        received = {topic: [] for topic in kinds}
        for connection, stamp_ns, data in reader.messages():
            received[connection.topic].append((stamp_ns, data))
    assert set(kinds) == {'/text', '/latched', '/image', '/sensor'}
    assert kinds['/image'].msgtype == 'sensor_msgs/msg/Image'
    hashes = get_typestore(Stores.ROS2_JAZZY).hash_rihs01('sensor_msgs/msg/Image')
    assert kinds['/image'].digest == hashes
    assert 'MSG: std_msgs/Header' in kinds['/image'].msgdef.data
    assert kinds['/sensor'].ext.offered_qos_profiles[0].reliability.name == 'BEST_EFFORT'
    assert received['/sensor']
    # A publisher may know of a subscription before that knows of the publisher.
    numbers = [int(deserialize_message(d, String).data) for _, d in received['/text']]
    assert numbers == list(range(20 - len(numbers), 20))
    assert len(numbers) > 10
    assert [deserialize_message(d, String).data for _, d in received['/latched']] == ['kept']
    assert len(received['/image']) > 10
    assert all(deserialize_message(d, Image) == image for _, d in received['/image'])
    assert all(before_ns < stamp_ns < time.time_ns() for stamp_ns, _ in received['/text'])


@pytest.mark.parametrize('storage', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_playing_keeps_content_time_and_qos(node, start, tmp_path, storage):
    write_bag(
        tmp_path / 'bag',
        {
            '/text': ('std_msgs/msg/String', QoSProfile(depth=10), texts(6)),
            '/sensor': ('std_msgs/msg/String', BEST_EFFORT, texts(1, first_ns=5_400_000_000)),
            '/latched': ('std_msgs/msg/String', LATCHED, texts(1)),
        },
        storage,
    )
    received = []
    node.create_subscription(
        String, '/renamed', lambda m: received.append((time.monotonic(), m.data)), 20
    )
    late = []
    process = start('play', tmp_path / 'bag', '--remap', '/text:=/renamed', '-r', '0.5', '-l')
    # Two whole rounds, as the first may begin before the subscription is known.
    node.spin_until(lambda: [data for _, data in received].count('5') >= 3)
    node.create_subscription(String, '/latched', lambda m: late.append(m.data), LATCHED)
    node.spin_until(lambda: late)
    profiles = {
        topic: node.get_publishers_info_by_topic(topic)[0].qos_profile
        for topic in ('/sensor', '/latched')
    }
    status, message = end(process, signal.SIGINT)

    assert status == 0, message
    assert profiles['/sensor'].reliability == ReliabilityPolicy.BEST_EFFORT
    assert profiles['/latched'].durability == DurabilityPolicy.TRANSIENT_LOCAL
    begin = [data for _, data in received].index('0')
    times_s, rounds = zip(*received[begin : begin + 6], strict=True)
    assert list(rounds) == [str(i) for i in range(6)]
    # The whole keeps the recorded time, however late a single one may come on a busy machine.
    assert times_s[-1] - times_s[0] == pytest.approx(1.0, abs=0.2)


def test_loop_topics_offset_and_clock(node, start, tmp_path):
    write_bag(
        tmp_path / 'bag',
        {
            '/text': ('std_msgs/msg/String', QoSProfile(depth=10), texts(6)),
            '/other': ('std_msgs/msg/String', QoSProfile(depth=10), texts(6)),
        },
    )
    received, stamps_s = [], []
    node.create_subscription(String, '/text', lambda m: received.append(m.data), 20)
    node.create_subscription(
        Clock, '/clock', lambda m: stamps_s.append(m.clock.sec + m.clock.nanosec * 1e-9), 20
    )
    process = start(
        'play',
        '-l',
        '--start-offset',
        '0.25',
        '--clock',
        '50',
        tmp_path / 'bag',
        '--topics',
        '/text',
    )
    node.spin_until(lambda: received.count('5') >= 2 and received[-1] == '5' and stamps_s)
    topics = dict(node.get_topic_names_and_types())
    status, message = end(process, signal.SIGINT)

    assert status == 0, message
    assert '/other' not in topics
    assert received[received.index('5') + 1 :][:3] == ['3', '4', '5']
    assert not {'0', '1', '2'} & set(received)
    assert min(stamps_s) >= 5.25
    assert max(stamps_s) <= 5.51


def test_unknown_type_is_warned_of_and_the_rest_played(node, start, tmp_path):
    write_bag(tmp_path / 'bag', {'/text': ('std_msgs/msg/String', QoSProfile(depth=1), texts(12))})
    metadata = tmp_path / 'bag' / 'metadata.yaml'
    text = metadata.read_text()
    begin = text.index('  - message_count', text.index('topics_with_message_count'))
    finish = text.index('  version:')
    entry = text[begin:finish]
    for number, kind in enumerate(('no_such_msgs/msg/A', 'std_msgs/msg/NoSuch', 'os/path')):
        other = entry.replace('std_msgs/msg/String', kind).replace('/text', f'/other{number}')
        text = text[:finish] + other + text[finish:]
    metadata.write_text(text)
    received = []
    node.create_subscription(String, '/text', lambda m: received.append(m.data), 20)

    process = start('play', tmp_path / 'bag', '--loop')
    node.spin_until(lambda: received and received[-1] == '11')
    status, message = end(process, signal.SIGINT)

    assert status == 0
    for number, kind in enumerate(('no_such_msgs', 'std_msgs/msg/NoSuch', 'os/path')):
        (line,) = [part for part in message.splitlines() if f'/other{number}' in part]
        assert kind in line


def test_playing_ends_by_itself(node, start, tmp_path):
    write_bag(tmp_path / 'bag', {'/text': ('std_msgs/msg/String', LATCHED, texts(3))})
    received = []
    node.create_subscription(String, '/text', lambda m: received.append(m.data), 20)

    process = start('play', tmp_path / 'bag', '--delay', '4')
    node.spin_until(lambda: received == ['0', '1', '2'])

    assert end(process)[0] == 0


def broken_bags(tmp_path):
    write_bag(tmp_path / 'bag', {'/text': ('std_msgs/msg/String', LATCHED, texts(3))})
    (file,) = (tmp_path / 'bag').glob('*.mcap')
    whole = file.read_bytes()
    yield 'missing', tmp_path / 'nothing'
    yield 'no bag', tmp_path
    for name, data in (
        ('truncated', whole[: len(whole) // 2]),
        ('empty', b''),
        ('nonsense', random.Random(2).randbytes(5000)),
        ('damaged', whole[:-300] + bytes(300)),
    ):
        file.write_bytes(data)
        yield name, tmp_path / 'bag'
    file.write_bytes(whole)
    (tmp_path / 'bag' / 'metadata.yaml').write_text('rosbag2_bagfile_information: [')
    yield 'metadata', tmp_path / 'bag'
    (tmp_path / 'bag' / 'metadata.yaml').write_text('a: b')
    yield 'no metadata', tmp_path / 'bag'


def test_broken_bag_is_an_error_that_names_it(node, start, tmp_path):
    for name, path in broken_bags(tmp_path):
        status, message = end(start('play', path))

        assert (name, status) == (name, 1)
        assert str(path) in message, name
        assert 'Traceback' not in message, message


@pytest.mark.parametrize(
    ('words', 'named'),
    [
        (['record'], '--all'),
        (['record', '-a', '-s', 'sqlite3'], 'sqlite3'),
        (['play', 'x', '--rate', '0'], 'positive'),
        (['play', 'x', '--start-paused'], '--start-paused'),
    ],
)
def test_wrong_command_line_is_an_error_that_names_it(start, words, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, message = end(start(*words))

    assert status == 1
    assert named in message
    assert os.listdir(tmp_path) == []


def test_recording_over_a_bag_is_refused(start, tmp_path):
    status, message = end(start('record', '-a', '-o', tmp_path))

    assert status == 1
    assert str(tmp_path) in message
