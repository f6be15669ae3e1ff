# SPDX-License-Identifier: Apache-2.0
"""Whether an object is seen in what it was given of a frame, and what is learned from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sam_common.masks import mask_to_box
from sam_common.scored_mask import ScoredMask
from sam_common.types import BoolArray
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.evaluation.mask_metrics import mask_iou
from sam_segmentation.models.optical_flow.color_histogram import BIN_COUNT, ColorHistogram
from sam_segmentation.models.optical_flow.frame import FlowFrame
from sam_segmentation.models.optical_flow.outline import contrast_of, cut_out, shape_area
from sam_segmentation.models.optical_flow.pixels import PixelClaim
from sam_segmentation.models.optical_flow.state import Bits, FlowState, empty_like
from sam_segmentation.models.optical_flow.window import ring_around

# The segmenter's answer counts if it agrees with the carried mask this much.
_AGREES_IOU = 0.75
# It takes nothing away that has the object's colours [log-odds].
_LOST_ODDS = 1.0
# An object is seen from this share of its area, and fully from the second on; and hidden objects
# from the third.
_HIDDEN_SHARE, _SURE_SHARE, _EMERGED_SHARE = 0.04, 0.12, 0.15
# What shows must have colours that are the object's with this chance, alone and beside how clearly
# its colours set it apart before: least, while it is seen, and when it emerges.
_LEAST_BELIEF, _USUAL_BELIEF, _EMERGED_BELIEF = 0.35, 0.5, 0.8
# And, where flow does not follow it, look like it this much, the more the larger it is.
_PART_LIKE, _WHOLE_LIKE = 0.45, 0.2
# Every so many frames an object that is seen in full gives a new shape; it must agree with the
# last one this much.
_SHAPE_EVERY, _FULL_SHARE, _FULL_IOU = 8, 0.85, 0.6
# After this many frames a smaller shape is believed too.
_STALE_AGE = 60
_PARTIAL_AGE, _PARTIAL_SHARE = 12, 0.7
_LEARNED_SHARE = 0.1
_AROUND_PX = 6
_SCORE_DECAY = 0.98


def begin(answer: ScoredMask, view: FlowFrame) -> FlowState:
    """Return the state of an object that was prompted."""
    nothing = ColorHistogram(np.full(BIN_COUNT, 1.0 / BIN_COUNT, np.float32))
    box = mask_to_box(answer.mask)
    if box is None:
        shape, place = np.ones((1, 1), bool), np.eye(2, 3)
    else:
        shape, place = cut_out(answer.mask)
    small = view.shrink(answer.mask)
    histogram = ColorHistogram.of(view.bins, small) or nothing
    return FlowState(
        bits=Bits.of(answer.mask),
        shape=shape,
        place=place,
        histogram=histogram,
        around=ColorHistogram.of(view.bins, ring_around(small, _AROUND_PX)) or view.histogram,
        drift_xy=(0.0, 0.0),
        contrast=contrast_of(histogram.against(view.histogram), answer.mask, view),
        score=answer.score,
        presence=0.0 if box is None else 1.0,
        hidden=int(box is None),
        age=0,
    )


def judge(
    state: FlowState,
    claim: PixelClaim,
    mask: BoolArray,
    others: BoolArray,
    view: FlowFrame,
    *,
    corrects: bool,
) -> FlowState:
    """Return the state of an object in a new frame.

    Parameters
    ----------
    state : FlowState
        In the frame before.
    claim : PixelClaim
    mask : array of bool, shape (H, W)
        What the object was given of its claim.
    others : array of bool, shape (H, W)
        What other objects were given.
    view : FlowFrame
    corrects : bool
        Whether the segmenter draws the outline anew.

    """
    moved = replace(state, place=claim.place, drift_xy=claim.drift_xy, age=state.age + 1)
    visible_px = np.count_nonzero(claim.outline)
    area = np.count_nonzero(mask)
    share = area / max(claim.shape_px, 1.0)
    if share < (_EMERGED_SHARE if state.hidden else _HIDDEN_SHARE):
        return hide(moved)
    colour = claim.colour[mask[claim.window.rows_columns]]
    belief = float((1.0 / (1.0 + np.exp(-colour))).mean())
    if belief < max(
        _LEAST_BELIEF, (_EMERGED_BELIEF if state.hidden else _USUAL_BELIEF) * state.contrast
    ):
        return hide(moved)
    if not claim.follows:
        # Something else may lie where the shape was looked for.
        histogram = ColorHistogram.of(view.bins, view.shrink(mask))
        if histogram is None or histogram.likeness(
            state.histogram
        ) < _PART_LIKE + _WHOLE_LIKE * min(1.0, share):
            return hide(moved)
    score = state.score
    if corrects:
        mask, score = correct(mask, claim, others, view, score)
        area = np.count_nonzero(mask)
        share = area / max(claim.shape_px, 1.0)
    presence = min(1.0, 0.5 + 0.5 * (share - _HIDDEN_SHARE) / (_SURE_SHARE - _HIDDEN_SHARE))
    seen = replace(moved, bits=Bits.of(mask), presence=presence, score=score, hidden=0)
    if seen.age < _SHAPE_EVERY or not area:
        return seen
    outline = claim.window.paste(claim.outline)
    full = area >= _FULL_SHARE * visible_px or seen.age > _STALE_AGE
    if not full or mask_iou(mask, outline) < _FULL_IOU:
        return seen
    return learn(seen, mask, view, claim.shape_px)


def learn(state: FlowState, mask: BoolArray, view: FlowFrame, shape_px: float) -> FlowState:
    """Return the state of an object that is seen in full, with what that teaches."""
    box = mask_to_box(mask)
    small = view.shrink(mask)
    fresh = ColorHistogram.of(view.bins, small)
    if box is None or fresh is None:
        return state
    around = ColorHistogram.of(view.bins, ring_around(small, _AROUND_PX)) or view.histogram
    width, height = view.size_wh
    cut_off = box[0] < 1 or box[1] < 1 or box[2] > width - 2 or box[3] > height - 2
    if cut_off and np.count_nonzero(mask) < shape_px:
        return replace(state, around=around, age=0)
    shape, place = cut_out(mask)
    histogram = state.histogram.mixed(fresh, _LEARNED_SHARE)
    contrast = contrast_of(histogram.against(view.histogram), mask, view)
    return replace(
        state,
        shape=shape,
        place=place,
        histogram=histogram,
        around=around,
        contrast=contrast,
        age=0,
    )


def correct(
    mask: BoolArray, claim: PixelClaim, others: BoolArray, view: FlowFrame, score: float
) -> tuple[BoolArray, float]:
    """Return the outline that the segmenter draws, if it agrees with a mask, and a score."""
    answer = view.segment(Prompt(mask=mask))
    drawn = answer.mask & ~others
    if mask_iou(drawn, mask) < _AGREES_IOU:
        return mask, score * _SCORE_DECAY
    at = claim.window.rows_columns
    lost = mask[at] & ~drawn[at]
    if lost.any() and claim.colour[lost].mean() > _LOST_ODDS:
        drawn = drawn | mask
    return drawn, answer.score


def is_partial(state: FlowState) -> bool:
    """Return whether only a part of an object was seen for long."""
    area = np.count_nonzero(state.bits.mask)
    whole = shape_area(state.shape, state.place)
    return state.age > _PARTIAL_AGE and area < _PARTIAL_SHARE * whole


def hide(state: FlowState) -> FlowState:
    """Return the state of an object that is not seen."""
    return replace(state, bits=empty_like(state.bits), presence=0.0, hidden=state.hidden + 1)
