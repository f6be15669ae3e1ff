# SPDX-License-Identifier: Apache-2.0
"""From a box to the mask of what fills it."""

from __future__ import annotations

import numpy as np

from sam_segmentation.backends.grabcut_click import guesses_of, score_of
from sam_segmentation.backends.grabcut_cut import Mask, cut_box, cut_rough
from sam_segmentation.backends.grabcut_frame import Frame
from sam_segmentation.backends.grabcut_net import Doubles, sigmoid
from sam_segmentation.core.masks import BoxXyxy, mask_to_box
from sam_segmentation.core.scored_mask import ScoredMask

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
    frame: Frame, box_xyxy: BoxXyxy, inside_xy: Doubles, outside_xy: Doubles, *, slack_px: float
) -> ScoredMask:
    """Return the mask of what a box (pixel edges) frames, given points on and beside it."""
    image = frame.image_rgb
    mask = cut_box(image, box_xyxy, None, inside_xy, outside_xy, slack_px=slack_px)
    fit = box_fit(mask, box_xyxy)
    if fit < GOOD_FIT:
        rough = _likeliest(frame, box_xyxy, inside_xy, outside_xy)
        if rough is not None:
            left, top, right, bottom = box_xyxy
            limit = left - slack_px, top - slack_px, right + slack_px, bottom + slack_px
            other = cut_rough(image, rough, inside_xy, outside_xy, limit)
            other_fit = box_fit(other, box_xyxy)
            if other_fit > fit + BETTER_FIT:
                mask, fit = other, other_fit
    if not mask.any():
        # Nothing sets the inside apart, as in a box within one surface: then it is all of the box.
        mask = _filled(box_xyxy, frame.size_wh)
        return ScoredMask(mask, SCORE_OFFSET)
    expected = score_of(frame, mask)
    return ScoredMask(mask, SCORE_OF_FIT * fit + SCORE_OF_MASK * expected + SCORE_OFFSET)


def box_fit(mask: Mask, box_xyxy: BoxXyxy) -> float:
    """Return the IoU of a mask's own box with another [0-1]; 0 for an empty mask."""
    own = mask_to_box(mask)
    if own is None:
        return 0.0
    width, height = (
        max(0.0, min(own[i + 2], box_xyxy[i + 2]) - max(own[i], box_xyxy[i])) for i in (0, 1)
    )
    areas = [(right - left) * (bottom - top) for left, top, right, bottom in (own, box_xyxy)]
    return width * height / (sum(areas) - width * height)


def _filled(box_xyxy: BoxXyxy, image_wh: tuple[int, int]) -> Mask:
    """Return the pixels whose centre is in a box; of a sliver, those nearest to it."""
    low, high = np.array(box_xyxy).reshape(2, 2)
    first = np.clip(np.ceil(low), 0, np.array(image_wh) - 1).astype(int)
    last = np.clip(np.floor(high), first, np.array(image_wh) - 1).astype(int)
    mask = np.zeros(image_wh[::-1], bool)
    mask[first[1] : last[1] + 1, first[0] : last[0] + 1] = True
    return mask


def _likeliest(
    frame: Frame, box_xyxy: BoxXyxy, inside_xy: Doubles, outside_xy: Doubles
) -> Mask | None:
    """Return the guess that fits a box best, at working size; None where there is none."""
    labels, area = frame.parts.labels, frame.parts.area
    low, high = frame.to_working(np.array(box_xyxy).reshape(2, 2))
    rows, columns = np.arange(labels.shape[0]), np.arange(labels.shape[1])
    within = ((rows > low[1]) & (rows < high[1]))[:, None] & (
        (columns > low[0]) & (columns < high[0])
    )
    inside = np.bincount(labels.ravel(), within.ravel(), frame.parts.count)
    weight = inside * sigmoid(frame.objectness)
    starts = [
        int(part)
        for part in np.argsort(-weight, kind='stable')
        if inside[part] > START_INSIDE * area[part]
    ]
    barred = frame.parts_at(outside_xy)
    leaves = [[*frame.parts_at(inside_xy)]] if len(inside_xy) else [[s] for s in starts[:STARTS]]
    best, best_value = None, 0.0
    box = (float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    for chosen in leaves:
        for guess in guesses_of(frame, chosen, [part for part in barred if part not in chosen]):
            share = inside[guess.parts].sum() / area[guess.parts].sum()
            if share < GUESS_INSIDE:
                continue
            mask = guess.parts[labels]
            value = box_fit(mask, box) + RANK_WEIGHT * guess.score
            if value > best_value:
                best, best_value = mask, value
    return best
