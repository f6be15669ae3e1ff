# SPDX-License-Identifier: Apache-2.0
"""What the node makes of messages, and messages of what it plans; no DDS."""

import struct
import sys
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rvl_encoder import encode_rvl
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CompressedImage
from std_msgs.msg import Header
from tabletop_camera import BALL, BOX, DEPTH_M, IDS, depth_image, objects_message
from visualization_msgs.msg import Marker

from sam_common.errors import DepthError, ImageError
from sam_common.ros.compressed_depth import check_compressed_depth, depth_from_compressed
from sam_common.ros.conversions import array_to_image, matrix_from_pose
from sam_common.stamp_buffer import StampBuffer
from sam_grasping import Grasp, Gripper
from sam_grasping.core.errors import TargetError
from sam_grasping.ros import conversions as convert
from sam_grasping.ros.markers import markers_to_msg
from sam_grasping.ros.moveit import to_moveit
from sam_grasping.ros.objects_input import Objects
from sam_interfaces.msg import GraspArray, ObjectMask

HEADER = Header(frame_id='optical')


def grasp(xyz=(0, 0, 0.5), rotvec=(0, 0, 0), *, score=0.8):
    pose, back, up = np.eye(4), np.eye(4), np.eye(4)
    pose[:3, :3] = Rotation.from_rotvec(rotvec).as_matrix()
    pose[:3, 3] = xyz
    back[:3, 3] = 0, 0, -0.1
    up[:3, 3] = 0, -0.18, 0
    return Grasp(
        pose=pose, pre_grasp=pose @ back, lift=up @ pose, width_m=0.03, opening_m=0.05, score=score
    )


# Depth images


def test_depth_is_metres_in_either_encoding():
    metres = convert.depth_from_msg(depth_image(encoding='32FC1'))
    np.testing.assert_array_equal(metres, DEPTH_M)
    millimetres = convert.depth_from_msg(depth_image(encoding='16UC1'))
    np.testing.assert_allclose(millimetres, DEPTH_M, atol=0.00051)


def test_depth_of_the_other_byte_order_and_with_padded_rows_is_the_same():
    padded = np.zeros((240, 330), '>u2')
    padded[:, :320] = np.rint(1000 * np.nan_to_num(DEPTH_M))
    msg = array_to_image(padded.view(np.uint16), '16UC1', HEADER)
    msg.width, msg.is_bigendian = 320, 1
    np.testing.assert_allclose(convert.depth_from_msg(msg), DEPTH_M, atol=0.00051)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'encoding': 'rgb8'}, "'rgb8' cannot be used.*16UC1.*32FC1"),
        ({'step': 3}, 'step is 3'),
        ({'height': 1000}, 'send the whole image'),
        ({'width': 0}, 'give it a size'),
    ],
)
def test_a_depth_image_that_is_inconsistent_is_refused(change, words):
    msg = depth_image()
    for name, value in change.items():
        setattr(msg, name, value)
    with pytest.raises(DepthError, match=words):
        convert.depth_from_msg(msg)


def compressed(pixels, *, encoding='16UC1', header=(0, 0.0, 0.0), extension='.png'):
    data = cv2.imencode(extension, pixels)[1].tobytes()
    form = f'{encoding}; compressedDepth png'
    return CompressedImage(format=form, data=struct.pack('<iff', *header) + data)


def test_compressed_depth_is_the_same_depth():
    millimetres = np.rint(1000 * np.nan_to_num(DEPTH_M)).astype(np.uint16)
    found = depth_from_compressed(compressed(millimetres))
    np.testing.assert_allclose(found, DEPTH_M, atol=0.00051)


def test_compressed_float_depth_is_scaled_back_as_image_transport_scales_it():
    # compressed_depth_image_transport with its defaults: quantization 100, at most 10 m.
    a = 100 * 101.0
    b = 1 - a / 10.0
    quantized = np.nan_to_num(np.rint(a / DEPTH_M + b)).astype(np.uint16)
    found = depth_from_compressed(compressed(quantized, encoding='32FC1', header=(0, a, b)))
    np.testing.assert_allclose(found, DEPTH_M, rtol=0.001)
    assert np.isnan(depth_from_compressed(compressed(np.zeros((2, 2), np.uint16)))).all()


