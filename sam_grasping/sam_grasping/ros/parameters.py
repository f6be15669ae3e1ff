# SPDX-License-Identifier: Apache-2.0
"""The parameters of `grasp_node`: each declared once, with its range and what it means."""

from __future__ import annotations

import numpy as np
from rclpy.node import Node

from sam_common.errors import OptionError
from sam_common.ros.async_services import REQUEST_TIMEOUT
from sam_common.ros.parameters import (
    APPLIED_AT_CONFIGURE,
    RECTIFIED_PARAMETER,
    Parameter,
    value,
)
from sam_common.types import FloatArray
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.limits import Limits
from sam_grasping.core.plane import Plane
from sam_grasping.core.planner_options import RANGES, PlannerOptions
from sam_grasping.core.registry import DEFAULT_PLANNER, planner_names

MEASURE_M = (0.001, 1.0)

PARAMETERS = (
    Parameter(
        'planner',
        DEFAULT_PLANNER,
        f'One of {", ".join(planner_names())}. {APPLIED_AT_CONFIGURE}',
    ),
    Parameter(
        'autostart',
        True,
        'Whether the node configures and activates itself; else a lifecycle manager does.',
        read_only=True,
    ),
    Parameter(
        'max_width_m',
        Gripper.max_width_m,
        f'Gripper: largest opening between the fingers [m]. {APPLIED_AT_CONFIGURE}',
        MEASURE_M,
    ),
    Parameter(
        'finger_length_m',
        Gripper.finger_length_m,
        f'Gripper: from the palm to the fingertips [m]. {APPLIED_AT_CONFIGURE}',
        MEASURE_M,
    ),
    Parameter(
        'finger_thickness_m',
        Gripper.finger_thickness_m,
        f'Gripper: of each finger, along the closing direction [m]. {APPLIED_AT_CONFIGURE}',
        MEASURE_M,
    ),
    Parameter(
        'finger_width_m',
        Gripper.finger_width_m,
        'Gripper: of each finger, across the closing direction and the approach [m]. '
        + APPLIED_AT_CONFIGURE,
        MEASURE_M,
    ),
    Parameter(
        'palm_size_m',
        Gripper.palm_size_xyz_m,
        'Gripper: of the hand behind the fingers, as a box: across, along the closing direction, '
        f'along the approach [m]. {APPLIED_AT_CONFIGURE}',
    ),
    Parameter(
        'approach_cone_rad',
        PlannerOptions.approach_cone_rad,
        f'How far the approach may lean from straight down [rad]. {APPLIED_AT_CONFIGURE}',
        RANGES['approach_cone_rad'],
    ),
    Parameter(
        'pre_grasp_m',
        PlannerOptions.pre_grasp_m,
        f'How far before the grasp the straight approach begins [m]. {APPLIED_AT_CONFIGURE}',
        RANGES['pre_grasp_m'],
    ),
    Parameter(
        'lift_m',
        PlannerOptions.lift_m,
        f'How far the object is lifted off the table [m]. {APPLIED_AT_CONFIGURE}',
        RANGES['lift_m'],
    ),
    Parameter(
        'max_grasps',
        PlannerOptions.max_grasps,
        'How many grasps are returned for an object at most, unless a request says.',
        RANGES['max_grasps'],
    ),
    Parameter(
        'target_frame',
        '',
        "The frame of what is published, through TF; empty: the camera's optical frame.",
    ),
    Parameter(
        'workspace_min_m',
        (),
        'Lowest x, y and z in target_frame that the gripper may go to [m]; empty: no limit.',
        array_of=float,
    ),
    Parameter(
        'workspace_max_m',
        (),
        'Highest x, y and z in target_frame that the gripper may go to [m]; empty: no limit.',
        array_of=float,
    ),
    Parameter(
        'table_plane',
        (),
        'The table in target_frame as a, b, c, d: a x + b y + c z + d = 0 on it, above 0 over it '
        '[m]; empty: it is looked for in each depth image.',
        array_of=float,
    ),
    Parameter(
        'depth_transport',
        'raw',
        'raw (~/depth), compressed (~/depth/compressed: PNG of 16 bits) or compressedDepth '
        '(~/depth/compressedDepth: PNG or RVL). Applied when the node is activated.',
    ),
    RECTIFIED_PARAMETER,
    Parameter(
        'depth_buffer_size',
        60,
        'How many past depth images, and messages of objects, a stamp can name. Applied when the '
        'node is activated.',
        (1, 300),
    ),
    Parameter(
        'stamp_tolerance_s',
        0.0,
        'How far apart the stamps of a mask and of its depth image may be [s]; 0: the same stamp.',
        (0, 1),
    ),
    Parameter(
        'depth_timeout_s',
        0.5,
        'How long to wait for a depth image that has not arrived yet [s].',
        (0, 10),
    ),
    Parameter(
        'tf_timeout_s',
        0.2,
        "How long to wait for TF at the depth image's stamp [s].",
        (0, 10),
    ),
    Parameter(
        'segment_timeout_s',
        30.0,
        'How long to wait for the mask of a prompt [s].',
        (0.1, 600),
    ),
    Parameter(
        'continuous',
        False,
        'Whether grasps are planned anew for the tracked objects whenever ~/objects tells of '
        'them, for those who listen.',
    ),
    Parameter(
        'continuous_ids',
        (),
        'Which objects `continuous` plans for; empty: all that are seen.',
        array_of=int,
    ),
    Parameter(
        'max_pending_requests',
        32,
        f'Requests that may wait; one more is refused. {APPLIED_AT_CONFIGURE}',
        (1, 1000),
    ),
    REQUEST_TIMEOUT,
)


def gripper(node: Node) -> Gripper:
    """Return the gripper that the parameters describe; raises OptionError."""
    x, y, z = _numbers(node, 'palm_size_m', 3)
    return Gripper(
        max_width_m=value(node, 'max_width_m'),
        finger_length_m=value(node, 'finger_length_m'),
        finger_thickness_m=value(node, 'finger_thickness_m'),
        finger_width_m=value(node, 'finger_width_m'),
        palm_size_xyz_m=(x, y, z),
    )


def planner_options(node: Node) -> PlannerOptions:
    """Return how to plan."""
    return PlannerOptions(
        approach_cone_rad=value(node, 'approach_cone_rad'),
        pre_grasp_m=value(node, 'pre_grasp_m'),
        lift_m=value(node, 'lift_m'),
        max_grasps=value(node, 'max_grasps'),
    )


def limits(node: Node, tf_target_camera: FloatArray) -> Limits:
    """Return where the gripper may go; raises OptionError."""
    return Limits(
        low_m=_corner(node, 'workspace_min_m'),
        high_m=_corner(node, 'workspace_max_m'),
        tf_target_camera=tf_target_camera,
    )


def table_plane(node: Node) -> Plane | None:
    """Return the table in the target frame, None: it is to be found; raises OptionError."""
    if not value(node, 'table_plane'):
        return None
    a, b, c, d = _numbers(node, 'table_plane', 4)
    return Plane(np.array([a, b, c]), d)


def _corner(node: Node, name: str) -> tuple[float, float, float] | None:
    if not value(node, name):
        return None
    x, y, z = _numbers(node, name, 3)
    return x, y, z


def _numbers(node: Node, name: str, count: int) -> tuple[float, ...]:
    numbers = tuple(value(node, name))
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise OptionError(f'{name} is {list(numbers)}; give {count} finite numbers')
    return numbers
