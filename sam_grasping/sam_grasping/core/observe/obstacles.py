# SPDX-License-Identifier: Apache-2.0
"""What stands round an object."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_grasping.core.observe.downsampling import VOXEL_M

SPILL_PX = 3
SPILL_M = 0.012


def beside_object(depth_m: Float32Array, obj: BoolArray) -> BoolArray:
    """Return the pixels (H, W) that are the object's, or its surface just outside the mask.

    Parameters
    ----------
    depth_m : array of float32, shape (H, W)
        [m].
    obj : array of bool, shape (H, W)
        The object's pixels.

    """
    kernel = np.ones((2 * SPILL_PX + 1, 2 * SPILL_PX + 1), np.uint8)
    near = cv2.erode(np.where(obj, depth_m, np.float32(np.inf)), kernel)
    far = cv2.dilate(np.where(obj, depth_m, np.float32(-np.inf)), kernel)
    result: BoolArray = (depth_m > near - SPILL_M) & (depth_m < far + SPILL_M)
    return result


def outside_footprint(points: FloatArray, obj: FloatArray) -> BoolArray:
    """Return which points (N, 3) are not below a point of the object (M, 3), bool (N,).

    Both in the table frame [m].
    """
    cells, own = (np.floor(p[:, :2] / VOXEL_M).astype(np.int64) for p in (points, obj))
    low, high = own.min(axis=0), own.max(axis=0)
    top = np.zeros(high - low + 1, np.float32)
    np.maximum.at(top, tuple((own - low).T), obj[:, 2].astype(np.float32))
    top = np.asarray(cv2.morphologyEx(top, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)), np.float32)
    over = ((cells >= low) & (cells <= high)).all(axis=1)
    below = np.zeros(len(points), bool)
    below[over] = points[over, 2] <= top[tuple((cells[over] - low).T)]
    return ~below
