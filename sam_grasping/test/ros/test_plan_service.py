# SPDX-License-Identifier: Apache-2.0
"""`~/plan` on a running node: by id and by mask, and what it answers when there is nothing."""

import re

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from geometry_msgs.msg import PoseArray
from sensor_msgs.msg import PointCloud2
from shapes_in_depth import Cylinder, Ground, placed, render
from std_msgs.msg import Header
from tabletop_camera import (
    BALL,
    BOX,
    CAMERA,
    DEPTH_M,
    FRAME,
    IDS,
    NODE,
    SHAPES,
    TF_WORLD_CAMERA,
    TabletopCamera,
    camera_info,
    depth_image,
    mask_image,
    objects_message,
)
from vision_msgs.msg import Point2D
from visualization_msgs.msg import MarkerArray

from sam_common.ros.conversions import matrix_from_pose
from sam_grasping.ros.conversions import POINT
from sam_interfaces.msg import GraspArray, ObjectMask, Prompt
from sam_interfaces.srv import PlanGrasps


@pytest.fixture(scope='module')
def camera(module_ros):
    """A node with the default planner before a camera over a box and a ball."""
    module_ros.start_node(NODE, depth_timeout_s=0.2)
    return TabletopCamera(module_ros)


def distance(shape, points_camera):
    """Return how far points of the camera's frame are from a shape's surface."""
    return shape.distance(points_camera @ TF_WORLD_CAMERA[:3, :3].T + TF_WORLD_CAMERA[:3, 3])


@pytest.mark.parametrize('object_id', [BOX, BALL])
def test_a_tracked_object_is_planned_for_by_its_id(camera, object_id):
    header = camera.send()
    camera.track(header)
    answer = camera.ask(object_id=object_id)
    assert answer.success, answer.message
    assert answer.grasps.header == header
    assert {grasp.object_id for grasp in answer.grasps.grasps} == {object_id}
    scores = [grasp.score for grasp in answer.grasps.grasps]
    assert scores == sorted(scores, reverse=True)
    # The fingers close about the object, and not about something else.
    [tip, shape] = [answer.grasps.grasps[0], SHAPES[object_id - 1]]
    origin = matrix_from_pose(tip.pose)[:3, 3]
    assert distance(shape, origin[None]) < 0.01
    assert 0 < tip.width <= tip.opening <= 0.08
    back = matrix_from_pose(tip.pose) @ [0, 0, -0.1, 1]
    np.testing.assert_allclose(matrix_from_pose(tip.pre_grasp)[:3, 3], back[:3], atol=1e-6)


def test_a_mask_is_planned_for_in_the_depth_image_of_its_own_time(camera):
    first = camera.send()
    camera.send(np.full_like(DEPTH_M, np.nan))
    answer = camera.ask(mask=mask_image(IDS == BOX, first.stamp))
    assert answer.success, answer.message
    assert answer.grasps.header == first
    # Its stamp in the request counts for more, and without any it is the newest image.
    answer = camera.ask(mask=mask_image(IDS == BOX), stamp=first.stamp)
    assert answer.success, answer.message
    answer = camera.ask(mask=mask_image(IDS == BOX))
    assert not answer.success
    assert 'no pixel of the depth image has a reading' in answer.message
    assert answer.grasps.header.stamp.sec == first.stamp.sec + 1


def test_a_mask_that_comes_before_its_depth_image_waits_for_it(camera):
    ros = camera.ros
    camera.set(depth_timeout_s=10.0)
    camera.send()
    header = camera.next_header()
    request = PlanGrasps.Request(mask=mask_image(IDS == BOX, header.stamp))
    waiting = ros.node.get_clock()
    begin = waiting.now()
    future = camera.client.call_async(request)
    # Others are answered meanwhile.
    assert not camera.ask().success
    assert not future.done()

    def answered():
        camera.depth.publish(depth_image(header=header))
        return future.done()

    ros.until(answered, 'the answer after the depth image')
    assert future.result().success, future.result().message
    assert future.result().grasps.header == header
    assert (waiting.now() - begin).nanoseconds < 8e9
    camera.set(depth_timeout_s=0.2)


def test_sixteen_bits_of_millimetres_do_as_well(camera):
    header = camera.send(encoding='16UC1')
    answer = camera.ask(mask=mask_image(IDS == BOX, header.stamp))
    assert answer.success, answer.message


def test_no_more_grasps_than_asked_for(camera):
    camera.send()
    few = camera.ask(mask=mask_image(IDS == BOX), max_grasps=3)
    assert len(few.grasps.grasps) == 3
    assert 'over_max_grasps' in few.message
    assert len(camera.ask(mask=mask_image(IDS == BOX)).grasps.grasps) > 3


