# SPDX-License-Identifier: Apache-2.0
"""Where in a frame a hidden object is seen again: its colours in its shape, near its way first."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.backends.flow_claim import (
    Claim,
    Doubles,
    Mask,
    colour_odds,
    placed,
    shape_area,
)
from sam_segmentation.backends.flow_look import Look
from sam_segmentation.backends.flow_state import Bits, FlowState
from sam_segmentation.backends.flow_view import FrameView
from sam_segmentation.backends.flow_window import ring_around
from sam_segmentation.core.prompt import Prompt

Soft = npt.NDArray[np.float32]

# Longer side of the image that is searched [px].
_SEARCH_SIDE_PX = 160
# Least contrast that may be an object's, alone and beside what its own was before.
_LEAST_CONTRAST, _USUAL_SHARE = 0.2, 0.65
# Far from the way that it should have gone, an object must look this much more like itself. Near
# means within its own size, which grows by a share of itself with every hidden frame.
_FAR_WEIGHT, _GROWTH = 0.75, 0.1
_SPAN_PX = 2
# What is found must hold this share of the object in its colours, be no larger than that, and
# look like it [Bhattacharyya coefficient].
_LIKELY_ODDS, _FOUND_SHARE, _MOST_SHARE, _LIKE = 0.0, 0.4, 1.6, 0.7


def contrast_of(state_odds: Soft, mask: Mask, view: FrameView) -> float:
    """Return how clearly colours set a mask apart from what is around it [0-1].

    Parameters
    ----------
    state_odds : array of float32, shape (BIN_COUNT,)
        `Look.against` the whole image.
    mask : array of bool, shape (H, W)
    view : FrameView

    """
    small = view.shrink(mask)
    ring = ring_around(small, _SPAN_PX * 2)
    if not small.any() or not ring.any():
        return 0.0
    chance = _chance(state_odds, view)
    return max(0.0, float(chance[small].mean() - chance[ring].mean()))


def find_place(state: FlowState, view: FrameView, place: Doubles, taken: Mask) -> Doubles | None:
    """Return where the object's shape is most likely seen; None: nowhere.

    Parameters
    ----------
    state : FlowState
    view : FrameView
    place : array of float64, shape (2, 3)
        Where it should be.
    taken : array of bool, shape (H, W)
        Pixels of other objects.

    """
    chance = _chance(state.look.against(view.look), view)
    chance[view.shrink(taken)] = 0.0
    factor = min(1.0, _SEARCH_SIDE_PX / max(view.size_wh))
    size = tuple(max(1, round(side * factor)) for side in view.size_wh)
    chance = np.asarray(cv2.resize(chance, size, interpolation=cv2.INTER_AREA), np.float32)
    kernel, centre = _kernel(state.shape, place, factor)
    if kernel is None:
        return None
    score = np.asarray(
        cv2.filter2D(chance, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT), np.float32
    )
    ys, xs = np.mgrid[: size[1], : size[0]]
    span = np.sqrt(np.count_nonzero(kernel > 0)) * (1.0 + _GROWTH * state.hidden)
    near = np.exp(-((xs - centre[0]) ** 2 + (ys - centre[1]) ** 2) / (2.0 * span**2))
    score = score * (_FAR_WEIGHT + (1.0 - _FAR_WEIGHT) * near)
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    if score[y, x] < max(_LEAST_CONTRAST, _USUAL_SHARE * state.contrast):
        return None
    moved = place.copy()
    moved[:, 2] += (np.array([x, y]) - centre) / factor
    return moved


def _chance(odds: Soft, view: FrameView) -> Soft:
    table = 1.0 / (1.0 + np.exp(-odds))
    return np.asarray(table[view.bins], np.float32)


def _kernel(shape: Mask, place: Doubles, factor: float) -> tuple[Soft | None, Doubles]:
    """Return what answers the mean in a shape less that around it, and where its middle is."""
    small = place * factor
    height, width = shape.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ small[:, :2].T
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre = (low + high) / 2 + small[:, 2]
    side = np.ceil((high - low) / 2).astype(int) + _SPAN_PX + 1
    at = small.copy()
    at[:, 2] = side - (low + high) / 2
    inside = (
        cv2.warpAffine(shape.astype(np.float32), at, tuple(int(s) for s in 2 * side + 1)) > 0.5
    )
    ring = ring_around(inside, _SPAN_PX)
    if not inside.any() or not ring.any():
        return None, centre
    kernel = inside / np.count_nonzero(inside) - ring / np.count_nonzero(ring)
    return np.asarray(kernel, np.float32), centre


def find_again(state: FlowState, claim: Claim, others: Mask, view: FrameView) -> FlowState:
    """Return the state of a hidden object: as it was, or seen again."""
    place = find_place(state, view, claim.place, others)
    if place is None:
        return state
    again = replace(state, place=place)
    window, outline = placed(state.shape, place, view.size_wh)
    colour = colour_odds(again, view, window)
    part = outline & (colour > _LIKELY_ODDS) & ~others[window.rows_columns]
    area = shape_area(state.shape, place)
    if np.count_nonzero(part) < _FOUND_SHARE * area:
        return state
    answer = view.segment(Prompt(mask=window.paste(outline & ~others[window.rows_columns])))
    mask = answer.mask & ~others
    look = Look.of(view.bins, view.shrink(mask))
    share = np.count_nonzero(mask) / area
    if look is None or not _FOUND_SHARE < share < _MOST_SHARE:
        return state
    if look.likeness(state.look) < _LIKE:
        return state
    return replace(again, bits=Bits.of(mask), presence=1.0, score=answer.score, hidden=0, age=0)
