# SPDX-License-Identifier: Apache-2.0
"""Which of a mask's pixels are the object, and which belong to something else."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from sam_grasping.core.depth_edges import Mask, Smoothness, bodies

# A part of the object that something in front of it cuts off is at most this far from the rest.
GAP_M = 0.02
# A mask that spills over leaves a thin strip of what is behind; parts are wider [px].
WIDE = np.ones((3, 3), np.uint8)
MIN_PART = 12
SPARSE = 7


def main_body(kept: Mask, smooth: Smoothness, points: npt.NDArray[np.float32]) -> Mask:
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
    count, labels = bodies(kept, smooth)
    if count == 0:
        return kept
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    sizes[0] = 0
    body = int(sizes.argmax())
    core = cv2.erode(kept.astype(np.uint8), WIDE) > 0
    wide = np.bincount(labels[core], minlength=count + 1) > 0
    result: Mask = labels == body
    parts = [n for n in np.flatnonzero(wide & (sizes >= MIN_PART)) if n not in (0, body)]
    if not parts:
        return result
    tree = cKDTree(points[result][::SPARSE])
    for part in parts:
        distance, _ = tree.query(points[labels == part][::SPARSE], distance_upper_bound=GAP_M)
        if np.isfinite(distance).any():
            result |= labels == part
    return result
