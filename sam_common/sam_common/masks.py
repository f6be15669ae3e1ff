# SPDX-License-Identifier: Apache-2.0
"""What can be said of a mask, and of several together."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.types import BoolArray, UInt16Array


def mask_to_box(mask: BoolArray) -> BoxXyxy | None:
    """Return the outer edges (left, top, right, bottom) of a mask's pixels.

    Parameters
    ----------
    mask : array of bool, shape (H, W)

    Returns
    -------
    tuple of 4 floats, or None
        In pixels, the origin at the centre of the top-left pixel: one pixel at (3, 5) gives
        (2.5, 4.5, 3.5, 5.5). None if the mask is empty.

    Examples
    --------
    >>> mask = np.zeros((8, 8), bool)
    >>> mask[5, 3] = True
    >>> mask_to_box(mask)
    (2.5, 4.5, 3.5, 5.5)

    """
    part = _bounds(mask)
    if part is None:
        return None
    rows, columns = part
    return columns.start - 0.5, rows.start - 0.5, columns.stop - 0.5, rows.stop - 0.5


def label_image(
    masks: Sequence[BoolArray], ids: Sequence[int], size_wh: tuple[int, int]
) -> UInt16Array:
    """Draw masks into one image of ids; where they overlap, the smaller one lies on top.

    Parameters
    ----------
    masks : sequence of bool arrays, shape (H, W)
    ids : sequence of int
        One per mask, 1 to 65535.
    size_wh : (int, int)

    Returns
    -------
    array of uint16, shape (H, W)
        0 where there is no mask.

    Raises
    ------
    ValueError
        If an id does not fit.

    Examples
    --------
    >>> whole, part = np.ones((1, 3), bool), np.array([[False, True, False]])
    >>> label_image([part, whole], [7, 9], (3, 1)).tolist()
    [[9, 7, 9]]

    """
    for object_id in ids:
        if not 1 <= object_id <= np.iinfo(np.uint16).max:
            raise ValueError(f'object id {object_id} does not fit a label image; use 1 to 65535')
    labels = np.zeros((size_wh[1], size_wh[0]), np.uint16)
    areas = [np.count_nonzero(mask) for mask in masks]
    for index in sorted(range(len(masks)), key=lambda i: -areas[i]):
        part = _bounds(masks[index])
        if part is not None:
            labels[part][masks[index][part]] = ids[index]
    return labels


def non_maximum_suppression(
    masks: Sequence[BoolArray], scores: Sequence[float], *, iou_thresh: float
) -> list[int]:
    """Return the indices of the masks to keep, best first: near-duplicates of better ones go.

    Parameters
    ----------
    masks : sequence of bool arrays, shape (H, W)
    scores : sequence of float
    iou_thresh : float
        A mask whose IoU with a kept one exceeds this is dropped [0-1].

    Examples
    --------
    >>> one, other = np.array([[True, False]]), np.array([[False, True]])
    >>> non_maximum_suppression([one, other, one], [0.5, 0.7, 0.9], iou_thresh=0.7)
    [2, 1]

    """
    kept: list[int] = []
    areas = [np.count_nonzero(mask) for mask in masks]
    for index in sorted(range(len(masks)), key=lambda i: -scores[i]):
        for other in kept:
            shared = np.count_nonzero(masks[index] & masks[other])
            union = areas[index] + areas[other] - shared
            if shared > iou_thresh * union:
                break
        else:
            kept.append(index)
    return kept


def remove_small_regions(mask: BoolArray, min_area_px: int) -> BoolArray:
    """Return the mask without islands and holes of fewer pixels than this.

    Where every island is smaller, the largest one stays, so that a mask never vanishes.

    Parameters
    ----------
    mask : array of bool, shape (H, W)
    min_area_px : int
        Regions of this many pixels stay; 0 or 1: all do [px].

    """
    if min_area_px <= 1 or not mask.any():
        return mask.copy()
    _, regions, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = areas >= min_area_px
    kept[int(areas.argmax())] = True
    cleaned = kept[regions]
    _, regions, stats, _ = cv2.connectedComponentsWithStats(
        (~cleaned).astype(np.uint8), connectivity=4
    )
    filled = stats[:, cv2.CC_STAT_AREA] < min_area_px
    filled[0] = False
    # A gap that opens to the image's border is a hole too: the camera merely cut it off.
    return np.asarray(cleaned | filled[regions], np.bool_)


def _bounds(mask: BoolArray) -> tuple[slice, slice] | None:
    """Return the rows and columns that a mask spans, or None if it is empty."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    spanned = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[spanned].any(axis=0))
    return spanned, slice(int(columns[0]), int(columns[-1]) + 1)
