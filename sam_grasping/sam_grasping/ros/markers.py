# SPDX-License-Identifier: Apache-2.0
"""Grippers for RViz: each grasp as three boxes, coloured by its score."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from geometry_msgs.msg import Vector3
from std_msgs.msg import ColorRGBA, Header
from visualization_msgs.msg import Marker, MarkerArray

from sam_common.ros.conversions import poses_to_msg
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.gripper import Gripper

BEST_ALPHA, OTHER_ALPHA = 0.9, 0.35


def markers_to_msg(
    grasps_by_object: Iterable[tuple[int, tuple[Grasp, ...]]], gripper: Gripper, header: Header
) -> MarkerArray:
    """Return the grippers at grasps, open as far as they will be; what was drawn before goes.

    Parameters
    ----------
    grasps_by_object : iterable of (int, tuple of Grasp)
        Objects' ids and their grasps in the header's frame, best first.
    gripper : Gripper
    header : Header

    """
    markers = [Marker(header=header, action=Marker.DELETEALL)]
    for object_id, grasps in grasps_by_object:
        poses, sizes, colours = [], [], []
        for place, grasp in enumerate(grasps):
            low, high = gripper.boxes(grasp.opening_m)
            for middle, size in zip((low + high) / 2, high - low, strict=True):
                box = np.eye(4)
                box[:3, 3] = middle
                poses.append(grasp.pose @ box)
                sizes.append(size)
                colours.append(_colour(grasp.score, BEST_ALPHA if place == 0 else OTHER_ALPHA))
        for number, pose in enumerate(poses_to_msg(poses)):
            x, y, z = map(float, sizes[number])
            markers.append(
                Marker(
                    header=header,
                    ns=f'object_{object_id}',
                    id=number,
                    type=Marker.CUBE,
                    action=Marker.ADD,
                    pose=pose,
                    scale=Vector3(x=x, y=y, z=z),
                    color=colours[number],
                )
            )
    return MarkerArray(markers=markers)


def _colour(score: float, alpha: float) -> ColorRGBA:
    """Return red for 0, yellow for 0.5, green for 1."""
    return ColorRGBA(
        r=float(min(1.0, 2 - 2 * score)), g=float(min(1.0, 2 * score)), b=0.0, a=alpha
    )