@pytest.mark.parametrize(
    ('msg', 'words'),
    [
        (CompressedImage(format='rgb8; jpeg compressed bgr8', data=bytes(99)), 'no depth image'),
        (CompressedImage(format='16UC1; jpeg compressed ', data=b'\xff\xd8\xff'), 'holds no PNG'),
        (CompressedImage(format='32FC1; png compressed ', data=bytes(99)), 'no depth image'),
        (CompressedImage(format='rgb8; png compressed bgr8', data=bytes(99)), 'no depth image'),
        (CompressedImage(format='jpeg', data=bytes(99)), 'no depth image'),
        (CompressedImage(format='16UC1; compressedDepth rvl', data=bytes(99)), '0 x 0 px'),
        (CompressedImage(format='16UC1; compressedDepth rvl', data=bytes(15)), 'cut off'),
        (CompressedImage(format='16UC1; compressedDepth png', data=bytes(99)), 'holds no PNG'),
        (CompressedImage(format='16UC1; compressedDepth png', data=b''), 'holds no PNG'),
        (compressed(np.zeros((4, 4, 3), np.uint8)), 'one channel of 16 bits'),
        (compressed(np.zeros((4, 4), np.uint16), encoding='mono8'), 'no depth image'),
        (compressed(np.ones((4, 4), np.uint16), encoding='32FC1', header=(0, np.nan, 0)), 'nan'),
    ],
)
def test_what_is_no_compressed_depth_is_refused(msg, words):
    with pytest.raises(DepthError, match=words):
        depth_from_compressed(msg)


def rvl(pixels, *, encoding='16UC1', header=(0, 0.0, 0.0), size_wh=None):
    width, height = size_wh or pixels.shape[::-1]
    start = struct.pack('<iffii', *header, width, height)
    form = f'{encoding}; compressedDepth rvl'
    return CompressedImage(format=form, data=start + encode_rvl(pixels))


def test_depth_in_rvl_is_the_same_depth():
    millimetres = np.rint(1000 * np.nan_to_num(DEPTH_M[::4, ::4])).astype(np.uint16)
    found = depth_from_compressed(rvl(millimetres))
    np.testing.assert_allclose(found, DEPTH_M[::4, ::4], atol=0.00051)
    assert check_compressed_depth(rvl(millimetres)) == (80, 60)
    a, b = 10100.0, -1009.0
    quantized = np.nan_to_num(np.rint(a / DEPTH_M[::4, ::4] + b)).astype(np.uint16)
    found = depth_from_compressed(rvl(quantized, encoding='32FC1', header=(0, a, b)))
    np.testing.assert_allclose(found, DEPTH_M[::4, ::4], rtol=0.001)


def test_rvl_of_a_size_that_no_sensor_has_is_refused_before_memory_is_taken():
    with pytest.raises(DepthError, match='2000000000 x 2000000000 px'):
        check_compressed_depth(rvl(np.ones((2, 2), np.uint16), size_wh=(2 * 10**9, 2 * 10**9)))