def test_what_is_planned_on_request_is_published_too(camera):
    ros = camera.ros
    received = [
        ros.listen(kind, f'/sam_grasping/{name}')
        for kind, name in (
            (GraspArray, 'grasps'),
            (PoseArray, 'grasp_poses'),
            (PointCloud2, 'object_points'),
            (MarkerArray, 'markers'),
        )
    ]
    header = camera.send()

    def told():
        camera.ask(mask=mask_image(IDS == BOX))
        return all(received)

    ros.until(told, 'a message on each topic')
    answer = camera.ask(mask=mask_image(IDS == BOX))
    count = len(answer.grasps.grasps)
    # What came before may still be under way.
    ros.until(lambda: len({len(messages) for messages in received}) == 1, 'the last messages')
    grasps, poses, points, markers = (messages[-1] for messages in received)
    assert grasps == answer.grasps
    assert poses.header == points.header == header
    assert [grasp.pose for grasp in grasps.grasps] == poses.poses
    assert len(markers.markers) == 1 + 3 * count
    cloud = np.frombuffer(points.data, POINT)
    xyz = np.stack([cloud[axis] for axis in 'xyz'], axis=1)
    assert len(xyz) > 100
    assert np.abs(distance(SHAPES[BOX - 1], xyz)).max() < 0.003


def test_the_rejections_are_counted_also_where_nothing_is_left(camera):
    # Wider than the gripper opens, whichever way it comes.
    depth_m, ids = render(
        [Ground(), Cylinder(0.06, 0.1, pose=placed(z=0.05))], CAMERA, TF_WORLD_CAMERA
    )
    camera.send(depth_m)
    answer = camera.ask(mask=mask_image(ids == 2))
    assert not answer.success
    assert 'no grasp was found; candidates rejected:' in answer.message
    causes = {rejection.cause: rejection.count for rejection in answer.grasps.rejections}
    assert all(causes.values())
    assert 'too_wide' in causes
    assert answer.grasps.header.frame_id == FRAME


def holed(mask_value):
    depth_m = DEPTH_M.copy()
    depth_m[IDS == BOX] = mask_value
    return depth_m


def some_pixels(count):
    mask = np.zeros(IDS.shape, bool)
    rows, columns = np.nonzero(IDS == BOX)
    middle = len(rows) // 2
    mask[rows[middle : middle + count], columns[middle : middle + count]] = True
    return mask


def just_box():
    """Return the box without a table."""
    return np.where(IDS == BOX, DEPTH_M, np.nan).astype(np.float32)


@pytest.mark.parametrize(
    ('depth_m', 'mask', 'words'),
    [
        (DEPTH_M, np.zeros(IDS.shape, bool), 'the mask is empty'),
        (DEPTH_M, some_pixels(20), r'\b20 pixels of the mask|of the 20 pixels'),
        (DEPTH_M, (IDS == BOX)[:120], 'the mask is 320x120, the depth image 320x240'),
        (np.full_like(DEPTH_M, np.nan), IDS == BOX, 'no pixel of the depth image has a reading'),
        (np.zeros_like(DEPTH_M), IDS == BOX, 'no pixel of the depth image has a reading'),
        (holed(np.nan), IDS == BOX, 'transparent'),
        (holed(np.inf), IDS == BOX, 'transparent'),
        (just_box(), IDS == BOX, r'table|plane'),
        (1000 * DEPTH_M, IDS == BOX, 'unit of its encoding'),
        (10 * DEPTH_M, IDS == BOX, 'm away; if it is not, the unit is wrong'),
    ],
    ids=[
        'empty', 'tiny', 'size', 'all_nan', 'all_zero', 'hole', 'infinite', 'no_table',
        'millimetres', 'tenths_of_millimetres',
    ],
)  # fmt: skip
def test_what_cannot_be_planned_with_is_answered_with_the_cause(camera, depth_m, mask, words):
    camera.send(depth_m)
    answer = camera.ask(mask=mask_image(mask))
    assert not answer.success
    assert re.search(words, answer.message), answer.message
    assert not answer.grasps.grasps


@pytest.mark.parametrize(
    ('info', 'words'),
    [
        ({'k': [0.0] * 9}, 'focal length'),
        ({'k': [np.nan, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]}, 'focal length'),
        ({'width': 640, 'height': 400}, 'is 320x240 px, but its camera_info says 640x400'),
        ({'width': 0}, 'the full image is 0x240 px'),
        ({'distortion_model': 'fisheye', 'd': [0.1]}, 'fisheye'),
        ({'distortion_model': 'plumb_bob', 'd': [np.inf] * 5}, 'finite'),
    ],
    ids=['no_focal_length', 'nan', 'size', 'no_size', 'unknown_model', 'infinite'],
)  # fmt: skip
def test_a_calibration_that_cannot_be_used_is_answered_with_the_cause(camera, info, words):
    camera.send(info=camera_info(**info))
    answer = camera.ask(mask=mask_image(IDS == BOX))
    assert not answer.success
    assert words in answer.message
    camera.send()
    assert camera.ask(mask=mask_image(IDS == BOX)).success


