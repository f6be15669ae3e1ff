# SPDX-License-Identifier: Apache-2.0
"""Which of several masks of one prompt is the whole object, by what depth says of their borders.

A click may mean a thing or a part of it, and colour alone often can't tell. Depth can: round a
whole object the surface breaks off or meets the table; round a part it goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from sam_common.errors import SamError
from sam_common.scored_mask import ScoredMask
from sam_common.types import BoolArray, FloatArray, UInt8Array
from sam_grasping.core.errors import TargetError
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.limits import Limits
from sam_grasping.core.observe.crop import Crop, crop
from sam_grasping.core.observe.depth_edges import smoothness
from sam_grasping.core.observe.observe import table_of
from sam_grasping.core.plan import Plan
from sam_grasping.core.planner import Planner
from sam_grasping.core.view import View

# A border is looked at so far outside the mask and inside of it [px]: next to it neither side can
# be trusted.
OUTSIDE_PX, INSIDE_PX = 3, 2
# Two surfaces are apart if their depths differ by more [m].
JUMP_M = 0.012
# Lower than this is the table [m]: just outside the object, and for a pixel of the mask.
BESIDE_M, TABLE_M = 0.006, 0.004
# What a mask's own score, and lying on the table, count against the share of the border that is
# one; and the log-odds that a mask of such worth is right (IoU of at least 0.7). Both were chosen
# on simulated scenes (seeds 30 to 129), with GrabCut.
SCORE_WEIGHT, TABLE_WEIGHT = 0.7, 1.0
BIAS, SLOPE, STEEP_SLOPE, STEEP_FROM = -6.7, 5.5, 18.9, 1.45
# A mask that is in no doubt, and one that is not worth a plan.
SURE, UNLIKELY = 0.9, 0.2
MIN_PX = 30


def plan_likeliest(
    planner: Planner,
    view: View,
    masks: Sequence[ScoredMask],
    *,
    limits: Limits | None = None,
    max_grasps: int | None = None,
) -> Plan:
    """Plan grasps of what several masks of one prompt most likely mean.

    Where the likeliest mask is in doubt, the second is planned for, too, and the better plan is
    taken. The scores count also that the mask may be wrong.

    Parameters
    ----------
    planner : Planner
    view : View
        Its mask is not looked at.
    masks : sequence of ScoredMask
        At least one, best first as the segmenter has it, of the depth image's size. One alone is
        taken for right.
    limits, max_grasps
        As Planner.plan takes them.

    Raises
    ------
    SamError
        As Planner.plan does; TargetError if a mask is not of the depth image's size.

    """
    likely = likelihoods(view, masks)
    order = np.argsort(-likely, kind='stable')
    best: Plan | None = None
    for index in order[: 1 if likely[order[0]] >= SURE else 2]:
        if best is not None and (likely[index] < UNLIKELY or not masks[index].area):
            break
        try:
            plan = planner.plan(
                replace(view, mask=masks[index].mask), limits=limits, max_grasps=max_grasps
            )
        except SamError:
            if best is None:
                raise
            break  # the likelier mask gave an answer
        grasps = tuple(replace(each, score=each.score * likely[index]) for each in plan.grasps)
        if best is None or _best_score(grasps) > _best_score(best.grasps):
            best = replace(plan, grasps=grasps)
    if best is None:  # there is always a first mask
        raise TargetError('there is no mask to plan with; give at least one')
    return best


def _best_score(grasps: Sequence[Grasp]) -> float:
    return max((each.score for each in grasps), default=0.0)


def likelihoods(view: View, masks: Sequence[ScoredMask]) -> FloatArray:
    """Return for each mask how likely it is one whole object, shape (N,) [0-1].

    Where depth says nothing, without depth or a table, the first is likely and no other.

    Parameters
    ----------
    view : View
        Its mask is not looked at.
    masks : sequence of ScoredMask
        At least one, best first as the segmenter has it, of the depth image's size.

    Raises
    ------
    TargetError
        If a mask is not of the depth image's size.

    """
    views = [View(depth_m=view.depth_m, mask=each.mask, camera=view.camera) for each in masks]
    together = np.logical_or.reduce([each.mask for each in views])
    only_first: FloatArray = np.eye(len(masks))[0]
    if len(masks) == 1 or not together.any():
        return only_first
    near = crop(View(depth_m=view.depth_m, mask=together, camera=view.camera), reach_m=0.1)
    measured = np.isfinite(near.depth_m)
    if not (measured & near.mask).any():
        return only_first
    try:
        plane = view.plane or table_of(near, smoothness(near.depth_m, view.camera.fx).on_surface)
    except SamError:
        return only_first  # what there is to say of that, the planner says
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
    value = np.array(worth, np.float64)
    log_odds = BIAS + SLOPE * value + STEEP_SLOPE * np.maximum(value - STEEP_FROM, 0)
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def _border_share(near: Crop, mask: BoolArray, at_table: BoolArray) -> float:
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


def _square(radius_px: int) -> UInt8Array:
    return np.ones((2 * radius_px + 1, 2 * radius_px + 1), np.uint8)
