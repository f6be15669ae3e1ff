# SPDX-License-Identifier: Apache-2.0
"""Which pixels of a new frame may show an object: its mask carried there, and its colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.backends.flow_state import FlowState
from sam_segmentation.backends.flow_view import FrameView
from sam_segmentation.backends.flow_window import Window
from sam_segmentation.core.masks import mask_to_box, remove_small_regions

Mask = npt.NDArray[np.bool_]
Soft = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

# A carried outline is this exact, as a share of the image's width; and no more is believed of it
# [log-odds], the less where the flow is not consistent.
_OUTLINE_SHARE, _MOST_PRIOR, _UNSURE = 1 / 250, 3.0, 0.4
# Where the object should be, but was not seen before, its colours must say this much [log-odds].
_UNCOVERED_PRIOR = -0.3
# Colours that say less than this say nothing: where object and surroundings look alike, they
# would move the outline a little in every frame.
_MUTE_ODDS = 1.0
# What the whole image says of an object's surroundings, beside what was around it before.
_WHOLE_SHARE = 0.3
_SMOOTH_SHARE = 1 / 400
_MARGIN_SHARE, _MARGIN_PX = 0.15, 6.0
# How much of its own motion an object keeps from frame to frame while it is hidden.
_COASTING = 0.9
# A motion between two frames that scales by more than this is a wrong one.
_MOST_SCALING = 1.15
_FRESH_DRIFT = 0.4
# Pieces smaller than this share of the object are noise.
_PIECE_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class Claim:
    """What one object claims of a frame.

    Parameters
    ----------
    window : Window
        Beyond it the object claims nothing.
    odds : array of float32, shape (h, w)
        Log-odds that a pixel of the window shows the object.
    colour : array of float32, shape (h, w)
        What its colour alone says [log-odds].
    outline : array of bool, shape (h, w)
        Where the whole object should be.
    shape_px : float
        Area of the whole object, in and out of the image [px].
    place : array of float64, shape (2, 3)
    drift_xy : (float, float)
        As in `FlowState`, for the new frame.

    """

    window: Window
    odds: Soft
    colour: Soft
    outline: Mask
    shape_px: float
    place: Doubles
    drift_xy: tuple[float, float]


def make_claim(state: FlowState, view: FrameView) -> Claim:
    """Return what an object claims of the next frame."""
    flow = view.flow
    mask = None if state.hidden else state.bits.mask
    motion, drift_xy = _move(state, mask, view)
    place = compose(motion, state.place)
    window, outline = placed(state.shape, place, view.size_wh)
    prior = np.full(outline.shape, -_MOST_PRIOR, np.float32)
    if mask is not None:
        if flow is None:
            carried, sure = mask[window.rows_columns], np.ones(outline.shape, np.float32)
        else:
            soft, sure = flow.carry(mask, window)
            carried = soft > 0.5
        exactness = _OUTLINE_SHARE * view.size_wh[0]
        prior = np.clip(signed_distance(carried) / exactness, -_MOST_PRIOR, _MOST_PRIOR)
        prior *= _UNSURE + (1.0 - _UNSURE) * sure
    prior[outline] = np.maximum(prior[outline], _UNCOVERED_PRIOR)
    colour = colour_odds(state, view, window)
    muted = np.sign(colour) * np.maximum(np.abs(colour) - _MUTE_ODDS, 0.0)
    sigma = max(0.5, _SMOOTH_SHARE * view.size_wh[0])
    odds = np.asarray(cv2.GaussianBlur(prior + muted, (0, 0), sigma), np.float32)
    return Claim(window, odds, colour, outline, shape_area(state.shape, place), place, drift_xy)


def colour_odds(state: FlowState, view: FrameView, window: Window) -> Soft:
    """Return what the colours in a window say for an object [log-odds]."""
    around = state.around.mixed(view.look, _WHOLE_SHARE)
    return window.sample(state.look.against(around)[view.bins])


def settle(claims: Mapping[int, Claim], size_wh: tuple[int, int]) -> dict[int, Mask]:
    """Give each pixel to the object that claims it most, if any does.

    Returns
    -------
    dict
        The mask of each object, bool, shape (H, W).

    """
    best = np.zeros(size_wh[::-1], np.float32)
    owner = np.zeros(size_wh[::-1], np.int32)
    for object_id, claim in claims.items():
        at = claim.window.rows_columns
        wins = claim.odds > best[at]
        best[at][wins] = claim.odds[wins]
        owner[at][wins] = object_id
    masks = {}
    for object_id, claim in claims.items():
        part = owner[claim.window.rows_columns] == object_id
        part = remove_small_regions(part, int(_PIECE_SHARE * claim.shape_px))
        masks[object_id] = claim.window.paste(part)
    return masks


def placed(shape: Mask, place: Doubles, size_wh: tuple[int, int]) -> tuple[Window, Mask]:
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


def shape_area(shape: Mask, place: Doubles) -> float:
    """Return the area of a shape where it should be, in and out of the image [px]."""
    return float(np.count_nonzero(shape) * abs(np.linalg.det(place[:, :2])))


def cut_out(mask: Mask) -> tuple[Mask, Doubles]:
    """Return a mask as a shape and its place; it must not be empty."""
    box = mask_to_box(mask)
    if box is None:
        raise ValueError('the mask is empty; a shape has pixels')
    left, top, right, bottom = (round(edge + 0.5) for edge in box)
    place = np.array([[1.0, 0.0, left], [0.0, 1.0, top]])
    return mask[top:bottom, left:right].copy(), place


def compose(second: Doubles, first: Doubles) -> Doubles:
    """Return the motion that does one and then another, each of shape (2, 3)."""
    turned = second[:, :2] @ first
    turned[:, 2] += second[:, 2]
    return np.asarray(turned)


def signed_distance(mask: Mask) -> Soft:
    """Return how far inside a mask each pixel is [px]; negative outside."""
    inside = mask.astype(np.uint8)
    if not inside.any():
        return np.full(mask.shape, -1e3, np.float32)
    deep = cv2.distanceTransform(np.pad(inside, 1, 'edge'), cv2.DIST_L2, 3)[1:-1, 1:-1]
    far = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3)
    return np.asarray(np.where(mask, deep - 0.5, 0.5 - far), np.float32)


def _move(
    state: FlowState, mask: Mask | None, view: FrameView
) -> tuple[Doubles, tuple[float, float]]:
    """Return how the object moved, and its drift."""
    camera = view.camera_motion
    drift_x, drift_y = state.drift_xy
    if mask is not None and view.flow is not None:
        motion = view.flow.motion_of(mask)
        if motion is not None and _is_sane(motion):
            centre = state.place @ [state.shape.shape[1] / 2, state.shape.shape[0] / 2, 1.0]
            own = (motion - camera) @ [*centre, 1.0]
            fresh = _FRESH_DRIFT
            drift = (1 - fresh) * np.array([drift_x, drift_y]) + fresh * own
            return motion, (float(drift[0]), float(drift[1]))
    moved = camera.copy()
    moved[:, 2] += drift_x, drift_y
    return moved, (_COASTING * drift_x, _COASTING * drift_y)


def _is_sane(motion: Doubles) -> bool:
    scaling = abs(np.linalg.det(motion[:, :2]))
    return bool(_MOST_SCALING**-2 < scaling < _MOST_SCALING**2)
