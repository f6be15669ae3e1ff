# SPDX-License-Identifier: Apache-2.0
"""Which of several masks of one prompt is the whole object, by what depth says of their borders.

A click may mean a thing or a part of it, and colour alone often can't tell. Depth can: round a
whole object the surface breaks off or meets the table; round a part it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from sam_grasping.core.crop import Crop, crop
from sam_grasping.core.depth_edges import Mask, smoothness
from sam_grasping.core.errors import GraspingError
from sam_grasping.core.observe import table_of
from sam_grasping.core.view import View
from sam_segmentation.core.scored_mask import ScoredMask

# A border is looked at so far outside the mask and inside of it [px]: next to it neither side can
# be trusted.
OUTSIDE_PX, INSIDE_PX = 3, 2
# Two surfaces are apart if their depths differ by more [m].
JUMP_M = 0.012
# Lower than this is the table [m]: just outside the object, and for a pixel of the mask.
BESIDE_M, TABLE_M = 0.006, 0.004
# What a mask's own score, and lying on the table, count against the share of the border that is
# one. Chosen on simulated scenes (seeds 30 to 129), with GrabCut.
SCORE_WEIGHT, TABLE_WEIGHT = 0.7, 1.0
MIN_PX = 30


def choose_mask(view: View, masks: Sequence[ScoredMask]) -> ScoredMask:
    """Return the mask that is most likely one whole object.

    Parameters
    ----------
    view : View
        Its mask is not looked at.
    masks : sequence of ScoredMask
        At least one, best first as the segmenter has it, of the depth image's size.

    Returns
    -------
    ScoredMask
        One of them; the first also where depth says nothing, without depth or a table.

    Raises
    ------
    TargetError
        If a mask is not of the depth image's size.

    """
    views = [View(depth_m=view.depth_m, mask=each.mask, camera=view.camera) for each in masks]
    together = np.logical_or.reduce([each.mask for each in views])
    if len(masks) == 1 or not together.any():
        return masks[0]
    near = crop(View(depth_m=view.depth_m, mask=together, camera=view.camera), reach_m=0.1)
    measured = np.isfinite(near.depth_m)
    if not (measured & near.mask).any():
        return masks[0]
    try:
        plane = view.plane or table_of(near, smoothness(near.depth_m, view.camera.fx).on_surface)
    except GraspingError:
        return masks[0]  # what there is to say of that, the planner says
    heights = near.points @ plane.normal.astype(np.float32) + np.float32(plane.offset_m)
    low = measured & (heights < TABLE_M)
    at_table = ~measured | (heights < BESIDE_M)
    column, row = near.origin_xy
    height, width = near.depth_m.shape
    worth = []
    for each in masks:
        part = np.ascontiguousarray(each.mask[row : row + height, column : column + width], bool)
        border = _border_share(near, part, at_table)
        on_table = float(low[part].mean()) if part.any() else 1.0
        worth.append(border - TABLE_WEIGHT * on_table + SCORE_WEIGHT * each.score)
    return masks[int(np.argmax(worth))]


def _border_share(near: Crop, mask: Mask, at_table: Mask) -> float:
    """Return the share [0-1] of a mask's border where its surface ends."""
    pixels = mask.astype(np.uint8)
    inside = (cv2.erode(pixels, _square(INSIDE_PX)) > 0) & np.isfinite(near.depth_m)
    if np.count_nonzero(inside) < MIN_PX:
        return 0.0
    outside = cv2.dilate(pixels, _square(OUTSIDE_PX)) > cv2.dilate(pixels, _square(OUTSIDE_PX - 1))
    # The depth at the nearest pixel inside.
    _, owner = cv2.distanceTransformWithLabels(
        (~inside).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    depth_of = np.zeros(int(owner.max()) + 1, np.float32)
    depth_of[owner[inside]] = near.depth_m[inside]
    jump = np.abs(near.depth_m[outside] - depth_of[owner[outside]])
    ends = at_table[outside] | (jump > JUMP_M)
    return float(ends.mean()) if ends.size else 0.0


def _square(radius_px: int) -> npt.NDArray[np.uint8]:
    return np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
