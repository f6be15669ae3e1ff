# SPDX-License-Identifier: Apache-2.0
"""Prompts as the SAM 2 network reads them on a frame of a stream."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sam_common.types import Float32Array
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.models.sam2.network import Sam2Network
from sam_segmentation.models.torch.segmenter import soft_logits

# What `SAM2VideoPredictor.add_new_points_or_box` clips the last mask to, and how it marks a box.
MAX_LOGIT = 32.0
_BOX_LABELS = (2, 3)


def is_mask_alone(prompt: Prompt) -> bool:
    return prompt.mask is not None and not len(prompt.points_xy) and prompt.box_xyxy is None


def mask_input(prompt: Prompt, network: Sam2Network) -> Tensor:
    size = network.model.image_size
    mask = (
        torch.from_numpy(np.ascontiguousarray(prompt.mask)).to(network.device).float()[None, None]
    )
    if mask.shape[-2:] == (size, size):
        return mask
    shrunk = nn.functional.interpolate(
        mask, size=(size, size), mode='bilinear', align_corners=False, antialias=True
    )
    return (shrunk >= 0.5).float()


def rough_logits(
    prompt: Prompt, network: Sam2Network, previous: Float32Array | None
) -> Tensor | None:
    """Return the mask that goes into the decoder with a prompt, (1, 1, S, S), or None."""
    side = network.logits_side
    logits = previous
    if prompt.mask is not None:
        logits = soft_logits(prompt.mask, (side, side))
    elif prompt.logits is not None:
        logits = prompt.logits
    if logits is None:
        return None
    if logits.shape != (side, side):
        raise PromptError(
            f'logits have shape {logits.shape} but the model reads ({side}, {side}); '
            'give those of one of its own masks'
        )
    rough = torch.from_numpy(logits).to(network.device)[None, None]
    return rough.clamp(-MAX_LOGIT, MAX_LOGIT)


def clicks_of(
    prompt: Prompt,
    before: tuple[Tensor, Tensor] | None,
    network: Sam2Network,
    size_wh: tuple[int, int],
) -> tuple[Tensor, Tensor] | None:
    """Return the points that hold on this frame, the corners of a box first."""
    points = torch.tensor(prompt.points_xy, dtype=torch.float32).reshape(1, -1, 2)
    labels = torch.tensor(prompt.labels, dtype=torch.int32).reshape(1, -1)
    if prompt.box_xyxy is not None:
        corners = torch.tensor(prompt.box_xyxy, dtype=torch.float32).reshape(1, 2, 2)
        points = torch.cat([corners, points], dim=1)
        labels = torch.cat([torch.tensor([_BOX_LABELS], dtype=torch.int32), labels], dim=1)
    points = points / torch.tensor(size_wh) * network.model.image_size
    points, labels = points.to(network.device), labels.to(network.device)
    if before is not None and prompt.box_xyxy is None and prompt.mask is None:
        points = torch.cat([before[0], points], dim=1)
        labels = torch.cat([before[1], labels], dim=1)
    return (points, labels) if points.shape[1] else None
