# SPDX-License-Identifier: Apache-2.0
"""The parameters of `grasp_node`: the only place that states ranges, defaults and meaning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rclpy.node import Node

from sam_common.errors import OptionError
from sam_common.ros.parameters import Applied, NodeOptions, parameter, read_options
from sam_common.types import FloatArray
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.limits import Limits
from sam_grasping.core.plane import Plane
from sam_grasping.core.planner_options import RANGES, PlannerOptions
from sam_grasping.core.registry import DEFAULT_PLANNER

_MEASURE_M = (0.001, 1.0)


@dataclass(frozen=True)
class GraspNodeOptions(NodeOptions):
    """The values that `grasp_node` has at one moment; `options` reads them."""

    planner: str = parameter(
        DEFAULT_PLANNER,
        'Which planner proposes grasps: geometric (needs no weights). An unknown name is refused '
        'with a list of the known ones.',
        applied=Applied.CONFIGURE,
    )
    max_width_m: float = parameter(
        Gripper.max_width_m,
        'Gripper: largest opening between the fingers [m].',
        _MEASURE_M,
        applied=Applied.CONFIGURE,
    )
    finger_length_m: float = parameter(
        Gripper.finger_length_m,
        'Gripper: from the palm to the fingertips [m].',
        _MEASURE_M,
        applied=Applied.CONFIGURE,
    )
    finger_thickness_m: float = parameter(
        Gripper.finger_thickness_m,
        'Gripper: size of each finger along the closing direction [m].',
        _MEASURE_M,
        applied=Applied.CONFIGURE,
    )
    finger_width_m: float = parameter(
        Gripper.finger_width_m,
        'Gripper: size of each finger across the closing direction and the approach [m].',
        _MEASURE_M,
        applied=Applied.CONFIGURE,
    )
    palm_size_m: tuple[float, ...] = parameter(
        Gripper.palm_size_xyz_m,
        'Gripper: size of the hand behind the fingers, as a box: across, along the closing '
        'direction, along the approach [m].',
        applied=Applied.CONFIGURE,
    )
    approach_cone_rad: float = parameter(
        PlannerOptions.approach_cone_rad,
        'How far the approach may lean from straight down [rad].',
        RANGES['approach_cone_rad'],
        applied=Applied.CONFIGURE,
    )
    pre_grasp_m: float = parameter(
        PlannerOptions.pre_grasp_m,
        'How far before the grasp the straight approach begins [m].',
        RANGES['pre_grasp_m'],
        applied=Applied.CONFIGURE,
    )
    lift_m: float = parameter(
        PlannerOptions.lift_m,
        'How far the object is lifted off the table [m].',
        RANGES['lift_m'],
        applied=Applied.CONFIGURE,
    )
    max_grasps: int = parameter(
        PlannerOptions.max_grasps,
        'How many grasps are returned for an object at most; a request may name its own number.',
        RANGES['max_grasps'],
    )
    target_frame: str = parameter(
        '', "The frame of the results, through TF; empty: the camera's optical frame."
    )
    workspace_min_m: tuple[float, ...] = parameter(
        (), 'Lowest x, y and z in target_frame that the gripper may reach [m]; empty: no limit.'
    )
    workspace_max_m: tuple[float, ...] = parameter(
        (), 'Highest x, y and z in target_frame that the gripper may reach [m]; empty: no limit.'
    )
    table_plane: tuple[float, ...] = parameter(
        (),
        'The table in target_frame as a, b, c, d: a x + b y + c z + d is 0 on it and positive '
        'above it [m]; empty: it is found in each depth image.',
    )
    depth_transport: str = parameter(
        'raw',
        'raw listens to ~/depth, compressed to ~/depth/compressed (PNG of 16 bits), '
        'compressedDepth to ~/depth/compressedDepth (PNG or RVL).',
        applied=Applied.ACTIVATE,
    )
    depth_buffer_size: int = parameter(
        60,
        'How many past depth images, and messages of objects, a stamp can name.',
        (1, 300),
        applied=Applied.ACTIVATE,
    )
    stamp_tolerance_s: float = parameter(
        0.0,
        'How far apart the stamps of a mask and of its depth image may be [s]; 0: the same stamp.',
        (0, 1),
    )
    depth_timeout_s: float = parameter(
        0.5, 'How long to wait for a depth image that has not arrived yet [s].', (0, 10)
    )
    tf_timeout_s: float = parameter(
        0.2, "How long to wait for TF at the depth image's stamp [s].", (0, 10)
    )
    segment_timeout_s: float = parameter(
        30.0, 'How long to wait for the mask of a prompt [s].', (0.1, 600)
    )
    continuous: bool = parameter(
        False,
        'Whether grasps are planned again for the tracked objects with each message on ~/objects, '
        'as long as somebody subscribes to them.',
    )
    continuous_ids: tuple[int, ...] = parameter(
        (), 'Which objects `continuous` plans for; empty: all visible ones.'
    )

    @property
    def gripper(self) -> Gripper:
        """The gripper; raises OptionError."""
        x, y, z = self._numbers('palm_size_m', 3)
        return Gripper(
            max_width_m=self.max_width_m,
            finger_length_m=self.finger_length_m,
            finger_thickness_m=self.finger_thickness_m,
            finger_width_m=self.finger_width_m,
            palm_size_xyz_m=(x, y, z),
        )

    @property
    def planning(self) -> PlannerOptions:
        """How to plan."""
        return PlannerOptions(
            approach_cone_rad=self.approach_cone_rad,
            pre_grasp_m=self.pre_grasp_m,
            lift_m=self.lift_m,
            max_grasps=self.max_grasps,
        )

    def limits(self, tf_target_camera: FloatArray) -> Limits:
        """Return where the gripper may go; raises OptionError."""
        return Limits(
            low_m=self._corner('workspace_min_m'),
            high_m=self._corner('workspace_max_m'),
            tf_target_camera=tf_target_camera,
        )

    def table(self) -> Plane | None:
        """Return the table in the target frame, None: it is to be found; raises OptionError."""
        if not self.table_plane:
            return None
        a, b, c, d = self._numbers('table_plane', 4)
        return Plane(np.array([a, b, c]), d)

    def _corner(self, name: str) -> tuple[float, float, float] | None:
        if not getattr(self, name):
            return None
        x, y, z = self._numbers(name, 3)
        return x, y, z

    def _numbers(self, name: str, count: int) -> tuple[float, ...]:
        numbers: tuple[float, ...] = getattr(self, name)
        if len(numbers) != count or not np.isfinite(numbers).all():
            raise OptionError(f'{name} is {list(numbers)}; give {count} finite numbers')
        return numbers


def options(node: Node) -> GraspNodeOptions:
    """Return the node's present options: a parameter may change between two calls."""
    return read_options(node, GraspNodeOptions)
