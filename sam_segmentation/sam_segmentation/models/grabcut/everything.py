# SPDX-License-Identifier: Apache-2.0
"""Every object of an image, by clicking on a grid."""

from __future__ import annotations

import numpy as np

from sam_common.bounds import check_everything
from sam_common.masks import non_maximum_suppression, remove_small_regions
from sam_common.scored_mask import ScoredMask
from sam_common.steps import Pace, Steps
from sam_common.types import FloatArray
from sam_segmentation.core.segmenter import EverythingOptions
from sam_segmentation.models.grabcut.click import Guess, belonging, guesses_of
from sam_segmentation.models.grabcut.cut import cut_rough
from sam_segmentation.models.grabcut.frame import PreparedImage
from sam_segmentation.models.grabcut.ranking import sigmoid

NONE_XY: FloatArray = np.zeros((0, 2))
SAME_OBJECT_IOU = 0.5
# A mask that another one covers to this share is a piece of it.
COVERED_SHARE = 0.8
# Table and background are left out: what is an object with a lower chance than this.
MIN_OBJECTNESS = 0.3
# The chances between which a stable mask does not change.
LENIENT, STRICT = 0.45, 0.55


def find_everything(frame: PreparedImage, options: EverythingOptions) -> Steps[list[ScoredMask]]:
    """Return masks that overlap little, largest area first; what is left over is not returned.

    Raises
    ------
    TooLargeError
        If the masks would take too much memory.

    """
    pace = Pace()
    found: list[ScoredMask] = []
    guesses = yield from _guesses(frame, options, pace)
    check_everything(len(guesses), frame.size_wh)
    for guess in guesses:
        yield from pace.pause()
        rough = guess.parts[frame.parts.labels]
        mask = cut_rough(frame.image_rgb, rough, NONE_XY, NONE_XY, None)
        mask = remove_small_regions(mask, options.min_mask_region_area)
        if np.count_nonzero(mask) >= max(1, options.min_mask_region_area):
            found.append(ScoredMask(mask, guess.score))
    kept = non_maximum_suppression(
        [item.mask for item in found],
        [item.score for item in found],
        iou_thresh=SAME_OBJECT_IOU,
    )
    return sorted((found[index] for index in kept), key=lambda item: -item.area)


def _guesses(frame: PreparedImage, options: EverythingOptions, pace: Pace) -> Steps[list[Guess]]:
    """Return the best guess at each point of the grid, none twice, best first."""
    width, height = frame.size_wh
    side = options.points_per_side
    steps = (np.arange(side) + 0.5) / side
    grid = np.stack(np.meshgrid(steps * width, steps * height), axis=-1).reshape(-1, 2) - 0.5
    area = frame.parts.area
    likely = sigmoid(frame.objectness)
    guesses = []
    for leaf in dict.fromkeys(frame.parts_at(grid)):
        yield from pace.pause()
        best = guesses_of(frame, [leaf], [])[0]
        weight = area * best.parts
        if (
            best.score >= options.pred_iou_thresh
            and (weight * likely).sum() >= MIN_OBJECTNESS * weight.sum()
            and _stability(frame, leaf) >= options.stability_score_thresh
        ):
            guesses.append(best)
    guesses.sort(key=lambda guess: -guess.score)
    kept: list[Guess] = []
    for guess in guesses:
        yield from pace.pause()
        own = area[guess.parts].sum()
        shared = [area[guess.parts & other.parts].sum() for other in kept]
        if all(
            both < COVERED_SHARE * min(own, area[other.parts].sum())
            for both, other in zip(shared, kept, strict=True)
        ):
            kept.append(guess)
    return kept


def _stability(frame: PreparedImage, leaf: int) -> float:
    """Return how little a click's mask changes with the chance that a part needs to be in it."""
    chance, area = belonging(frame, leaf), frame.parts.area
    return float(area[chance > STRICT].sum() / area[chance > LENIENT].sum())
