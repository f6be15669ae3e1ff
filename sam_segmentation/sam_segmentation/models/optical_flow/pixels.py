# SPDX-License-Identifier: Apache-2.0
"""Which pixels of a new frame may show an object: its mask carried there, and its colours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.masks import remove_small_regions
from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_segmentation.models.optical_flow.frame import FlowFrame
from sam_segmentation.models.optical_flow.outline import (
    compose,
    find_near,
    placed,
    shape_area,
    signed_distance,
)
from sam_segmentation.models.optical_flow.state import FlowState
from sam_segmentation.models.optical_flow.window import Window

# A carried outline is this exact, as a share of the image's width; and no more is believed of it
# [log-odds], the less where the flow is not consistent.
_OUTLINE_SHARE, _MOST_PRIOR, _UNSURE = 1 / 250, 3.0, 0.4
# Where the object should be, but was not seen before, its colours must say this much [log-odds].
_UNCOVERED_PRIOR = -0.3
# Flow follows an object if this much of it moves as one; else its shape is looked for.
_FOLLOWED_SHARE, _PLACED_PRIOR = 0.75, 0.5
# Colours that say less than this say nothing: where object and surroundings look alike, they
# would move the outline a little in every frame.
_MUTE_ODDS = 1.0
# What the whole image says of an object's surroundings, beside what was around it before.
_WHOLE_SHARE = 0.3
_SMOOTH_SHARE = 1 / 400
# How much of its own motion an object keeps from frame to frame while it is hidden.
_COASTING = 0.9
# A motion between two frames that scales by more than this is a wrong one.
_MOST_SCALING = 1.15
_FRESH_DRIFT = 0.6
# Whether the whole turns cannot be told from a part that is smaller than this.
_TURNS_SHARE = 0.6
# Pieces smaller than this share of the object are noise.
_PIECE_SHARE = 0.02


@dataclass(frozen=True, eq=False)
class PixelClaim:
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
    follows : bool
        Whether flow could follow the object; else its shape was looked for.

    """

    window: Window
    odds: Float32Array
    colour: Float32Array
    outline: BoolArray
    shape_px: float
    place: FloatArray
    drift_xy: tuple[float, float]
    follows: bool


def make_claim(state: FlowState, view: FlowFrame) -> PixelClaim:
    """Return what an object claims of the next frame."""
    mask = None if state.hidden else state.bits.mask
    place, drift_xy, follows = _move(state, mask, view)
    window, outline = placed(state.shape, place, view.size_wh)
    exactness = _OUTLINE_SHARE * view.size_wh[0]
    prior = np.full(outline.shape, -_MOST_PRIOR, np.float32)
    if mask is not None and view.flow is None:
        carried = mask[window.rows_columns]
        prior = np.clip(signed_distance(carried) / exactness, -_MOST_PRIOR, _MOST_PRIOR)
    elif mask is not None and view.flow is not None and follows:
        soft, sure = view.flow.carry(mask, window)
        prior = np.clip(signed_distance(soft > 0.5) / exactness, -_MOST_PRIOR, _MOST_PRIOR)
        prior *= _UNSURE + (1.0 - _UNSURE) * sure
    elif mask is not None:
        prior = np.clip(signed_distance(outline) / exactness, -_MOST_PRIOR, _PLACED_PRIOR)
    prior[outline] = np.maximum(prior[outline], _UNCOVERED_PRIOR)
    colour = colour_odds(state, view, window)
    muted = np.sign(colour) * np.maximum(np.abs(colour) - _MUTE_ODDS, 0.0)
    sigma = max(0.5, _SMOOTH_SHARE * view.size_wh[0])
    odds = np.asarray(cv2.GaussianBlur(prior + muted, (0, 0), sigma), np.float32)
    return PixelClaim(
        window, odds, colour, outline, shape_area(state.shape, place), place, drift_xy, follows
    )


def colour_odds(state: FlowState, view: FlowFrame, window: Window) -> Float32Array:
    """Return what the colours in a window say for an object [log-odds]."""
    around = state.around.mixed(view.histogram, _WHOLE_SHARE)
    return window.sample(state.histogram.against(around)[view.bins])


def assign_pixels(
    claims: Mapping[int, PixelClaim], size_wh: tuple[int, int]
) -> dict[int, BoolArray]:
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


def _move(
    state: FlowState, mask: BoolArray | None, view: FlowFrame
) -> tuple[FloatArray, tuple[float, float], bool]:
    """Return where the object's shape should be, its drift, and whether flow could follow it."""
    camera = view.camera_motion
    drift_x, drift_y = state.drift_xy
    found = view.flow.motion_of(mask) if mask is not None and view.flow is not None else None
    if (
        mask is not None
        and found is not None
        and found[1] > _FOLLOWED_SHARE
        and _is_sane(found[0])
    ):
        motion = found[0]
        if np.count_nonzero(mask) < _TURNS_SHARE * shape_area(state.shape, state.place):
            motion = _shift_at(motion, mask)
        centre = state.place @ [state.shape.shape[1] / 2, state.shape.shape[0] / 2, 1.0]
        own = (motion - camera) @ [*centre, 1.0]
        drift = (1 - _FRESH_DRIFT) * np.array([drift_x, drift_y]) + _FRESH_DRIFT * own
        return compose(motion, state.place), (float(drift[0]), float(drift[1])), True
    moved = camera.copy()
    moved[:, 2] += drift_x, drift_y
    place = compose(moved, state.place)
    if mask is None:
        return place, (_COASTING * drift_x, _COASTING * drift_y), False
    return find_near(state, view, place), state.drift_xy, False


def _shift_at(motion: FloatArray, mask: BoolArray) -> FloatArray:
    """Return the shift that a motion is at the middle of a mask."""
    ys, xs = np.nonzero(mask)
    centre = np.array([xs.mean(), ys.mean()])
    shift = np.eye(2, 3)
    shift[:, 2] = motion @ [*centre, 1.0] - centre
    return shift


def _is_sane(motion: FloatArray) -> bool:
    scaling = abs(np.linalg.det(motion[:, :2]))
    return bool(_MOST_SCALING**-2 < scaling < _MOST_SCALING**2)
