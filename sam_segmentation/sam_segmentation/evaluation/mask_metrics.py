# SPDX-License-Identifier: Apache-2.0
"""How well a mask agrees with the truth."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.types import BoolArray, Float32Array


def mask_iou(mask: BoolArray, truth: BoolArray) -> float:
    """Return the intersection over the union (Jaccard index) [0-1].

    Both empty: 1, since they agree. One empty: 0.

    Parameters
    ----------
    mask, truth : array of bool, shape (H, W)

    Raises
    ------
    ValueError
        If they differ in shape, or are not bool (H, W).

    Examples
    --------
    >>> import numpy as np
    >>> mask_iou(np.array([[True, True]]), np.array([[True, False]]))
    0.5

    """
    _check(mask, truth)
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def boundary_f1(mask: BoolArray, truth: BoolArray, tolerance_px: float) -> float:
    """Return the F1 score of the two boundaries [0-1], as Csurka et al. (BMVC 2013) define it.

    The boundary is the mask's own pixels that have a 4-neighbour outside the mask; the image's
    border counts as outside, so a mask that fills the image has a boundary. Precision is the
    share of the mask's boundary within the tolerance of the truth's, recall the reverse.

    Both empty: 1, since they agree. One empty: 0. No boundary pixel within tolerance: 0.

    Parameters
    ----------
    mask, truth : array of bool, shape (H, W)
    tolerance_px : float
        Largest Euclidean distance that still counts as a match [px]; 0: the same pixels.

    Raises
    ------
    ValueError
        If they differ in shape, are not bool (H, W), or the tolerance is negative or NaN.

    """
    _check(mask, truth)
    if not tolerance_px >= 0.0:
        raise ValueError(f'tolerance_px is {tolerance_px:g}; give 0 or more pixels')
    if not mask.any() or not truth.any():
        return 1.0 if mask.any() == truth.any() else 0.0
    edge, true_edge = _boundary(mask), _boundary(truth)
    precision = np.mean(_distance_to(true_edge)[edge] <= tolerance_px)
    recall = np.mean(_distance_to(edge)[true_edge] <= tolerance_px)
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


def _boundary(mask: BoolArray) -> BoolArray:
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    bordered = np.pad(mask, 1).astype(np.uint8)
    return mask & ~(cv2.erode(bordered, cross)[1:-1, 1:-1] > 0)


def _distance_to(edge: BoolArray) -> Float32Array:
    """Return every pixel's Euclidean distance to the nearest pixel of an edge [px]."""
    distance = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(distance, np.float32).reshape(edge.shape)


def _check(mask: BoolArray, truth: BoolArray) -> None:
    for name, array in (('mask', mask), ('truth', truth)):
        if array.ndim != 2 or array.dtype != np.bool_:
            raise ValueError(f'{name} is {array.dtype} {array.shape}, expected bool (H, W)')
    if mask.shape != truth.shape:
        raise ValueError(
            f'mask has shape {mask.shape} but truth {truth.shape}; give two of the same image'
        )
