# SPDX-License-Identifier: Apache-2.0
"""Where the camera stands, and how wide it sees.

Poses are (4, 4) transforms `tf_world_camera` from the optical frame (x right, y down, z forward)
to the world (z up, the table's top at z = 0) [m].
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam_common.types import FloatArray

Pose = FloatArray
FOVY_DEG = 42.0


def look_at(eye: npt.ArrayLike, target: npt.ArrayLike) -> Pose:
    """Return the pose of an upright camera at `eye` that has `target` in its centre [m].

    Looking straight down has no upright; ValueError is raised.
    """
    position = np.asarray(eye, np.float64)
    forward = np.asarray(target, np.float64) - position
    right = np.cross(forward, [0.0, 0.0, 1.0])
    if np.linalg.norm(right) < 1e-9:
        raise ValueError(f'a camera at {position} looks straight up or down; move it aside')
    right /= np.linalg.norm(right)
    forward /= np.linalg.norm(forward)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, 3] = position
    return pose


def orbit_pose(
    azimuth_rad: float, elevation_rad: float, distance_m: float, target: npt.ArrayLike
) -> Pose:
    """Return the pose of a camera that looks at a target from these angles and this distance."""
    offset = np.array(
        [
            np.cos(elevation_rad) * np.cos(azimuth_rad),
            np.cos(elevation_rad) * np.sin(azimuth_rad),
            np.sin(elevation_rad),
        ]
    )
    return look_at(np.asarray(target, np.float64) + distance_m * offset, target)


def random_view(seed: int) -> Pose:
    """Return one view of the table as a person or an arm would hold the camera, from a seed."""
    rng = np.random.default_rng([seed, 1])
    return orbit_pose(
        rng.uniform(0, 2 * np.pi),
        np.radians(rng.uniform(28, 62)),
        rng.uniform(0.52, 0.82),
        [*rng.uniform(-0.04, 0.04, 2), 0.04],
    )


def orbit(seed: int, time_s: float) -> Pose:
    """Return the pose of a camera that swings gently round the table, as a function of time."""
    rng = np.random.default_rng([seed, 2])
    start, phase = rng.uniform(0, 2 * np.pi, 2)
    elevation, distance = np.radians(rng.uniform(36, 46)), rng.uniform(0.6, 0.72)
    return orbit_pose(
        start + 0.35 * np.sin(2 * np.pi * time_s / 12.0),
        elevation + 0.06 * np.sin(2 * np.pi * time_s / 9.0 + phase),
        distance + 0.03 * np.sin(2 * np.pi * time_s / 7.0 + phase),
        [0.0, 0.0, 0.04],
    )
