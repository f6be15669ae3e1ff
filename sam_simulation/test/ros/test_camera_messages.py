# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from sam_common.camera_model import CameraModel
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.ros import conversions as convert
from sam_simulation.scene.tabletop import Tabletop

HEADER = convert.make_header(12_000_000_034)


@pytest.fixture
def frame():
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = (200, 30, 60)
    image[:, 32:] = (20, 80, 220)
    labels = np.zeros((48, 64), np.uint16)
    labels[10:20, 5:30] = 1
    labels[40, 60] = 3
    depth = np.full((48, 64), 1.2344, np.float32)
    depth[0] = np.nan
    depth[1] = 70.0
    return RgbdFrame(
        image,
        depth,
        labels,
        CameraModel(fx=50.0, fy=51.0, cx=31.5, cy=23.5, size_wh=(64, 48)),
        np.eye(4),
    )


def pixels(msg, dtype):
    return np.frombuffer(msg.data, dtype).reshape(msg.height, msg.width, -1)


def test_header_has_the_stamp_and_the_optical_frame():
    assert (HEADER.stamp.sec, HEADER.stamp.nanosec) == (12, 34)
    assert HEADER.frame_id == 'camera_color_optical_frame'


def test_color_is_rgb8_as_rendered(frame):
    msg = convert.color_to_msg(frame, HEADER)
    assert (msg.encoding, msg.step, msg.header) == ('rgb8', 3 * 64, HEADER)
    np.testing.assert_array_equal(pixels(msg, np.uint8), frame.image_rgb)


def test_depth_is_in_millimetres_and_zero_without_a_reading(frame):
    msg = convert.depth_to_msg(frame, HEADER)
    depth = pixels(msg, np.uint16)[..., 0]
    assert (msg.encoding, msg.step) == ('16UC1', 2 * 64)
    assert (depth[0] == 0).all()  # NaN
    assert (depth[1] == 0).all()  # does not fit 16 bits
    assert (depth[2:] == 1234).all()


def test_jpeg_keeps_red_red_and_blue_blue(frame):
    msg = convert.color_to_compressed(frame, HEADER, jpeg_quality=95)
    assert msg.format == 'rgb8; jpeg compressed bgr8'
    bgr = cv2.imdecode(np.frombuffer(msg.data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_allclose(bgr[24, 8, ::-1], [200, 30, 60], atol=4)
    np.testing.assert_allclose(bgr[24, 56, ::-1], [20, 80, 220], atol=4)


def test_compressed_depth_is_twelve_bytes_and_a_png_of_the_raw_depth(frame):
    msg = convert.depth_to_compressed(frame, HEADER, png_level=3)
    assert msg.format == '16UC1; compressedDepth png'
    assert bytes(msg.data[:12]) == bytes(12)
    depth = cv2.imdecode(np.frombuffer(msg.data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    raw = pixels(convert.depth_to_msg(frame, HEADER), np.uint16)[..., 0]
    np.testing.assert_array_equal(depth, raw)


def test_camera_info_holds_the_intrinsics(frame):
    msg = convert.camera_info_to_msg(frame, HEADER)
    assert (msg.width, msg.height) == (64, 48)
    np.testing.assert_array_equal(
        np.reshape(msg.k, (3, 3)), [[50, 0, 31.5], [0, 51, 23.5], [0, 0, 1]]
    )
    np.testing.assert_array_equal(np.reshape(msg.p, (3, 4))[:, :3], np.reshape(msg.k, (3, 3)))


def test_truth_lists_what_is_seen_with_boxes_of_outer_edges(frame):
    scene = Tabletop(0, object_count=3)
    msg = convert.truth_to_msg(scene, frame, HEADER)
    assert msg.header == msg.label_image.header == HEADER
    np.testing.assert_array_equal(pixels(msg.label_image, np.uint16)[..., 0], frame.labels)
    assert [(o.id, o.label, o.area, o.state) for o in msg.objects] == [
        (1, scene.objects[0].class_name, 250, 0),
        (3, scene.objects[2].class_name, 1, 0),
    ]
    wide, dot = (obj.box for obj in msg.objects)
    assert (wide.center.position.x, wide.center.position.y) == (17, 14.5)
    assert (wide.size_x, wide.size_y) == (25, 10)
    assert (dot.center.position.x, dot.center.position.y, dot.size_x, dot.size_y) == (60, 40, 1, 1)