@pytest.mark.parametrize(
    'form', ['16UC1; png compressed ', 'mono16; png compressed mono16', 'png']
)
def test_depth_as_a_png_of_16_bits_is_the_same_depth(form):
    millimetres = np.rint(1000 * np.nan_to_num(DEPTH_M)).astype(np.uint16)
    data = cv2.imencode('.png', millimetres)[1].tobytes()
    msg = CompressedImage(format=form, data=data)
    np.testing.assert_allclose(depth_from_compressed(msg), DEPTH_M, atol=0.00051)
    assert check_compressed_depth(msg) == (320, 240)
    eight_bits = cv2.imencode('.png', (millimetres // 256).astype(np.uint8))[1].tobytes()
    with pytest.raises(DepthError, match='one channel of 16 bits'):
        depth_from_compressed(CompressedImage(format=form, data=eight_bits))


def test_a_png_cut_off_is_refused():
    whole = compressed(np.rint(1000 * np.nan_to_num(DEPTH_M)).astype(np.uint16))
    whole.data = whole.data[:60]
    with pytest.raises(DepthError):
        depth_from_compressed(whole)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(['16UC1', '32FC1', '']))
def test_any_bytes_as_compressed_depth_give_depth_or_an_error(data, encoding):
    png = b'\x89PNG\r\n\x1a\n' + data
    for body in (data, bytes(12) + png):
        msg = CompressedImage(format=f'{encoding}; compressedDepth png', data=body)
        with pytest.raises(DepthError):
            depth_from_compressed(msg)


# Cameras, masks, objects


def test_an_object_is_where_the_label_image_has_its_number():
    objects = Objects(0, objects_message(HEADER))
    np.testing.assert_array_equal(objects.masks(BOX)[0].mask, IDS == BOX)
    assert objects.visible_ids == [BOX, BALL]


@pytest.mark.parametrize(
    ('object_id', 'states', 'words'),
    [
        (9, {}, 'object 9 is not tracked; tracked are: 2, 3'),
        (BALL, {BALL: ObjectMask.OCCLUDED}, 'object 3 is occluded'),
        (BALL, {BALL: ObjectMask.LOST}, 'object 3 is lost'),
    ],
)
def test_an_object_that_is_not_seen_is_an_error(object_id, states, words):
    with pytest.raises(TargetError, match=words):
        Objects(0, objects_message(HEADER, states=states)).masks(object_id)


def test_a_label_image_of_another_encoding_is_an_error():
    message = objects_message(HEADER)
    message.label_image.encoding = 'mono8'
    with pytest.raises(ImageError, match='mono8'):
        Objects(0, message).masks(BOX)


# Stamps


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20), st.integers(0, 50))
def test_the_nearest_stamp_is_found_if_it_is_near_enough(stamps, wanted):
    buffer = StampBuffer(10)
    for number, stamp in enumerate(stamps):
        buffer.add(SimpleNamespace(stamp_ns=stamp, number=number))
    # Not always ten: what was before the stamps went back and stayed back is forgotten.
    kept = [item.stamp_ns for item in buffer.newest_first()]
    assert kept[::-1] == stamps[-len(kept) :]
    nearest = min(abs(stamp - wanted) for stamp in kept)
    assert abs(buffer.near(wanted, nearest).stamp_ns - wanted) == nearest
    assert nearest == 0 or buffer.near(wanted, nearest - 1) is None
    # Of several with one stamp the newest: a stream that is played again has sent both.
    last = max(i for i, stamp in enumerate(stamps) if stamp == buffer.newest().stamp_ns)
    assert buffer.near(buffer.newest().stamp_ns).number == last


