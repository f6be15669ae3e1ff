# SPDX-License-Identifier: Apache-2.0
"""What points mean: each stands for the thing that it lies on, not for one pixel."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.types import BoolArray, FloatArray, IntArray
from sam_segmentation.core.errors import PromptError
from sam_segmentation.models.grabcut.click import guesses_of
from sam_segmentation.models.grabcut.frame import PreparedImage

# What a point beside the object takes away leaves at least this share of what there was.
LEAST_LEFT = 0.25
# Even where colours tell nothing, a point speaks for a disc of this share of the object's size,
# and of the way to the nearest point that says otherwise.
DISC_SHARE, WAY_SHARE = 0.06, 0.4


def check_points(inside_xy: FloatArray, outside_xy: FloatArray) -> None:
    """Raise PromptError where a pixel is said to be both on and beside the object."""
    both = set(map(tuple, pixels(inside_xy).tolist())) & set(
        map(tuple, pixels(outside_xy).tolist())
    )
    if both:
        x, y = min(both)
        raise PromptError(
            f'pixel ({x}, {y}) is labelled both 1 (on the object) and 0 (beside it); '
            'remove one of the two points'
        )


def pixels(points_xy: FloatArray) -> IntArray:
    """Return the pixel that each point lies on, shape (n, 2)."""
    return np.asarray(np.floor(points_xy + 0.5), np.int64)


def things_beside(
    frame: PreparedImage, present: BoolArray, inside_xy: FloatArray, outside_xy: FloatArray
) -> BoolArray:
    """Return the things that points beside the object lie on, of what is now taken for it.

    Parameters
    ----------
    frame : PreparedImage
    present : array of bool, shape (H, W)
        What would be the object without these points.
    inside_xy, outside_xy : array of float64, shape (n, 2)
        [px].

    Returns
    -------
    array of bool, shape (H, W)

    """
    found = np.zeros(present.shape, bool)
    labels, count = frame.parts.labels, frame.parts.count
    size = labels.shape[1], labels.shape[0]
    share = cv2.resize(present.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    held = np.bincount(labels.ravel(), share.ravel(), count)
    protected = list(dict.fromkeys(frame.parts_at(inside_xy)))
    at = pixels(outside_xy)
    parts = np.zeros(count, bool)
    for leaf in dict.fromkeys(
        leaf
        for leaf, (x, y) in zip(frame.parts_at(outside_xy), at, strict=True)
        if present[y, x] and leaf not in protected
    ):
        for guess in guesses_of(frame, [leaf], protected):
            if held[guess.parts].sum() <= (1.0 - LEAST_LEFT) * held.sum():
                parts |= guess.parts
                break
    if parts.any():
        found = _full_size(frame, parts)
    return found


def things_on(
    frame: PreparedImage, present: BoolArray, inside_xy: FloatArray, outside_xy: FloatArray
) -> BoolArray:
    """Return the things under points on the object that a mask, (H, W), does not hold yet."""
    barred = list(dict.fromkeys(frame.parts_at(outside_xy)))
    parts = np.zeros(frame.parts.count, bool)
    for leaf, (x, y) in zip(frame.parts_at(inside_xy), pixels(inside_xy), strict=True):
        if not present[y, x] and leaf not in barred:
            parts |= guesses_of(frame, [leaf], barred)[0].parts
    return _full_size(frame, parts) if parts.any() else np.zeros(present.shape, bool)


def obey(mask: BoolArray, inside_xy: FloatArray, outside_xy: FloatArray) -> BoolArray:
    """Return a mask, (H, W), that holds every point on the object, and none beside it.

    A point that the mask contradicts changes a disc round it, one that it obeys changes nothing.

    Raises
    ------
    PromptError
        If nothing is left, or a pixel is said to be both.

    """
    check_points(inside_xy, outside_xy)
    obeyed = mask.copy()
    inside, outside = pixels(inside_xy), pixels(outside_xy)
    reach = DISC_SHARE * float(np.sqrt(np.count_nonzero(mask)))
    for points, others, value in ((inside, outside, True), (outside, inside, False)):
        for x, y in points:
            if bool(mask[y, x]) == value:
                continue
            way = np.hypot(*(others - (x, y)).T).min() if len(others) else np.inf
            radius = max(0, int(min(reach, WAY_SHARE * way)))
            rows, columns = np.ogrid[: mask.shape[0], : mask.shape[1]]
            obeyed[(columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = value
    # Discs of several points may overlap; a point itself always counts.
    obeyed[inside[:, 1], inside[:, 0]] = True
    obeyed[outside[:, 1], outside[:, 0]] = False
    if mask.any() and not obeyed.any():
        raise PromptError(
            'the points beside the object leave nothing of it; remove some of them, or add a '
            'point on it'
        )
    return obeyed


def _full_size(frame: PreparedImage, parts: BoolArray) -> BoolArray:
    small = parts[frame.parts.labels].astype(np.float32)
    return np.asarray(cv2.resize(small, frame.size_wh, interpolation=cv2.INTER_LINEAR) > 0.5)
