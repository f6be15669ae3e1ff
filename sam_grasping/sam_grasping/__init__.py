# SPDX-License-Identifier: Apache-2.0
"""From mask and depth to grasps of a parallel-jaw gripper; only `ros` imports ROS."""

from sam_common.camera_model import CameraModel
from sam_grasping.core.errors import GraspingError
from sam_grasping.core.geometric.oriented_box import OrientedBox, standing_box
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.limits import Limits
from sam_grasping.core.plan import Plan
from sam_grasping.core.plane import Plane
from sam_grasping.core.planner import Planner
from sam_grasping.core.planner_options import PlannerOptions
from sam_grasping.core.registry import load_planner, planner_names
from sam_grasping.core.view import View

__all__ = [
    'CameraModel',
    'Grasp',
    'GraspingError',
    'Gripper',
    'Limits',
    'OrientedBox',
    'Plan',
    'Plane',
    'Planner',
    'PlannerOptions',
    'View',
    'load_planner',
    'planner_names',
    'standing_box',
]
