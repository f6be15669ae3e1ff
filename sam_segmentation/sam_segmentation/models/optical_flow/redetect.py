# SPDX-License-Identifier: Apache-2.0
"""Where in a frame a hidden object is seen again: its colours in its shape, near its way first."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from sam_common.masks import remove_small_regions
from sam_common.types import BoolArray, FloatArray
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.models.optical_flow.color_histogram import ColorHistogram
from sam_segmentation.models.optical_flow.frame import FlowFrame
from sam_segmentation.models.optical_flow.outline import (
    contrast_of,
    find_far,
    find_near,
    placed,
    shape_area,
)
from sam_segmentation.models.optical_flow.pixels import PixelClaim, colour_odds
from sam_segmentation.models.optical_flow.state import Bits, FlowState

# So many places are tried.
_PLACES = 3
# What is found must hold this share of the object in its colours, be no larger than that, and
# look like it [Bhattacharyya coefficient].
_FOUND_SHARE, _MOST_SHARE, _LIKE = 0.4, 1.6, 0.8
_REACH, _PIECE_SHARE = 0.2, 0.1
# A mask that holds more of an object looks more like it by this.
_HEALED = 0.05
# It must stand out from what is around it, beside how much it did before.
_DISTINCT_SHARE = 0.7


def find_again(
    state: FlowState, claim: PixelClaim, others: BoolArray, view: FlowFrame
) -> FlowState:
    """Return the state of a hidden object: as it was, or seen again.

    Parameters
    ----------
    state : FlowState
    claim : PixelClaim
    others : array of bool, shape (H, W)
        Pixels of other objects, which are not its own.
    view : FlowFrame

    """
    best, best_likeness = state, _LIKE
    for place in find_far(state, view, claim.place, others, count=_PLACES):
        again, likeness = _try(replace(state, place=place), place, others, view)
        if likeness > best_likeness:
            best, best_likeness = again, likeness
    return best


def heal(state: FlowState, claim: PixelClaim, others: BoolArray, view: FlowFrame) -> FlowState:
    """Return the state of an object of which long only a part was seen: as it was, or whole again.

    Nothing may be in front of it: then its mask has lost the rest by mistake.
    """
    seen = ColorHistogram.of(view.bins, view.shrink(state.bits.mask))
    place = find_near(state, view, claim.place)
    whole, likeness = _try(replace(state, place=place), place, others, view)
    if seen is None or likeness < max(_LIKE, seen.likeness(state.histogram) + _HEALED):
        return state
    return replace(whole, drift_xy=state.drift_xy)


def _try(
    state: FlowState, place: FloatArray, others: BoolArray, view: FlowFrame
) -> tuple[FlowState, float]:
    """Return the state of an object at a place, and how much what is there looks like it."""
    window, outline = placed(state.shape, place, view.size_wh)
    free = ~others[window.rows_columns]
    # Turned, it reaches beyond its outline here and there.
    side = 2 * max(1, round(_REACH * np.sqrt(np.count_nonzero(outline)))) + 1
    reach = cv2.dilate(outline.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    part = reach & free & (cv2.blur(colour_odds(state, view, window), (5, 5)) > 0)
    part = remove_small_regions(part, int(_PIECE_SHARE * np.count_nonzero(outline)))
    area = shape_area(state.shape, place)
    if np.count_nonzero(part) < _FOUND_SHARE * area:
        return state, 0.0
    answer = view.segment(Prompt(mask=window.paste(part)))
    mask = answer.mask & ~others
    histogram = ColorHistogram.of(view.bins, view.shrink(mask))
    share = np.count_nonzero(mask) / area
    if histogram is None or not _FOUND_SHARE < share < _MOST_SHARE:
        return state, 0.0
    contrast = contrast_of(state.histogram.against(view.histogram), mask, view)
    if contrast < _DISTINCT_SHARE * state.contrast:
        return state, 0.0  # a piece of something larger
    likeness = histogram.likeness(state.histogram)
    seen = replace(
        state,
        bits=Bits.of(mask),
        presence=1.0,
        score=answer.score,
        hidden=0,
        age=0,
        drift_xy=(0.0, 0.0),
    )
    return seen, likeness
