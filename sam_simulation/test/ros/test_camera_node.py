# SPDX-License-Identifier: Apache-2.0
"""The camera as a process of its own, over DDS."""

import signal
import subprocess
import sys
from collections import defaultdict

import cv2
import numpy as np
import pytest
import rclpy
import tf2_ros
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from sam_interfaces.msg import ObjectMaskArray
from sam_simulation.physics.evaluator import GraspEvaluator
from sam_simulation.ros.camera_node import CameraNode
from sam_simulation.scene.tabletop import Tabletop

TOPICS = {
    '/camera/color/camera_info': CameraInfo,
    '/camera/aligned_depth_to_color/camera_info': CameraInfo,
    '/camera/color/image_raw': Image,
    '/camera/aligned_depth_to_color/image_raw': Image,
    '/camera/color/image_raw/compressed': CompressedImage,
    '/camera/aligned_depth_to_color/image_raw/compressedDepth': CompressedImage,
    '/camera/ground_truth': ObjectMaskArray,
}
NODE = 'sam_simulation.ros.camera_node'


def pixels(msg, dtype):
    return np.frombuffer(msg.data, dtype).reshape(msg.height, msg.width, -1).squeeze()


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_all_topics_tell_of_one_frame_under_one_header(ros):
    by_stamp = defaultdict(dict)

    def keep(topic, msg):
        by_stamp[msg.header.stamp.sec, msg.header.stamp.nanosec][topic] = msg

    for topic, kind in TOPICS.items():
        ros.node.create_subscription(
            kind, topic, lambda msg, topic=topic: keep(topic, msg), qos_profile_sensor_data
        )
    camera = ros.start_node(NODE, width=160, height=120, rate_hz=5.0, seed=5)
    got = ros.until(
        lambda: next((found for found in by_stamp.values() if len(found) == len(TOPICS)), None),
        'a frame on all topics',
    )
    camera.send_signal(signal.SIGINT)
    assert camera.wait(10) == 0
    assert {msg.header.frame_id for msg in got.values()} == {'camera_color_optical_frame'}
    color = pixels(got['/camera/color/image_raw'], np.uint8)
    depth = pixels(got['/camera/aligned_depth_to_color/image_raw'], np.uint16)
    assert color.shape == (120, 160, 3)
    jpeg = decoded(got['/camera/color/image_raw/compressed'].data)[..., ::-1]
    assert np.abs(jpeg.astype(float) - color).mean() < 6
    png = decoded(got['/camera/aligned_depth_to_color/image_raw/compressedDepth'].data[12:])
    np.testing.assert_array_equal(png, depth)
    assert 200 < np.median(depth) < 2000
    truth = got['/camera/ground_truth']
    labels = pixels(truth.label_image, np.uint16)
    assert set(np.unique(labels)) - {0} == {obj.id for obj in truth.objects}
    info = got['/camera/color/camera_info']
    assert (info.width, info.height, info.k[2], info.k[5]) == (160, 120, 79.5, 59.5)


def test_things_move_in_a_video_before_a_camera_that_stands(ros):
    truths = ros.listen(ObjectMaskArray, '/camera/ground_truth', qos_profile_sensor_data)
    camera = ros.start_node(
        NODE, width=160, height=120, rate_hz=5.0, seed=1, video=True, moving=False
    )
    ros.until(
        lambda: truths and not np.array_equal(label_image(truths[0]), label_image(truths[-1])),
        'something to move',
    )
    camera.send_signal(signal.SIGINT)
    assert camera.wait(10) == 0


def test_where_the_camera_is_in_the_world_is_on_tf_with_each_frame(ros):
    infos = ros.listen(CameraInfo, '/camera/color/camera_info', qos_profile_sensor_data)
    buffer = tf2_ros.Buffer()
    tf2_ros.TransformListener(buffer, ros.node)
    ros.start_node(NODE, width=160, height=120, rate_hz=10.0, seed=5)
    ros.until(lambda: len(infos) > 3, 'some frames')
    stamp = Time.from_msg(infos[2].header.stamp)
    frame = infos[2].header.frame_id
    ros.until(lambda: buffer.can_transform('world', frame, stamp), 'the transform of a frame')
    place = buffer.lookup_transform('world', frame, stamp).transform.translation
    # It looks at the middle of the table, from above and beside.
    centre = buffer.lookup_transform(frame, 'world', stamp).transform.translation
    assert place.z > 0.2
    assert abs(centre.x) < 0.2 * centre.z
    assert abs(centre.y) < 0.3 * centre.z


@pytest.mark.parametrize('rest', ['true', 'false'])
def test_things_may_be_shown_where_they_come_to_rest(ros, rest):
    rclpy.init(args=['--ros-args', '-p', f'rest:={rest}', '-p', 'seed:=26'], domain_id=ros.domain)
    try:
        camera = CameraNode()
        motions = camera._showing.motions(1.0)
        camera.close()
        camera.destroy_node()
    finally:
        rclpy.try_shutdown()
    expected = GraspEvaluator(Tabletop(26)).motions if rest == 'true' else {}
    assert motions.keys() == expected.keys()
    assert all(np.array_equal(motions[i], expected[i]) for i in expected)


def label_image(truth):
    return pixels(truth.label_image, np.uint16)


@pytest.mark.parametrize(
    ('setting', 'message'),
    [
        ('width:=5', 'width'),
        ('rate_hz:="often"', 'rate_hz'),
        ('object_count:=99', 'object_count'),
        ('video:=true -p object_count:=3', 'object_count'),
        ('video:=true -p rest:=true', 'rest'),
    ],
)
def test_a_parameter_out_of_range_ends_the_node_with_its_name(ros, setting, message):
    camera = ros.start(
        sys.executable, '-m', NODE, '--ros-args', '-p', *setting.split(), stderr=subprocess.PIPE
    )
    _, errors = camera.communicate(timeout=30)
    assert camera.returncode == 1
    assert message in errors
    assert 'Traceback' not in errors


def test_a_frame_is_rendered_only_if_somebody_subscribed(ros, monkeypatch):
    def render(*_, **__):
        raise RuntimeError('rendered')

    rclpy.init(domain_id=ros.domain)
    try:
        camera = CameraNode()
        monkeypatch.setattr(camera._renderer, 'render', render)
        camera._publish_frame()
        ros.listen(CameraInfo, '/camera/color/camera_info', qos_profile_sensor_data)
        info = camera._outputs[0][0]
        ros.until(info.get_subscription_count, 'the subscription to be seen')
        with pytest.raises(RuntimeError, match='rendered'):
            camera._publish_frame()
        camera.close()
        camera.destroy_node()
    finally:
        rclpy.try_shutdown()
