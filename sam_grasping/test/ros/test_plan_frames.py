# SPDX-License-Identifier: Apache-2.0
"""Grasps in the robot's frame, through TF, and what is told when TF does not know."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from std_msgs.msg import Header
from tabletop_camera import (
    BOX,
    DEPTH_M,
    FRAME,
    IDS,
    NODE,
    TF_WORLD_CAMERA,
    TabletopCamera,
    mask_image,
    transform,
)
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from sam_common.ros.conversions import matrix_from_pose
from sam_common.transforms import inverse
from sam_interfaces.srv import PlanGrasps

# The robot stands beside the table's middle, and is turned.
TF_BASE_WORLD = np.array(
    [[0.0, -1.0, 0.0, 0.3], [1.0, 0.0, 0.0, -0.2], [0.0, 0.0, 1.0, -0.1], [0.0, 0.0, 0.0, 1.0]]
)
TF_BASE_CAMERA = TF_BASE_WORLD @ TF_WORLD_CAMERA


class Robot(TabletopCamera):
    """A camera on a robot that tells where its frames are."""

    def __init__(self, ros):
        super().__init__(ros)
        self.standing = StaticTransformBroadcaster(ros.node)
        self.moving = TransformBroadcaster(ros.node)
        self.standing.sendTransform(transform('base', 'world', TF_BASE_WORLD, Time()))

    def plan(self):
        return self.ask(mask=mask_image(IDS == BOX))


@pytest.fixture(scope='module')
def node(module_ros):
    """A node that plans in the robot's frame, whose camera moves in the world."""
    module_ros.start_node(NODE, target_frame='base', tf_timeout_s=0.1)
    return Robot(module_ros)


@pytest.fixture
def robot(node):
    node.set(
        target_frame='base', workspace_min_m=[], workspace_max_m=[], table_plane=[],
        tf_timeout_s=0.1,
    )  # fmt: skip
    return node


def move(robot, header, tf=TF_WORLD_CAMERA):
    """Tell where the camera is until the node has heard it."""

    def known():
        robot.moving.sendTransform(transform('world', FRAME, tf, header.stamp))
        return 'is not known at' not in robot.plan().message

    robot.ros.until(known, 'the transform to arrive')


def test_a_transform_that_is_missing_is_told_of_with_the_remedy(robot):
    robot.send()
    message = robot.plan().message
    assert "TF from 'optical' to 'base' is not known at " in message
    assert 'robot_state_publisher' in message


def test_poses_are_in_the_target_frame_at_the_time_of_the_depth_image(robot):
    header = robot.send()
    move(robot, header)
    robot.set(target_frame='')
    in_camera = robot.plan()
    robot.set(target_frame='base')
    in_base = robot.plan()
    assert in_camera.success, in_camera.message
    assert in_base.success, in_base.message
    assert in_camera.grasps.header == header
    assert in_base.grasps.header == Header(stamp=header.stamp, frame_id='base')
    for ours, theirs in zip(in_base.grasps.grasps, in_camera.grasps.grasps, strict=True):
        for name in ('pose', 'pre_grasp', 'lift'):
            expected = TF_BASE_CAMERA @ matrix_from_pose(getattr(theirs, name))
            np.testing.assert_allclose(matrix_from_pose(getattr(ours, name)), expected, atol=1e-6)
    # The lift is upwards, off the table.
    best = in_base.grasps.grasps[0]
    rise = matrix_from_pose(best.lift)[:3, 3] - matrix_from_pose(best.pose)[:3, 3]
    np.testing.assert_allclose(rise, [0, 0, 0.18], atol=0.002)


def test_between_two_times_the_camera_is_in_between(robot):
    begin, end = robot.next_header(), robot.next_header()
    shifted = TF_WORLD_CAMERA.copy()
    shifted[0, 3] += 0.1
    between = Header(stamp=Time(sec=begin.stamp.sec, nanosec=500_000_000), frame_id=FRAME)
    robot.send(header=between)

    def known():
        robot.moving.sendTransform(transform('world', FRAME, TF_WORLD_CAMERA, begin.stamp))
        robot.moving.sendTransform(transform('world', FRAME, shifted, end.stamp))
        return robot.plan().success

    robot.ros.until(known, 'the transforms to arrive')
    found = matrix_from_pose(robot.plan().grasps.grasps[0].pose)
    robot.set(target_frame='')
    in_camera = matrix_from_pose(robot.plan().grasps.grasps[0].pose)
    halfway = TF_WORLD_CAMERA.copy()
    halfway[0, 3] += 0.05
    np.testing.assert_allclose(found, TF_BASE_WORLD @ halfway @ in_camera, atol=1e-5)


def test_a_transform_that_is_stale_is_told_of_with_the_remedy(robot):
    header = robot.send()
    move(robot, header)
    robot.send()
    message = robot.plan().message
    assert 'extrapolation into the future' in message
    assert 'its publisher is alive and its clock right' in message
    # Too old for TF, which remembers ten seconds.
    robot.sent += 100
    move(robot, robot.send())
    robot.send(header=Header(stamp=Time(sec=1, nanosec=5), frame_id=FRAME))
    assert 'extrapolation into the past' in robot.plan().message
    # In between nothing is lost.
    robot.set(target_frame='')
    assert robot.plan().success


