# SPDX-License-Identifier: Apache-2.0
"""An object's whole outline: where it should be in a frame, and where it is seen."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.masks import mask_to_box
from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_segmentation.models.optical_flow.frame import FlowFrame
from sam_segmentation.models.optical_flow.state import FlowState
from sam_segmentation.models.optical_flow.window import Window, ring_around

_MARGIN_SHARE, _MARGIN_PX = 0.15, 6.0
# Longer side of the image in which shapes are looked for, near and everywhere [px].
_NEAR_SIDE_PX, _FAR_SIDE_PX = 320, 160
# Least contrast that may be an object's, alone and beside what its own was before.
_LEAST_CONTRAST, _USUAL_SHARE = 0.2, 0.4
# Far from the way that it should have gone, an object must look this much more like itself. Near
# means within its own size, which grows by a share of itself with every hidden frame.
_FAR_WEIGHT, _GROWTH = 0.65, 0.1
_NEAR_SHARE = 0.4
_SPAN_PX = 2


def placed(
    shape: BoolArray, place: FloatArray, size_wh: tuple[int, int]
) -> tuple[Window, BoolArray]:
    """Return a shape where it should be: a window round it, and its mask in there."""
    height, width = shape.shape
    corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) - 0.5
    corners = corners @ place[:, :2].T + place[:, 2]
    low, high = corners.min(axis=0), corners.max(axis=0)
    margin = _MARGIN_PX + _MARGIN_SHARE * float(max(high - low))
    window = Window.around((*low, *high), margin, size_wh)
    shifted = place - np.array([[0, 0, window.left], [0, 0, window.top]])
    size = window.right - window.left, window.bottom - window.top
    outline = cv2.warpAffine(shape.astype(np.float32), shifted, size)
    return window, np.asarray(outline > 0.5)


def shape_area(shape: BoolArray, place: FloatArray) -> float:
    """Return the area of a shape where it should be, in and out of the image [px]."""
    return float(np.count_nonzero(shape) * abs(np.linalg.det(place[:, :2])))


def cut_out(mask: BoolArray) -> tuple[BoolArray, FloatArray]:
    """Return a mask as a shape and its place; it must not be empty."""
    box = mask_to_box(mask)
    if box is None:
        raise ValueError('the mask is empty; a shape has pixels')
    left, top, right, bottom = (round(edge + 0.5) for edge in box)
    place = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
    return mask[top:bottom, left:right].copy(), place


def compose(second: FloatArray, first: FloatArray) -> FloatArray:
    """Return the motion that does one and then another, each of shape (2, 3)."""
    turned = second[:, :2] @ first
    turned[:, 2] += second[:, 2]
    return np.asarray(turned)


def signed_distance(mask: BoolArray) -> Float32Array:
    """Return how far inside a mask each pixel is [px]; negative outside."""
    inside = np.pad(mask.astype(np.uint8), 1, 'edge')
    deep, far = (
        cv2.distanceTransform(side, cv2.DIST_L2, 3)[1:-1, 1:-1] for side in (inside, 1 - inside)
    )
    # Where there is no outline, the distance to it is out of range.
    most = float(sum(mask.shape))
    return np.asarray(np.where(mask, np.minimum(deep, most), -np.minimum(far, most)), np.float32)


def contrast_of(state_odds: Float32Array, mask: BoolArray, view: FlowFrame) -> float:
    """Return how clearly colours set a mask apart from what is around it [0-1].

    Parameters
    ----------
    state_odds : array of float32, shape (BIN_COUNT,)
        `ColorHistogram.against` the whole image.
    mask : array of bool, shape (H, W)
    view : FlowFrame

    """
    small = view.shrink(mask)
    ring = ring_around(small, _SPAN_PX * 2)
    if not small.any() or not ring.any():
        return 0.0
    chance = _chance(state_odds, view)
    return max(0.0, float(chance[small].mean() - chance[ring].mean()))


def find_near(state: FlowState, view: FlowFrame, place: FloatArray) -> FloatArray:
    """Return where the object's shape is seen near a place; the place itself where it is not."""
    score, centre, factor = _scores(state, view, place, None, side_px=_NEAR_SIDE_PX)
    drift = np.hypot(*state.drift_xy) * factor
    span = _NEAR_SHARE * np.sqrt(shape_area(state.shape, place)) * factor + 0.5 * drift
    found = _best(score * _nearness(score, centre, span))
    if found[1] < max(_LEAST_CONTRAST, _USUAL_SHARE * state.contrast):
        return place
    return _shifted(place, (found[0] - centre) / factor)


