# SPDX-License-Identifier: Apache-2.0
"""The network's answers as masks of the image's size, on the host, their small holes filled."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from sam_common.types import BoolArray, Float32Array
from sam_segmentation.core.tracked_mask import Observation
from sam_segmentation.models.sam2.answers import Chosen
from sam_segmentation.models.sam2.network import MAX_BATCH, upscaled

# As `sam2.utils.misc.fill_holes_in_mask_scores`, which needs a CUDA kernel that is seldom built.
_FILLED_LOGIT = 0.1


def filled_logits(logits: Tensor, fill_hole_area: int) -> Tensor:
    """Return logits (B, 1, S, S) without holes of so few pixels."""
    if not fill_hole_area:
        return logits
    host = logits.cpu().numpy()
    filled = np.stack([_fill_holes(one, fill_hole_area) for one in host[:, 0]])
    return torch.from_numpy(filled).to(logits.device)[:, None]


def observations(
    chosen: Chosen, size_wh: tuple[int, int], fill_hole_area: int
) -> list[Observation]:
    """Return each answer in an image of this size, without small holes."""
    filled = filled_logits(chosen.logits, fill_hole_area)
    host = filled[:, 0].cpu().numpy()
    # A few at once: in the size of the image they take a lot of memory.
    masks = [
        mask
        for begin in range(0, len(filled), MAX_BATCH)
        for mask in _masks(filled[begin : begin + MAX_BATCH], size_wh)
    ]
    scores = chosen.ious.tolist()
    presences = chosen.object_score_logits.sigmoid()[:, 0].tolist()
    return [
        Observation(mask, score, logits.copy(), presence)
        for mask, score, logits, presence in zip(masks, scores, host, presences, strict=True)
    ]


def no_observation(size_wh: tuple[int, int]) -> Observation:
    """Return that nothing is seen in an image of this size."""
    return Observation(np.zeros((size_wh[1], size_wh[0]), np.bool_), 0.0, None, 0.0)


def _masks(logits: Tensor, size_wh: tuple[int, int]) -> BoolArray:
    masks = upscaled(logits, (size_wh[1], size_wh[0])) > 0
    return np.asarray(masks[:, 0].cpu().numpy(), np.bool_)


def _fill_holes(logits: Float32Array, max_area: int) -> Float32Array:
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
