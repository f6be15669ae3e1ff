# SPDX-License-Identifier: Apache-2.0
"""From a box to the mask of what fills it."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.masks import mask_to_box
from sam_common.scored_mask import ScoredMask
from sam_common.types import BoolArray, FloatArray
from sam_segmentation.models.grabcut.click import guesses_of, score_of
from sam_segmentation.models.grabcut.cut import cut_box, cut_rough
from sam_segmentation.models.grabcut.frame import PreparedImage
from sam_segmentation.models.grabcut.points import obey, things_beside
from sam_segmentation.models.grabcut.ranking import sigmoid

NONE_XY: FloatArray = np.zeros((0, 2))
# A mask that fits its box less than this makes us look for another one, which then must fit
# better by this much.
GOOD_FIT, BETTER_FIT = 0.96, 0.02
# Another mask starts from one of this many parts, and lies in the box to this share.
STARTS = 4
START_INSIDE, GUESS_INSIDE = 0.6, 0.7
# How much the expected IoU counts beside the fit to the box.
RANK_WEIGHT = 0.3
# Predicted IoU, from the fit to the box and from what is expected of the mask by itself: least
# squares over the 308 boxes of the development scenes 100 to 149.
SCORE_OF_FIT, SCORE_OF_MASK, SCORE_OFFSET = 0.70, 0.10, 0.21


def fill_box(
    frame: PreparedImage,
    box_xyxy: BoxXyxy,
    inside_xy: FloatArray,
    outside_xy: FloatArray,
    *,
    slack_px: float,
) -> ScoredMask:
    """Return the mask of what a box (pixel edges) frames, given points on and beside it."""
    image = frame.image_rgb
    if len(outside_xy):
        return _fill_beside(frame, box_xyxy, inside_xy, outside_xy, slack_px)
    mask = cut_box(image, box_xyxy, inside_xy, outside_xy, slack_px=slack_px)
    fit = box_fit(mask, box_xyxy)
    if fit < GOOD_FIT:
        found = _likeliest(frame, box_xyxy, inside_xy, None)
        if found is not None:
            limit = _loosened(box_xyxy, slack_px)
            other = cut_rough(image, found[0], inside_xy, outside_xy, limit)
            other_fit = box_fit(other, box_xyxy)
            if other_fit > fit + BETTER_FIT:
                mask, fit = other, other_fit
    if not mask.any():
        # Nothing sets the inside apart, as in a box within one surface: then it is all of the box.
        mask = _filled(box_xyxy, frame.size_wh)
        return ScoredMask(obey(mask, inside_xy, outside_xy), SCORE_OFFSET)
    expected = score_of(frame, mask)
    score = SCORE_OF_FIT * fit + SCORE_OF_MASK * expected + SCORE_OFFSET
    return ScoredMask(obey(mask, inside_xy, outside_xy), score)


def _fill_beside(
    frame: PreparedImage,
    box_xyxy: BoxXyxy,
    inside_xy: FloatArray,
    outside_xy: FloatArray,
    slack_px: float,
) -> ScoredMask:
    """Return what a box frames without the things that points beside the object lie on.

    A person may have drawn the box round the object, or round it and the other thing.
    """
    image, filled = frame.image_rgb, _filled(box_xyxy, frame.size_wh)
    present = cut_box(image, box_xyxy, inside_xy, NONE_XY, slack_px=slack_px)
    if not present.any():
        present = filled
    barred = things_beside(frame, present, inside_xy, outside_xy)
    mask = cut_box(image, box_xyxy, inside_xy, outside_xy, slack_px=slack_px, barred=barred)
    mask &= ~barred
    fit, expected = _fit_with(mask, barred & filled, box_xyxy), 0.0
    if mask.any():
        expected = score_of(frame, mask)
    found = _likeliest(frame, box_xyxy, inside_xy, barred)
    if found is not None and found[1] > fit + RANK_WEIGHT * expected:
        limit = _loosened(box_xyxy, slack_px)
        other = cut_rough(image, found[0], inside_xy, outside_xy, limit) & ~barred
        if other.any():
            mask, expected = other, score_of(frame, other)
            fit = _fit_with(mask, barred & filled, box_xyxy)
    if not mask.any():
        left = filled & ~barred
        mask = obey(left if left.any() else filled, inside_xy, outside_xy)
        return ScoredMask(mask, SCORE_OFFSET)
    # The fit alone says less than for a box round one thing.
    return ScoredMask(obey(mask, inside_xy, outside_xy), fit * (1.0 + expected) / 2.0)


def _fit_with(mask: BoolArray, barred: BoolArray, box_xyxy: BoxXyxy) -> float:
    """Return how well a mask fits a box, by itself or with what is barred in it."""
    return max(box_fit(mask, box_xyxy), box_fit(mask | barred, box_xyxy) if mask.any() else 0.0)


def _loosened(box_xyxy: BoxXyxy, slack_px: float) -> BoxXyxy:
    left, top, right, bottom = box_xyxy
    return left - slack_px, top - slack_px, right + slack_px, bottom + slack_px


def box_fit(mask: BoolArray, box_xyxy: BoxXyxy) -> float:
    """Return the IoU of a mask's own box with another [0-1]; 0 for an empty mask."""
    own = mask_to_box(mask)
    if own is None:
        return 0.0
    width, height = (
        max(0.0, min(own[i + 2], box_xyxy[i + 2]) - max(own[i], box_xyxy[i])) for i in (0, 1)
    )
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (own, box_xyxy)]
    return width * height / (sum(areas) - width * height)