def find_far(
    state: FlowState, view: FlowFrame, place: FloatArray, taken: BoolArray, *, count: int
) -> list[FloatArray]:
    """Return where in the whole image the object's shape may be seen, the likeliest first.

    Parameters
    ----------
    state : FlowState
    view : FlowFrame
    place : array of float64, shape (2, 3)
        Where it should be.
    taken : array of bool, shape (H, W)
        Pixels of other objects.
    count : int
        Return no more than this.

    """
    score, centre, factor = _scores(state, view, place, taken, side_px=_FAR_SIDE_PX)
    side = np.sqrt(shape_area(state.shape, place)) * factor
    # What left the image returns at its border.
    inside = np.clip(centre, 0.0, np.array(score.shape[::-1]) - 1.0)
    near = _nearness(score, inside, side * (1.0 + _GROWTH * state.hidden))
    weighted = score * (_FAR_WEIGHT + (1.0 - _FAR_WEIGHT) * near)
    places: list[FloatArray] = []
    while len(places) < count:
        found = _best(weighted)
        if found[1] < max(_LEAST_CONTRAST, _USUAL_SHARE * state.contrast):
            break
        places.append(_shifted(place, (found[0] - centre) / factor))
        weighted *= 1.0 - _nearness(score, found[0], side / 2)
    return places


def _scores(
    state: FlowState, view: FlowFrame, place: FloatArray, taken: BoolArray | None, *, side_px: int
) -> tuple[Float32Array, FloatArray, float]:
    """Return how well the shape fits round each pixel of a small image, and its middle there."""
    chance = _chance(state.histogram.against(view.histogram), view)
    if taken is not None:
        chance[view.shrink(taken)] = 0.0
    factor = min(1.0, side_px / max(view.size_wh))
    size = max(1, round(view.size_wh[0] * factor)), max(1, round(view.size_wh[1] * factor))
    chance = np.asarray(cv2.resize(chance, size, interpolation=cv2.INTER_AREA), np.float32)
    kernel, centre = _kernel(state.shape, place, factor)
    score = cv2.filter2D(chance, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(score, np.float32), centre, factor


def _nearness(score: Float32Array, centre: FloatArray, span: float) -> Float32Array:
    ys, xs = np.ogrid[: score.shape[0], : score.shape[1]]
    squared = (xs - centre[0]) ** 2 + (ys - centre[1]) ** 2
    return np.asarray(np.exp(-squared / (2.0 * span**2)), np.float32)


def _best(score: Float32Array) -> tuple[FloatArray, float]:
    y, x = np.unravel_index(int(score.argmax()), score.shape)
    return np.array([x, y], np.float64), float(score[y, x])


def _shifted(place: FloatArray, by_xy: FloatArray) -> FloatArray:
    moved = place.copy()
    moved[:, 2] += by_xy
    return moved


def _chance(odds: Float32Array, view: FlowFrame) -> Float32Array:
    table = 1.0 / (1.0 + np.exp(-odds))
    return np.asarray(table[view.bins], np.float32)


def _kernel(shape: BoolArray, place: FloatArray, factor: float) -> tuple[Float32Array, FloatArray]:
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
    kernel = inside / max(1, np.count_nonzero(inside)) - ring / max(1, np.count_nonzero(ring))
    return np.asarray(kernel, np.float32), centre
