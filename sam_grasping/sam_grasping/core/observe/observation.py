# SPDX-License-Identifier: Apache-2.0
"""What a view shows of an object and what stands round it, in the table's frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sam_common.types import FloatArray
from sam_grasping.core.plane import Plane


@dataclass(frozen=True, eq=False)
class Surface:
    """Points on a surface, one per voxel at most.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        [m].
    normals : array of float64, shape (N, 3)
        Outward, of unit length.

    """

    points: FloatArray
    normals: FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Observation:
    """An object on a table.

    Table frame: the origin is on the table below the middle of the object, z is up, x points away
    from the camera along the table. It moves with the scene: whatever is planned in it does too.

    Parameters
    ----------
    tf_camera_table : array of float64, shape (4, 4)
        From the table frame to the camera's optical frame.
    viewpoint : array of float64, shape (3,)
        The camera in the table frame [m].
    seen : Surface
        The object as far as the camera shows it.
    unseen : Surface
        Its completion: what is seen, extruded down to the table, where the camera can't see.
    obstacles : array of float64, shape (M, 3)
        What else is seen within the gripper's reach of the object and above the table [m].
    dropped : mapping of str to int
        Pixels of the mask that were not used, by cause: 'no_depth', 'depth_edge', 'outlier',
        'on_table'.

    """

    tf_camera_table: FloatArray
    viewpoint: FloatArray
    seen: Surface
    unseen: Surface
    obstacles: FloatArray
    dropped: Mapping[str, int] = field(default_factory=dict)

    @property
    def plane(self) -> Plane:
        """The table in the camera's optical frame."""
        normal = self.tf_camera_table[:3, 2]
        return Plane(normal, -float(normal @ self.tf_camera_table[:3, 3]))