def test_the_request_must_name_one_object(camera):
    camera.send()
    both = camera.ask(object_id=2, mask=mask_image(IDS == BOX))
    assert 'the request names object_id and mask; give exactly one of object_id, mas' in (
        both.message
    )
    assert 'the request names nothing' in camera.ask().message
    prompt = Prompt(points=[Point2D(x=1.0, y=1.0)], labels=[1])
    three = camera.ask(object_id=2, mask=mask_image(IDS == BOX), prompt=prompt)
    assert 'object_id and mask and prompt' in three.message


def test_a_mask_of_another_encoding_is_refused(camera):
    camera.send()
    bad = mask_image(IDS == BOX)
    bad.encoding = 'rgb8'
    assert "encoding 'rgb8' cannot be used" in camera.ask(mask=bad).message
    bad = mask_image(IDS == BOX)
    bad.data = bad.data[:100]
    assert 'send the whole image' in camera.ask(mask=bad).message


def test_an_object_that_is_not_seen_is_told_of(camera):
    header = camera.send()
    camera.track(header, states={BALL: ObjectMask.OCCLUDED})
    assert 'object 9 is not tracked; tracked are: 2, 3' in camera.ask(object_id=9).message
    assert 'object 3 is occluded' in camera.ask(object_id=BALL).message
    assert camera.ask(object_id=BOX).success


def test_by_id_the_newest_depth_image_with_objects_counts(camera):
    header = camera.send()
    camera.track(header)
    later = camera.send(np.full_like(DEPTH_M, np.nan))
    answer = camera.ask(object_id=BOX)
    assert answer.success, answer.message
    assert answer.grasps.header == header
    # For a time, it is the objects of that time.
    answer = camera.ask(object_id=BOX, stamp=later.stamp)
    assert f'no objects of stamp {later.stamp.sec}.000000000 are buffered' in answer.message


def test_a_time_of_which_there_is_no_depth_image_is_told_of(camera):
    camera.send()
    for stamp in (Time(nanosec=7), Time(sec=99999), Time(sec=-3)):
        message = camera.ask(mask=mask_image(IDS == BOX, stamp)).message
        assert 'no depth image of stamp' in message
        assert 'raise depth_buffer_size' in message
    message = camera.ask(object_id=BOX, stamp=Time(sec=99999)).message
    assert 'no objects of stamp' in message


def test_stamps_may_differ_by_the_tolerance(camera):
    camera.set(stamp_tolerance_s=0.02)
    header = camera.send()
    near, far = (Time(sec=header.stamp.sec, nanosec=ns) for ns in (19_000_000, 21_000_000))
    assert camera.ask(mask=mask_image(IDS == BOX, near)).success
    assert 'no depth image' in camera.ask(mask=mask_image(IDS == BOX, far)).message
    camera.track(Header(stamp=near, frame_id=FRAME))
    answer = camera.ask(object_id=BOX)
    assert answer.success, answer.message
    assert answer.grasps.header == header
    camera.set(stamp_tolerance_s=0.0)


def test_before_anything_has_arrived_each_answer_says_what_is_missing(ros):
    ros.start_node(NODE, depth_timeout_s=0.1)
    camera = TabletopCamera(ros)
    assert 'no depth image has arrived on /sam_grasping/depth' in (
        camera.ask(mask=mask_image(IDS == BOX)).message
    )
    assert 'no message has arrived on /sam_grasping/objects' in camera.ask(object_id=1).message
    prompt = Prompt(points=[Point2D(x=1.0, y=1.0)], labels=[1])
    assert 'the service /sam_grasping/segment, which nobody offers' in (
        camera.ask(prompt=prompt).message
    )
    header = camera.next_header()

    def without_camera_info():
        camera.depth.publish(depth_image(header=header))
        return 'no camera_info has arrived' in camera.ask(mask=mask_image(IDS == BOX)).message

    ros.until(without_camera_info, 'the missing camera_info to be told of')
    # An encoding of colours instead of depth.
    message = depth_image(header=camera.next_header())
    message.encoding = 'bgr8'
    probe = mask_image(IDS == BOX, message.header.stamp)

    def refused():
        camera.depth.publish(message)
        return "encoding 'bgr8' cannot be used" in camera.ask(mask=probe).message

    ros.until(refused, 'the encoding to be told of')
    camera.objects.publish(objects_message(header))
    camera.send()
    assert camera.ask(mask=mask_image(IDS == BOX)).success
