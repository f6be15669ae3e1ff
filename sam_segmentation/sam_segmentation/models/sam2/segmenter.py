# SPDX-License-Identifier: Apache-2.0
"""SAM 2 and 2.1 on single images: the official `sam2`."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from sam_common.types import BoolArray, Float32Array
from sam_segmentation.core.segmenter import EverythingOptions
from sam_segmentation.core.tracker_options import TrackerOptions
from sam_segmentation.models.checkpoints import resolve_checkpoint
from sam_segmentation.models.packages import require_packages

with require_packages('torch', 'torchvision', 'hydra-core', 'iopath', 'sam2==1.1.0'):
    from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
    from sam2.sam2_image_predictor import SAM2ImagePredictor
    from sam2.utils import amg

    from sam_segmentation.models.sam2.config import build_model, config_path
    from sam_segmentation.models.sam2.tracker import Sam2Tracker
    from sam_segmentation.models.torch.device import on_device, pick_device
    from sam_segmentation.models.torch.segmenter import TorchSegmenter, soft_logits
    from sam_segmentation.models.torch.weights import load_weights

# Cells of the feature maps that the decoder reads, per cell of the coarsest; finest first. Its
# answers are as fine as the first.
_LEVELS = (4, 2, 1)


def load(name: str, *, checkpoint: Path | None, device: str) -> Sam2Segmenter:
    """Make the model, with its weights, on a device.

    Parameters
    ----------
    name : str
        An official name, or the path of a config (.yaml).
    checkpoint : path or None
        None: the official one; a config of one's own needs a file.
    device : str

    Raises
    ------
    CheckpointError, DeviceError
        Each says what to do.

    """
    target = pick_device(device)
    config = config_path(name)
    path = resolve_checkpoint(name, checkpoint)
    model = build_model(config)
    load_weights(model, path, name=name)
    with on_device(target):
        model.to(target).eval()
    return Sam2Segmenter(
        name,
        image_predictor(model),
        device=target,
        logits_side=_feature_sides(model)[0],
    )


def image_predictor(model: Any) -> SAM2ImagePredictor:
    """Return the official predictor, also for a network whose input is not 1024 px wide."""
    predictor = SAM2ImagePredictor(model)
    # The predictor takes the sizes at 1024 px for granted.
    predictor._bb_feat_sizes = [(side, side) for side in _feature_sides(model)]
    return predictor


def _feature_sides(model: Any) -> list[int]:
    coarsest = model.image_size // model.backbone_stride
    return [coarsest * level for level in _LEVELS]


class Sam2Segmenter(TorchSegmenter):
    """`SAM2ImagePredictor` behind our contract."""

    _STATE = ('_features', '_orig_hw', '_is_image_set', '_is_batch')
    _amg = amg
    _BATCH_OPTIONS = MappingProxyType({'normalize': True})

    def make_tracker(self, options: TrackerOptions) -> Sam2Tracker:
        """Return a tracker on this model, which it shares: neither runs while the other does."""
        with self._running() as predictor:
            return Sam2Tracker(
                self.name, predictor.model, device=self._torch_device, options=options
            )

    def _generator(self, model: Any, options: EverythingOptions, points_per_batch: int) -> Any:
        return SAM2AutomaticMaskGenerator(
            model,
            points_per_side=options.points_per_side,
            points_per_batch=points_per_batch,
            pred_iou_thresh=options.pred_iou_thresh,
            stability_score_thresh=options.stability_score_thresh,
        )

    def _mask_logits(self, mask: BoolArray) -> Float32Array:
        # As SAM 2 sees images: stretched to a square.
        return soft_logits(mask, (self._logits_side, self._logits_side))
