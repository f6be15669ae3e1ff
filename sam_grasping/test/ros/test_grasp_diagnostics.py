# SPDX-License-Identifier: Apache-2.0
"""/diagnostics say why no grasps come out."""

import cv2
import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from running_node import diagnosis
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from tabletop_camera import (
    BOX,
    DEPTH_M,
    FRAME,
    IDS,
    NODE,
    TF_WORLD_CAMERA,
    TabletopCamera,
    camera_info,
    depth_image,
    mask_image,
    objects_message,
)

from sam_common.ros.conversions import matrix_from_pose


@pytest.fixture(scope='module')
def camera(module_ros):
    module_ros.start_node(NODE, depth_timeout_s=0.0, depth_buffer_size=3)
    camera = TabletopCamera(module_ros)
    camera.send()
    return camera


def stream(camera, *, info=None, encoding=None, objects=None):
    """Return what publishes one image with all that belongs to it, or with what is asked for."""

    def publish():
        header = camera.next_header()
        camera.info.publish(info or camera_info(header=header))
        message = depth_image(header=header)
        message.encoding = encoding or message.encoding
        camera.depth.publish(message)
        if objects:
            camera.objects.publish(objects(header))

    return publish


def test_first_of_all_that_nothing_is_published(ros):
    ros.start_node(NODE)
    diagnosis(
        ros, 'no publisher on /sam_grasping/depth; remap it to the camera', DiagnosticStatus.WARN
    )
    depth = ros.node.create_publisher(Image, '/sam_grasping/depth', 1)
    diagnosis(ros, 'no depth images on /sam_grasping/depth, though', DiagnosticStatus.WARN)
    send = lambda: depth.publish(depth_image())  # noqa: E731
    diagnosis(
        ros, 'no publisher on /sam_grasping/camera_info; remap it', DiagnosticStatus.WARN,
        meanwhile=send,
    )  # fmt: skip
    info = ros.node.create_publisher(CameraInfo, '/sam_grasping/camera_info', 1)
    diagnosis(
        ros, 'no camera_info on /sam_grasping/camera_info, though', DiagnosticStatus.WARN,
        meanwhile=send,
    )  # fmt: skip
    values = diagnosis(
        ros, 'ready', DiagnosticStatus.OK,
        meanwhile=lambda: (send(), info.publish(camera_info())),
    )  # fmt: skip
    assert values['depth encoding'] == '32FC1'
    assert values['depth size [px]'] == '320 x 240'
    assert float(values['depth rate [Hz]']) > 1
    assert values['planning time [ms]'] == 'none yet'


def test_a_publisher_whose_qos_keeps_it_away(ros):
    reliable = '/sam_grasping/depth'
    ros.start_node(NODE, **{f'qos_overrides.{reliable}.subscription.reliability': 'reliable'})
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    ros.node.create_publisher(Image, reliable, best_effort)
    remedy = f'qos_overrides.{reliable}.subscription.reliability:=best_effort'
    diagnosis(ros, remedy, DiagnosticStatus.ERROR)


def test_camera_info_that_was_published_once_before_the_node_started(ros):
    kept = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    info = ros.node.create_publisher(CameraInfo, '/sam_grasping/camera_info', kept)
    info.publish(camera_info())
    ros.start_node(NODE)
    depth = ros.node.create_publisher(Image, '/sam_grasping/depth', 1)
    send = lambda: depth.publish(depth_image())  # noqa: E731
    diagnosis(ros, 'ready', DiagnosticStatus.OK, meanwhile=send)


def test_an_encoding_that_is_none_of_depth(camera):
    diagnosis(
        camera.ros, "encoding 'rgb8' cannot be used", DiagnosticStatus.ERROR,
        meanwhile=stream(camera, encoding='rgb8'),
    )  # fmt: skip
    diagnosis(camera.ros, 'ready', meanwhile=stream(camera))


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'k': [0.0] * 9}, 'focal length'),
        (
            {'width': 640, 'height': 400},
            '/sam_grasping/camera_info does not fit /sam_grasping/depth: the image is 320x240 px, '
            'but its camera_info says 640x400',
        ),
    ],
)
def test_a_calibration_that_cannot_be_used(camera, fields, words):
    diagnosis(
        camera.ros, words, DiagnosticStatus.ERROR,
        meanwhile=stream(camera, info=camera_info(**fields)),
    )  # fmt: skip


