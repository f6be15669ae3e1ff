# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent, the node answers with a reason or with finite grasps, and lives on.

`GRASP_FUZZ=100000 pytest sam_grasping/test/ros/test_grasp_fuzz.py` for a long run.
"""

import os

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from drawing import click
from geometry_msgs.msg import PoseArray
from hostile_messages import ROUNDS as ROUNDS_OF_TOPICS
from hostile_messages import attack
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image, PointCloud2
from std_msgs.msg import Header
from tabletop_camera import (
    BOX,
    DEPTH_M,
    IDS,
    NODE,
    TabletopCamera,
    camera_info,
    depth_image,
    mask_image,
    numbers,
    objects_message,
)
from visualization_msgs.msg import MarkerArray

from sam_common.ros.conversions import box_to_msg
from sam_grasping.ros.conversions import POINT
from sam_grasping.ros.grasp_node import GraspNode
from sam_interfaces.msg import GraspArray, Prompt

ROUNDS = int(os.environ.get('GRASP_FUZZ', '300'))
ODD_NUMBERS = (0.0, -1.0, 1.0, 1e-30, 1e30, np.nan, np.inf, -np.inf, 310.0)


def odd_image(rng, msg):
    """Return an image as it is, or spoiled in one of its fields."""
    kind = rng.integers(15)
    if kind == 0:
        msg.encoding = str(rng.choice(['rgb8', '', 'mono16', '16UC1', '32FC1', 'x' * 50, 'mono8']))
    elif kind == 1:
        msg.step = int(rng.integers(0, 2**32))
    elif kind == 2:
        msg.width, msg.height = (int(n) for n in rng.choice([0, 1, 320, 2**31], 2))
    elif kind == 3:
        msg.data = msg.data[: int(rng.integers(0, len(msg.data) + 1))]
    elif kind == 4:
        msg.is_bigendian = 1
    return msg


def odd_depth(rng):
    """Return depth [m] with holes, noise, nonsense."""
    depth_m = DEPTH_M.copy()
    kind = rng.integers(12)
    if kind == 0:
        depth_m[rng.random(depth_m.shape) < rng.random()] = rng.choice(ODD_NUMBERS)
    elif kind == 1:
        depth_m[...] = rng.choice(ODD_NUMBERS)
    elif kind == 2:
        depth_m *= rng.choice([1e-3, 0.1, 10, 1000])
    elif kind == 3:
        depth_m = rng.random(depth_m.shape, np.float32) * 3
    elif kind == 4:
        depth_m[IDS == BOX] = rng.choice(ODD_NUMBERS)
    return depth_m


def odd_mask(rng):
    mask = rng.integers(0, 5) == IDS
    kind = rng.integers(5)
    if kind == 0:
        mask = rng.random(IDS.shape) < rng.random() ** 3
    elif kind == 1:
        mask = np.zeros(tuple(rng.integers(1, 400, 2)), bool)
    elif kind == 2:
        mask[rng.random(IDS.shape) < rng.random()] = False
    return mask


def odd_info(rng):
    fields = {}
    if rng.random() < 0.5:
        k = np.array(camera_info().k)
        k[rng.integers(9)] = rng.choice(ODD_NUMBERS)
        fields['k'] = k.tolist()
    if rng.random() < 0.3:
        fields['d'] = rng.choice(ODD_NUMBERS, int(rng.integers(0, 15))).tolist()
        names = ['plumb_bob', 'rational_polynomial', 'equidistant', 'x', '']
        fields['distortion_model'] = str(rng.choice(names))
    if rng.random() < 0.2:
        fields['width'] = int(rng.integers(0, 2**32))
    return camera_info(**fields)


def odd_objects(rng, header):
    labels = np.where(rng.random(IDS.shape) < 0.1, rng.integers(0, 9), IDS)
    states = {int(i): int(rng.integers(0, 256)) for i in rng.integers(0, 6, 3)}
    msg = objects_message(header, tuple(int(i) for i in rng.integers(0, 6, 3)), labels=labels,
                          states=states)  # fmt: skip
    msg.label_image = odd_image(rng, msg.label_image)
    return msg


def odd_stamp(rng):
    kind = rng.integers(4)
    if kind == 0:
        return Time(sec=int(rng.integers(-(2**31), 2**31)), nanosec=int(rng.integers(2**32)))
    return Time(sec=int(rng.integers(0, 5)))


def odd_request(rng):
    fields = {}
    while not fields:
        if rng.random() < 0.3:
            fields['object_id'] = int(rng.choice([1, 2, 3, 4, 65536, 2**32 - 1]))
        if rng.random() < 0.6:
            stamp = odd_stamp(rng) if rng.random() < 0.4 else None
            fields['mask'] = odd_image(rng, mask_image(odd_mask(rng), stamp))
        if rng.random() < 0.05:
            fields['prompt'] = Prompt(
                points=click(*rng.choice(ODD_NUMBERS, 2)).points,
                labels=rng.integers(0, 256, int(rng.integers(3))).tolist(),
                box=box_to_msg(tuple(rng.choice(ODD_NUMBERS, 4))),
            )
        if rng.random() < 0.05:
            return {}
    if rng.random() < 0.3:
        fields['stamp'] = odd_stamp(rng)
    if rng.random() < 0.3:
        fields['max_grasps'] = int(rng.choice([1, 5, 2**32 - 1]))
    return fields


@pytest.fixture(scope='module')
def camera(module_ros, tmp_path_factory):
    """A node that does what it can, and all that it publishes and logs."""
    log = tmp_path_factory.mktemp('fuzz') / 'log'
    with log.open('w') as stderr:
        module_ros.start_node(
            NODE, stderr=stderr, depth_timeout_s=0.0, tf_timeout_s=0.0, continuous=True
        )
    camera = TabletopCamera(module_ros)
    camera.log = log
    camera.heard = [
        module_ros.listen(kind, f'/sam_grasping/{topic}')
        for kind, topic in (
            (GraspArray, 'grasps'),
            (PoseArray, 'grasp_poses'),
            (MarkerArray, 'markers'),
            (PointCloud2, 'object_points'),
        )
    ]
    return camera


def publish_something(rng, camera):
    header = Header(stamp=odd_stamp(rng), frame_id=str(rng.choice(['optical', '', '/x'])))
    depth_m = odd_depth(rng)
    encoding = str(rng.choice(['32FC1', '16UC1']))
    with np.errstate(all='ignore'):
        depth = odd_image(rng, depth_image(depth_m, header, encoding=encoding))
    camera.depth.publish(depth)
    if rng.random() < 0.5:
        camera.info.publish(odd_info(rng) if rng.random() < 0.2 else camera_info())
    if rng.random() < 0.3:
        camera.objects.publish(odd_objects(rng, header))


def test_whatever_is_sent_the_node_answers_and_lives_on(camera):
    answers = []
    for seed in range(ROUNDS):
        rng = np.random.default_rng(seed)
        publish_something(rng, camera)
        answer = camera.ask(**odd_request(rng))  # which asserts that all is finite
        assert answer.message, seed
        assert answer.success == bool(answer.grasps.grasps), (seed, answer)
        assert 'internal error' not in answer.message, (seed, answer.message)
        assert 'internal error' not in camera.log.read_text(), seed
        answers.append(answer)
        for messages in camera.heard:
            for message in messages:
                check_finite(message)
            messages.clear()
    # It has not just refused everything, nor one thing over and over.
    assert sum(answer.success for answer in answers) > ROUNDS / 30
    assert len({answer.message[:25] for answer in answers}) > 8
    camera.sent = 1000
    camera.send()
    assert camera.ask(mask=mask_image(IDS == BOX)).success


def check_finite(message):
    if isinstance(message, PointCloud2):
        cloud = np.frombuffer(message.data, POINT)
        assert all(np.isfinite(cloud[axis]).all() for axis in 'xyz')
    else:
        assert np.isfinite(numbers(message)).all()


def test_an_image_that_says_it_is_huge_is_refused_at_once(camera):
    camera.sent = 2000
    camera.send()
    huge = Image(width=2**31, height=2**31, step=2**32 - 1, encoding='mono8')
    assert 'at most 100,000,000 pixels are accepted' in camera.ask(mask=huge).message


def test_nonsense_on_every_topic_leaves_the_node_alive(ros):
    rclpy.init(args=[], domain_id=ros.domain)
    node = GraspNode()
    try:
        node.start()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        header = Header(frame_id='optical')
        good = {
            '/sam_grasping/depth': depth_image(header=header),
            '/sam_grasping/camera_info': camera_info(header=header),
            '/sam_grasping/objects': objects_message(header),
        }
        turn = lambda _: executor.spin_once(timeout_sec=0)  # noqa: E731
        sent = attack(node, ROUNDS_OF_TOPICS, between=turn, good=good)
        topics = {'depth', 'camera_info', 'objects'}
        assert {f'/sam_grasping/{topic}' for topic in topics} | {'/tf'} <= set(sent)
        assert node.state == 'active'
        node.destroy_node()
    finally:
        node.close()
        rclpy.try_shutdown()