def test_a_transform_that_comes_late_is_waited_for(robot):
    robot.set(tf_timeout_s=10.0)
    header = robot.send()
    future = robot.client.call_async(PlanGrasps.Request(mask=mask_image(IDS == BOX)))

    def answered():
        robot.moving.sendTransform(transform('world', FRAME, TF_WORLD_CAMERA, header.stamp))
        return future.done()

    robot.ros.until(answered, 'the answer after the transform')
    assert future.result().success, future.result().message


@pytest.mark.parametrize(
    ('frame_id', 'stamp', 'words'),
    [
        ('', Time(sec=5000), 'names no frame'),
        ('/optical', Time(sec=5001), "'/optical' to 'base'"),
        (FRAME, Time(sec=-5), 'before all of TF'),
    ],
)
def test_a_header_that_tf_can_do_nothing_with_is_told_of(robot, frame_id, stamp, words):
    robot.send(header=Header(frame_id=frame_id, stamp=stamp))
    answer = robot.plan()
    assert not answer.success
    assert words in answer.message


def test_frames_that_nothing_connects_are_told_of(robot):
    move(robot, robot.send())
    robot.standing.sendTransform(transform('sea', 'island', np.eye(4), Time()))
    robot.set(target_frame='island')
    robot.ros.until(lambda: 'two or more unconnected trees' in robot.plan().message, 'the cause')
    assert 'publish a transform that connects them' in robot.plan().message


def test_the_workspace_is_a_box_in_the_target_frame(robot):
    move(robot, robot.send())
    free = robot.plan()
    heights = [
        max(pose.position.z for pose in (g.pose, g.pre_grasp, g.lift)) for g in free.grasps.grasps
    ]
    robot.set(workspace_max_m=[9.0, 9.0, float(np.median(heights))])
    limited = robot.plan()
    causes = {rejection.cause for rejection in limited.grasps.rejections}
    assert 'outside_workspace' in causes
    assert all(
        pose.position.z <= np.median(heights) + 1e-6
        for g in limited.grasps.grasps
        for pose in (g.pose, g.pre_grasp, g.lift)
    )
    robot.set(workspace_min_m=[0.0, 0.0, 9.5], workspace_max_m=[])
    nothing = robot.plan()
    assert not nothing.success
    assert 'outside_workspace' in nothing.message


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'workspace_min_m': [1.0]}, 'workspace_min_m is [1.0]; give 3 finite numbers'),
        ({'workspace_min_m': [1.0, 1.0, 1.0], 'workspace_max_m': [0.0, 2.0, 2.0]}, 'two corners'),
        ({'table_plane': [0.0, 0.0, 1.0]}, 'table_plane is [0.0, 0.0, 1.0]; give 4 finite'),
        ({'table_plane': [0.0, 0.0, 0.0, 1.0]}, 'the plane has normal'),
        ({'table_plane': [0.0, 0.0, float('nan'), 1.0]}, 'table_plane'),
    ],
)
def test_a_parameter_that_makes_no_sense_is_told_of(robot, parameters, words):
    move(robot, robot.send())
    robot.set(**parameters)
    answer = robot.plan()
    assert not answer.success
    assert words in answer.message


def test_a_table_that_is_given_need_not_be_seen(robot):
    alone = np.where(IDS == BOX, DEPTH_M, np.nan).astype(np.float32)
    header = robot.send(alone)
    move(robot, header)
    assert not robot.plan().success
    # The table is the world's plane z = 0; in the robot's frame it is 0.1 m lower.
    robot.set(table_plane=[0.0, 0.0, 2.0, 0.2])
    answer = robot.plan()
    assert answer.success, answer.message
    tf_world_base = inverse(TF_BASE_WORLD)
    for grasp in answer.grasps.grasps:
        assert (tf_world_base @ matrix_from_pose(grasp.pose))[2, 3] > 0


def test_a_bag_that_begins_anew_is_planned_in_with_its_transforms_of_now(ros):
    ros.start_node(NODE, target_frame='base', tf_timeout_s=0.1)
    robot = Robot(ros)
    elsewhere = TF_WORLD_CAMERA.copy()
    elsewhere[0, 3] += 0.1
    found = []
    # Two rounds of a bag of 20 s; in the second the camera is elsewhere.
    for tf in (TF_WORLD_CAMERA, elsewhere):
        for at_s in (100, 102, 104, 106, 120):
            stamp = Time(sec=at_s)
            robot.moving.sendTransform(transform('world', FRAME, tf, stamp))
            robot.send(header=Header(stamp=stamp, frame_id=FRAME))
        move(robot, Header(stamp=stamp, frame_id=FRAME), tf)
        answer = robot.ask(mask=mask_image(IDS == BOX), stamp=stamp)
        assert answer.success, answer.message
        found.append(matrix_from_pose(answer.grasps.grasps[0].pose))
    moved = np.eye(4)
    moved[:3, 3] = (TF_BASE_WORLD[:3, :3] @ [0.1, 0, 0]).tolist()
    np.testing.assert_allclose(found[1], moved @ found[0], atol=1e-5)
