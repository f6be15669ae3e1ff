# SPDX-License-Identifier: Apache-2.0
"""The network's answers as masks of the image's size, on the host."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam_segmentation.backends.sam2_tracker_answers import Chosen
from sam_segmentation.backends.sam2_tracker_holes import fill_holes
from sam_segmentation.backends.sam2_tracker_network import MAX_BATCH, upscaled
from sam_segmentation.core.tracked_mask import Sighting

# That of `build_sam2_video_predictor`.
_FILL_HOLE_AREA = 8


def filled_logits(logits: Tensor) -> Tensor:
    """Return logits (B, 1, S, S) without small holes."""
    host = logits.cpu().numpy()
    filled = np.stack([fill_holes(one, _FILL_HOLE_AREA) for one in host[:, 0]])
    return torch.from_numpy(filled).to(logits.device)[:, None]


def sightings(chosen: Chosen, size_wh: tuple[int, int]) -> list[Sighting]:
    filled = filled_logits(chosen.logits)
    host = filled[:, 0].cpu().numpy()
    # A few at once: in the size of the image they take a lot of memory.
    masks = [
        mask
        for begin in range(0, len(filled), MAX_BATCH)
        for mask in _masks(filled[begin : begin + MAX_BATCH], size_wh)
    ]
    scores = chosen.ious.tolist()
    presences = chosen.presence.sigmoid()[:, 0].tolist()
    return [
        Sighting(mask, score, logits.copy(), presence)
        for mask, score, logits, presence in zip(masks, scores, host, presences, strict=True)
    ]


def unseen(size_wh: tuple[int, int]) -> Sighting:
    return Sighting(np.zeros((size_wh[1], size_wh[0]), np.bool_), 0.0, None, 0.0)


def _masks(logits: Tensor, size_wh: tuple[int, int]) -> npt.NDArray[np.bool_]:
    masks = upscaled(logits, (size_wh[1], size_wh[0])) > 0
    return np.asarray(masks[:, 0].cpu().numpy(), np.bool_)
