# SPDX-License-Identifier: Apache-2.0
"""Which of a mask's pixels are the object, and which belong to something else."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from sam_common.types import BoolArray, Float32Array
from sam_grasping.core.observe.depth_edges import Smoothness, bodies

# What something in front of the object cuts off it is at most this far from the rest [m]. A mask
# that spills over leaves a thin strip of what is behind, so a part must be wide [px]: the further
# it is, the wider.
PARTS = ((0.02, 3), (0.06, 7))
MIN_PART = 12
SPARSE = 7


def main_body(kept: BoolArray, smooth: Smoothness, points: Float32Array) -> BoolArray:
    """Return the largest body among the kept pixels, with the parts that lie close to it.

    Parameters
    ----------
    kept : array of bool, shape (H, W)
    smooth : Smoothness
        Of the same pixels.
    points : array of float32, shape (H, W, 3)
        [m].

    Returns
    -------
    array of bool, shape (H, W)

    """
    result = np.zeros_like(kept)
    if kept.any():
        x, y, width, height = cv2.boundingRect(kept.astype(np.uint8))
        box = (slice(y, y + height), slice(x, x + width))
        within = Smoothness(smooth.along_x[box], smooth.along_y[box])
        result[box] = _main_body(kept[box], within, points[box])
    return result


def _main_body(kept: BoolArray, smooth: Smoothness, points: Float32Array) -> BoolArray:
    count, labels = bodies(kept, smooth)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    body = int(sizes.argmax())
    result: BoolArray = labels == body
    tree = cKDTree(points[result][::SPARSE])
    for gap_m, width in PARTS:
        core = cv2.erode(kept.astype(np.uint8), np.ones((width, width), np.uint8)) > 0
        wide = np.bincount(labels[core], minlength=count + 1) > 0
        for part in np.flatnonzero(wide & (sizes >= MIN_PART)):
            own = labels == part
            distance, _ = tree.query(points[own][::SPARSE], distance_upper_bound=gap_m)
            if part != body and np.isfinite(distance).any():
                result |= own
    return result