def _filled(box_xyxy: BoxXyxy, image_wh: tuple[int, int]) -> BoolArray:
    """Return the pixels whose centre is in a box; of a sliver, those nearest to it."""
    low, high = np.array(box_xyxy).reshape(2, 2)
    first = np.clip(np.ceil(low), 0, np.array(image_wh) - 1).astype(int)
    last = np.clip(np.floor(high), first, np.array(image_wh) - 1).astype(int)
    mask = np.zeros(image_wh[::-1], bool)
    mask[first[1] : last[1] + 1, first[0] : last[0] + 1] = True
    return mask


def _likeliest(
    frame: PreparedImage, box_xyxy: BoxXyxy, inside_xy: FloatArray, barred: BoolArray | None
) -> tuple[BoolArray, float] | None:
    """Return the guess that fits a box best, at working size, and how good it is; None: none.

    `barred`, (H, W), is no part of it, but may be what fills the rest of the box.
    """
    labels, area = frame.parts.labels, frame.parts.area
    low, high = frame.to_working(np.array(box_xyxy).reshape(2, 2))
    rows, columns = np.arange(labels.shape[0]), np.arange(labels.shape[1])
    within = ((rows > low[1]) & (rows < high[1]))[:, None] & (
        (columns > low[0]) & (columns < high[0])
    )
    inside = np.bincount(labels.ravel(), within.ravel(), frame.parts.count)
    leaves = list(dict.fromkeys(frame.parts_at(inside_xy)))
    closed = np.zeros(frame.parts.count, bool)
    if barred is not None:
        small = cv2.resize(
            barred.astype(np.float32), labels.shape[::-1], interpolation=cv2.INTER_AREA
        )
        closed = np.bincount(labels.ravel(), small.ravel(), frame.parts.count) > 0.5 * area
        closed[leaves] = False
    weight = inside * sigmoid(frame.objectness)
    starts = [
        int(part)
        for part in np.argsort(-weight, kind='stable')
        if inside[part] > START_INSIDE * area[part] and not closed[part]
    ]
    rest = closed[labels] & within
    best, best_value = None, 0.0
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    for chosen in [leaves] if leaves else [[start] for start in starts[:STARTS]]:
        for guess in guesses_of(frame, chosen, np.flatnonzero(closed).tolist()):
            share = inside[guess.parts].sum() / area[guess.parts].sum()
            if share < GUESS_INSIDE:
                continue
            mask = guess.parts[labels]
            value = _fit_with(mask, rest, box) + RANK_WEIGHT * guess.score
            if value > best_value:
                best, best_value = mask, value
    return None if best is None else (best, best_value)
