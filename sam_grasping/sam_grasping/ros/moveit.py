# SPDX-License-Identifier: Apache-2.0
"""Grasps as MoveIt's pick pipelines take them.

An example of how to use the node's answer; MoveIt is imported only when it is called:

    answer = await client.call_async(PlanGrasps.Request(object_id=1))
    goal.possible_grasps = to_moveit(answer.grasps, finger_joints=['left', 'right'])
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Pose, PoseStamped, Vector3Stamped
from std_msgs.msg import Header

from sam_common.ros.conversions import matrix_from_pose, poses_to_msg
from sam_common.types import FloatArray
from sam_interfaces.msg import GraspArray

# Of the approach and of the lift, how much must be possible for a grasp to count.
LEAST_SHARE = 0.5


def half(width_m: float) -> float:
    """Return where each of two fingers is that open together by this [m]."""
    return width_m / 2


def to_moveit(
    grasps: GraspArray,
    *,
    finger_joints: Sequence[str] = (),
    joint_position: Callable[[float], float] = half,
    tf_tool_link: FloatArray | None = None,
    touched: Sequence[str] = (),
) -> list[Any]:
    """Return grasps as moveit_msgs/Grasp, in the same order.

    Parameters
    ----------
    grasps : GraspArray
    finger_joints : sequence of str
        The gripper's joints; empty: no postures are given.
    joint_position : callable
        From the opening between the fingers [m] to the position of each finger joint; the
        default suits two prismatic ones.
    tf_tool_link : array of float64, shape (4, 4), or None
        The end effector's link in the tool frame of sam_interfaces/Grasp; None: they are one.
    touched : sequence of str
        Collision objects that the gripper may touch, as the object itself.

    Returns
    -------
    list of moveit_msgs.msg.Grasp

    Raises
    ------
    ModuleNotFoundError
        If moveit_msgs or trajectory_msgs is not installed.

    """
    from moveit_msgs.msg import Grasp, GripperTranslation
    from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

    tf = np.eye(4) if tf_tool_link is None else tf_tool_link
    header = grasps.header

    def posture(opening_m: float) -> Any:
        points = [JointTrajectoryPoint(positions=[joint_position(opening_m)] * len(finger_joints))]
        return JointTrajectory(
            joint_names=list(finger_joints), points=points if finger_joints else []
        )

    def translation(begin: Pose, end: Pose) -> Any:
        direction, distance = _way(begin, end, header)
        return GripperTranslation(
            direction=direction,
            desired_distance=distance,
            min_distance=LEAST_SHARE * distance,
        )

    poses = poses_to_msg(matrix_from_pose(grasp.pose) @ tf for grasp in grasps.grasps)
    return [
        Grasp(
            id=f'object_{grasp.object_id}_{number}',
            grasp_pose=PoseStamped(header=header, pose=pose),
            grasp_quality=float(grasp.score),
            pre_grasp_posture=posture(grasp.opening),
            grasp_posture=posture(grasp.width),
            pre_grasp_approach=translation(grasp.pre_grasp, grasp.pose),
            post_grasp_retreat=translation(grasp.pose, grasp.lift),
            allowed_touch_objects=list(touched),
        )
        for number, (grasp, pose) in enumerate(zip(grasps.grasps, poses, strict=True))
    ]


def _way(begin: Pose, end: Pose, header: Header) -> tuple[Vector3Stamped, float]:
    """Return the direction, of unit length, and the length [m] of the way between two poses."""
    way = matrix_from_pose(end)[:3, 3] - matrix_from_pose(begin)[:3, 3]
    distance = float(np.linalg.norm(way))
    direction = Vector3Stamped(header=header)
    if distance > 0:
        x, y, z = map(float, way / distance)
        direction.vector.x, direction.vector.y, direction.vector.z = x, y, z
    return direction, distance