def test_when_the_stamps_stay_back_what_came_before_is_forgotten():
    buffer = StampBuffer(20)
    for stamp in (90, 91, 92, 5, 93, 94, 10**18, 95, 96):
        buffer.add(SimpleNamespace(stamp_ns=stamp * 33_000_000))
    # One odd stamp proves nothing: the depth of 97 is still to come, that of 94.5 is not.
    assert len(buffer) == 9
    assert not buffer.is_past(97 * 33_000_000)
    assert buffer.is_past(94 * 33_000_000 + 1)
    for stamp in (1, 2, 3, 4):
        buffer.add(SimpleNamespace(stamp_ns=stamp * 33_000_000))
        assert not buffer.is_past(5 * 33_000_000)
    buffer.add(SimpleNamespace(stamp_ns=5 * 33_000_000))
    assert [item.stamp_ns // 33_000_000 for item in buffer.newest_first()] == [5, 4, 3, 2, 1]


# Grasps, points, markers


PLACES = st.tuples(*[st.floats(-2, 2)] * 3)


@settings(max_examples=50, deadline=None)
@given(PLACES, st.tuples(*[st.floats(-3, 3)] * 3))
def test_poses_are_unit_quaternions_and_keep_their_place(xyz, rotvec):
    original = grasp(xyz, rotvec)
    [msg] = convert.grasps_to_msg([original], 7)
    q = msg.pose.orientation
    assert np.hypot(np.hypot(q.x, q.y), np.hypot(q.z, q.w)) == pytest.approx(1, abs=1e-9)
    for name in ('pose', 'pre_grasp', 'lift'):
        matrix = matrix_from_pose(getattr(msg, name))
        np.testing.assert_allclose(matrix, getattr(original, name), atol=1e-9)
    assert (msg.object_id, msg.width, msg.opening, msg.score) == pytest.approx(
        (7, 0.03, 0.05, 0.8)
    )


def test_points_come_out_as_they_went_in():
    points = np.random.default_rng(1).normal(size=(50, 3))
    msg = convert.points_to_msg([(3, points), (4, points[:10])], HEADER)
    assert (msg.width, msg.height, msg.row_step) == (60, 1, len(msg.data))
    assert [field.name for field in msg.fields] == ['x', 'y', 'z', 'object_id']
    cloud = np.frombuffer(msg.data, convert.POINT)
    np.testing.assert_allclose(cloud['y'][:50], points[:, 1].astype(np.float32))
    assert set(cloud['object_id'][50:]) == {4}
    assert convert.points_to_msg([], HEADER).width == 0


def test_markers_draw_the_gripper_open_as_it_will_be_and_clear_what_was_before():
    gripper = Gripper()
    good, bad = grasp(score=1.0), grasp(rotvec=(0, 0, 1), score=0.0)
    first, *boxes = markers_to_msg([(5, (good, bad))], gripper, HEADER).markers
    assert first.action == Marker.DELETEALL
    assert len(boxes) == 6
    assert {(box.ns, box.type) for box in boxes} == {('object_5', Marker.CUBE)}
    assert len({box.id for box in boxes}) == 6
    left, right, _ = boxes[:3]
    # The inner faces of the fingers are apart by the opening.
    inner = abs(left.pose.position.y - right.pose.position.y) - left.scale.y
    assert inner == pytest.approx(good.opening_m)
    assert left.pose.position.z == pytest.approx(0.5 - gripper.finger_length_m / 2)
    assert (boxes[0].color.r, boxes[0].color.g) == (0, 1)
    assert (boxes[3].color.r, boxes[3].color.g) == (1, 0)
    assert len(markers_to_msg([], gripper, HEADER).markers) == 1


@pytest.fixture
def moveit(monkeypatch):
    """Stand-ins for the messages of MoveIt, which is not installed here."""
    for package, names in (
        ('moveit_msgs', ('Grasp', 'GripperTranslation')),
        ('trajectory_msgs', ('JointTrajectory', 'JointTrajectoryPoint')),
    ):
        module = ModuleType(f'{package}.msg')
        for name in names:
            setattr(module, name, SimpleNamespace)
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
        monkeypatch.setitem(sys.modules, f'{package}.msg', module)


def test_grasps_become_those_of_moveit(moveit):
    original = grasp((0.1, 0.2, 0.5), (0, 0.3, 0))
    array = GraspArray(header=HEADER, grasps=convert.grasps_to_msg([original], 4))
    tf_tool_link = np.eye(4)
    tf_tool_link[2, 3] = -0.1034
    [found] = to_moveit(array, finger_joints=['left', 'right'], tf_tool_link=tf_tool_link)
    assert found.id == 'object_4_0'
    assert found.grasp_pose.header.frame_id == 'optical'
    link = matrix_from_pose(found.grasp_pose.pose)
    np.testing.assert_allclose(link, original.pose @ tf_tool_link, atol=1e-9)
    assert found.grasp_quality == pytest.approx(0.8)
    approach = found.pre_grasp_approach
    v = approach.direction.vector
    np.testing.assert_allclose([v.x, v.y, v.z], original.pose[:3, 2], atol=1e-6)
    assert approach.desired_distance == pytest.approx(0.1)
    assert found.post_grasp_retreat.direction.vector.y == pytest.approx(-1)
    assert found.pre_grasp_posture.joint_names == ['left', 'right']
    assert found.pre_grasp_posture.points[0].positions == pytest.approx([0.025, 0.025])
    assert found.grasp_posture.points[0].positions == pytest.approx([0.015, 0.015])
