# SPDX-License-Identifier: Apache-2.0
"""SAM v1: the official `segment_anything`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sam_common.errors import ImageError
from sam_common.types import BoolArray, Float32Array, UInt8Array
from sam_segmentation.core.segmenter import EverythingOptions
from sam_segmentation.models.checkpoints import resolve_checkpoint
from sam_segmentation.models.packages import require_packages

with require_packages('torch', 'torchvision', 'segment-anything==1.0'):
    from segment_anything import SamAutomaticMaskGenerator, SamPredictor
    from segment_anything.build_sam import build_sam_vit_b, build_sam_vit_h, build_sam_vit_l
    from segment_anything.utils import amg

    from sam_segmentation.models.torch.device import on_device, pick_device
    from sam_segmentation.models.torch.segmenter import TorchSegmenter, soft_logits
    from sam_segmentation.models.torch.weights import load_weights

# Each makes a model without weights.
BUILDERS: dict[str, Callable[[], Any]] = {
    'sam_vit_h': build_sam_vit_h,
    'sam_vit_l': build_sam_vit_l,
    'sam_vit_b': build_sam_vit_b,
}
_LOGITS_PER_SIDE = 4  # the decoder answers at a quarter of the input's side


def load(name: str, *, checkpoint: Path | None, device: str) -> Sam1Segmenter:
    """Make the model, with its weights, on a device.

    Raises
    ------
    CheckpointError, DeviceError
        Each says what to do.

    """
    target = pick_device(device)
    path = resolve_checkpoint(name, checkpoint)
    # The official builder would read the checkpoint by a bare torch.load, which may run its code.
    model = BUILDERS[name]()
    load_weights(model, path, name=name)
    with on_device(target):
        model.to(target).eval()
    return Sam1Segmenter(
        name,
        SamPredictor(model),
        device=target,
        logits_side=model.image_encoder.img_size // _LOGITS_PER_SIDE,
    )


class Sam1Segmenter(TorchSegmenter):
    """`SamPredictor` behind our contract."""

    _STATE = ('features', 'original_size', 'input_size', 'is_image_set')
    _amg = amg

    def _embed(self, image_rgb: UInt8Array) -> dict[str, Any]:
        height, width = image_rgb.shape[:2]
        side = self._logits_side * _LOGITS_PER_SIDE
        if min(width, height) * side < max(width, height) / 2:
            raise ImageError(
                f'the image is {width} x {height} px: brought to a long side of {side} px nothing '
                'is left of the short one; give a less narrow part of it'
            )
        return super()._embed(image_rgb)

    def _generator(self, model: Any, options: EverythingOptions, points_per_batch: int) -> Any:
        return SamAutomaticMaskGenerator(
            model,
            points_per_side=options.points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=options.pred_iou_thresh,
            stability_score_thresh=options.stability_score_thresh,
        )

    def _mask_logits(self, mask: BoolArray) -> Float32Array:
        # As SAM v1 sees images: the long side fills the square, below or right of it lies nothing.
        side = self._logits_side
        scale = side / max(mask.shape)
        height, width = (max(1, int(length * scale + 0.5)) for length in mask.shape)
        logits = soft_logits(np.zeros((1, 1), bool), (side, side))
        logits[:height, :width] = soft_logits(mask, (width, height))
        return logits