def test_masks_of_another_size_than_depth(camera):
    diagnosis(
        camera.ros, 'are 160 x 120 px, the depth images on', DiagnosticStatus.ERROR,
        meanwhile=stream(camera, objects=lambda h: objects_message(h, labels=IDS[::2, ::2])),
    )  # fmt: skip


def test_masks_and_depth_that_are_too_far_apart_in_time(camera):
    def shifted(header):
        stamp = Time(sec=header.stamp.sec, nanosec=33_000_000)
        return objects_message(Header(stamp=stamp, frame_id=FRAME))

    diagnosis(
        camera.ros, 'the newest masks are 0.033000 s from the nearest of 3 depth images',
        DiagnosticStatus.WARN, meanwhile=stream(camera, objects=shifted),
    )  # fmt: skip
    diagnosis(camera.ros, 'ready', meanwhile=stream(camera, objects=objects_message))


def test_what_the_last_plan_took_and_rejected(camera):
    header = camera.send()
    answer = camera.ask(mask=mask_image(IDS == BOX, header.stamp))
    values = diagnosis(camera.ros, 'ready', meanwhile=stream(camera))
    assert values['last plan'] == answer.message
    assert float(values['planning time [ms]']) > 1
    for rejection in answer.grasps.rejections:
        assert values[f'rejected: {rejection.cause}'] == str(rejection.count)


def test_compressed_depth_is_listened_to_and_told_of(ros):
    ros.start_node(NODE, depth_transport='compressedDepth', depth_timeout_s=0.1)
    camera = TabletopCamera(ros, kind=CompressedImage)

    def compressed(name):
        header = camera.next_header()
        pixels = np.frombuffer(depth_image(encoding='16UC1').data, np.uint16).reshape(IDS.shape)
        data = bytes(12) + cv2.imencode('.png', pixels)[1].tobytes()
        return CompressedImage(header=header, format=name, data=data)

    message = compressed('16UC1; compressedDepth png')
    header = camera.send(header=message.header, message=message)
    answer = camera.ask(mask=mask_image(IDS == BOX, header.stamp))
    assert answer.success, answer.message
    diagnosis(
        ros, "bytes) is no depth image that is read", DiagnosticStatus.ERROR,
        meanwhile=lambda: camera.depth.publish(compressed('jpeg')),
    )  # fmt: skip


def test_rectified_images_are_those_of_p_and_it_is_told(ros):
    ros.start_node(NODE, rectified='true', depth_transport='compressed', depth_timeout_s=0.0)
    camera = TabletopCamera(ros, kind=CompressedImage)
    millimetres = np.rint(1000 * np.nan_to_num(DEPTH_M)).astype(np.uint16)
    png = cv2.imencode('.png', millimetres)[1].tobytes()
    info = camera_info()
    k = info.k
    # As image_proc sends it: K and D are of the raw image.
    info.p = [k[0], 0.0, k[2], 0.0, 0.0, k[4], k[5], 0.0, 0.0, 0.0, 1.0, 0.0]
    info.k = [0.8 * k[0], 0.0, k[2] + 9, 0.0, 0.8 * k[4], k[5] - 7, 0.0, 0.0, 1.0]
    info.d, info.distortion_model = [-0.3, 0.1, 0.0, 0.0, 0.0], 'plumb_bob'
    depth = ros.node.create_publisher(CompressedImage, '/sam_grasping/depth/compressed', 1)

    def publish():
        header = camera.next_header()
        camera.info.publish(info)
        depth.publish(CompressedImage(header=header, format='16UC1; png compressed ', data=png))

    values = diagnosis(ros, 'ready', DiagnosticStatus.OK, meanwhile=publish)
    expected = (
        'P (rectified image); K and D would give another camera, see the parameter rectified'
    )
    assert values['calibration in use'] == expected
    answer = camera.ask(mask=mask_image(IDS == BOX))
    assert answer.success, answer.message
    best = matrix_from_pose(answer.grasps.grasps[0].pose)[:3, 3]
    box = TF_WORLD_CAMERA @ [*best, 1]
    np.testing.assert_allclose(box[:2], [-0.06, 0.0], atol=0.02)
