# SPDX-License-Identifier: Apache-2.0
"""Small holes in masks, filled as SAM 2 fills them."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.types import Float32Array

# As `sam2.utils.misc.fill_holes_in_mask_scores`, which needs a CUDA kernel that is seldom built.
_FILLED_LOGIT = 0.1


def fill_holes(logits: Float32Array, max_area: int) -> Float32Array:
    """Return logits in which no small part of the background is left.

    Parameters
    ----------
    logits : array of float32, shape (S, S)
        Background where they are 0 or less.
    max_area : int
        Background parts of at most so many pixels, diagonal neighbours included, are filled; at
        the border too.

    Returns
    -------
    array of float32, shape (S, S)
        The same array where there is nothing to fill.

    """
    background = (logits <= 0).view(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(background, connectivity=8)
    is_hole = stats[:, cv2.CC_STAT_AREA] <= max_area
    is_hole[0] = False  # the foreground
    if not is_hole.any():
        return logits
    return np.where(is_hole[labels], np.float32(_FILLED_LOGIT), logits)
