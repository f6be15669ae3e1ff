# SPDX-License-Identifier: Apache-2.0
"""Which grasps are nearly the same."""

from __future__ import annotations

import numpy as np

from sam_common.types import BoolArray, FloatArray

APART_M = 0.02
APART_RAD = np.radians(24.0)


def similar(poses: FloatArray, other: FloatArray) -> BoolArray:
    """Return which grippers (C, 4, 4) are nearly as the other (4, 4), bool (C,).

    A gripper that is turned by half a turn about its z axis is the same gripper.
    """
    near = np.linalg.norm(poses[:, :3, 3] - other[:3, 3], axis=1) < APART_M
    # The trace of the relative rotation, and of that with x and y turned round.
    along = np.einsum('cij,ij->cj', poses[:, :3, :3], other[:3, :3])
    trace = along[:, 2] + np.abs(along[:, 0] + along[:, 1])
    return np.asarray(near & (trace > 1.0 + 2.0 * np.cos(APART_RAD)))
