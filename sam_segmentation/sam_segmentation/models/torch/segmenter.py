# SPDX-License-Identifier: Apache-2.0
"""What the official predictors of SAM v1 and SAM 2 have in common, behind our contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.ops import batched_nms

from sam_common.bounds import check_everything, check_runs
from sam_common.errors import SamError
from sam_common.scored_mask import ScoredMask
from sam_common.steps import Pace, Steps
from sam_common.types import BoolArray, Float32Array, UInt8Array
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.models.torch.device import free_cache, on_device

# How sure a mask prompt is of its pixels: what SAM 2 itself turns a given mask into, and within
# what SAM v1's decoder answers (SAM 2 clips its own answers to +-32).
_SURE_LOGIT = 10.0
_POINTS_PER_BATCH = 64
# On a processor, where 64 take seconds and are no faster each.
_POINTS_PER_CPU_BATCH = 8
_MASKS_PER_POINT = 3
# Largest number of mask pixels that the search for everything holds at once: 1 GiB of floats.
_MAX_BATCH_PIXELS = 1 << 28


class TorchSegmenter(Segmenter):
    """An official predictor, its state taken out after embedding and put back for each prompt.

    Parameters
    ----------
    name : str
    predictor : SamPredictor or SAM2ImagePredictor
        Its model on the device and in eval mode.
    device : torch.device
    logits_side : int
        Side of the low-resolution logits that the model reads and answers [px].

    """

    # What `set_image` leaves behind in the predictor, and `predict` reads.
    _STATE: tuple[str, ...]
    # The official `utils.amg`, and what its generator tells `_process_batch` beside the image.
    _amg: Any
    _BATCH_OPTIONS: Mapping[str, bool] = {}

    def __init__(
        self, name: str, predictor: Any, *, device: torch.device, logits_side: int
    ) -> None:
        self.name = name
        self.device = str(device)
        self._torch_device = device
        self._predictor = predictor
        self._logits_side = logits_side

    def close(self) -> None:
        """Free the model's memory; the segmenter cannot be used afterwards."""
        self._predictor = None
        free_cache(self._torch_device)

    @abstractmethod
    def _generator(self, model: Any, options: EverythingOptions, points_per_batch: int) -> Any:
        """Make the official automatic mask generator."""

    @abstractmethod
    def _mask_logits(self, mask: BoolArray) -> Float32Array:
        """Bring a mask of the image's size to the model's low resolution."""

    def _embed(self, image_rgb: UInt8Array) -> dict[str, Any]:
        # torch reads no negative strides, and warns of arrays that it must not write to.
        image = np.require(image_rgb, requirements=('C', 'W'))
        with self._running() as predictor:
            predictor.set_image(image)
            return {name: getattr(predictor, name) for name in self._STATE}

    def _segment(self, embedding: Embedding, prompt: Prompt, multimask: bool) -> list[ScoredMask]:
        logits = self._low_resolution(prompt)
        has_points = len(prompt.points_xy) > 0
        with self._restored(embedding) as predictor:
            masks, scores, low_resolution = predictor.predict(
                point_coords=prompt.points_xy if has_points else None,
                point_labels=prompt.labels if has_points else None,
                box=prompt.box_xyxy,
                mask_input=None if logits is None else logits[np.newaxis],
                multimask_output=multimask,
            )
        return [
            ScoredMask(masks[i].astype(bool), float(scores[i]), low_resolution[i].copy())
            for i in np.argsort(-scores, kind='stable')
        ]

    def _everything_steps(
        self, embedding: Embedding, options: EverythingOptions
    ) -> Steps[list[ScoredMask]]:
        # The official automatic mask generator, on the embedding that exists already, step by
        # step. What a part needs is put into the predictor for that part alone.
        pace = Pace()
        width, height = embedding.size_wh
        image = (height, width), [0, 0, width, height], (height, width)
        with self._restored(embedding) as predictor:
            generator = self._generator(predictor.model, options, self._points_at_once(embedding))
            generator.predictor = _Embedded(predictor, embedding.data)
        batches, runs = [], 0
        for start in range(0, len(generator.point_grids[0]), generator.points_per_batch):
            points = generator.point_grids[0][start : start + generator.points_per_batch]
            with self._restored(embedding):
                batch = generator._process_batch(
                    points * (width, height), *image, **self._BATCH_OPTIONS
                )
            batches.append(batch)
            runs += sum(len(rle['counts']) for rle in batch['rles'])
            check_runs(runs)
            yield from pace.pause()
        answered = iter(batches)
        generator._process_batch = lambda *args, **options: next(answered)
        with self._restored(embedding):
            # Only its shape is looked at, since the embedding is there.
            blank = np.broadcast_to(np.uint8(0), (height, width, 3))
            found = generator._generate_masks(blank)
        check_everything(len(found['rles']), embedding.size_wh)
        masks = []
        for rle in found['rles']:
            yield from pace.pause()
            masks.append(self._amg.rle_to_mask(rle))
        scored = list(zip(masks, found['iou_preds'], strict=True))
        if options.min_mask_region_area and masks:
            thresh = max(generator.box_nms_thresh, generator.crop_nms_thresh)
            kept = yield from self._clean(masks, options.min_mask_region_area, thresh, pace)
            scored = [(masks[i], found['iou_preds'][i]) for i in kept]
        return [ScoredMask(mask, float(score)) for mask, score in scored]

    def _points_at_once(self, embedding: Embedding) -> int:
        width, height = embedding.size_wh
        wanted = _POINTS_PER_BATCH if self._torch_device.type == 'cuda' else _POINTS_PER_CPU_BATCH
        return max(1, min(wanted, _MAX_BATCH_PIXELS // (width * height * _MASKS_PER_POINT)))

    def _clean(
        self, masks: list[BoolArray], area: int, iou_thresh: float, pace: Pace
    ) -> Steps[list[int]]:
        """Remove small regions in place, and return the masks that are no duplicates then.

        As the official `postprocess_small_regions`, in parts. SAM 2's own one removes them by a
        CUDA kernel that is seldom built, and goes on without where it is not.
        """
        boxes, untouched = [], []
        for index, mask in enumerate(masks):
            yield from pace.pause()
            mask, filled = self._amg.remove_small_regions(mask, area, mode='holes')
            mask, cut = self._amg.remove_small_regions(mask, area, mode='islands')
            masks[index] = mask
            boxes.append(self._amg.batched_mask_to_box(torch.as_tensor(mask)[None])[0])
            # Masks that did not need it are preferred.
            untouched.append(float(not (filled or cut)))
        kept = batched_nms(
            torch.stack(boxes).float(),
            torch.as_tensor(untouched),
            torch.zeros(len(boxes)),
            iou_threshold=iou_thresh,
        )
        return [int(index) for index in kept]

    def _low_resolution(self, prompt: Prompt) -> Float32Array | None:
        if prompt.mask is not None:
            return self._mask_logits(prompt.mask)
        side = self._logits_side
        if prompt.logits is not None and prompt.logits.shape != (side, side):
            raise PromptError(
                f'logits have shape {prompt.logits.shape} but {self.name} reads ({side}, {side}); '
                'give those of one of its own masks'
            )
        return prompt.logits

    @contextmanager
    def _running(self) -> Iterator[Any]:
        predictor = self._predictor
        if predictor is None:
            raise SamError(f'{self.name} was closed; load it again')
        empty = {name: getattr(predictor, name, None) for name in self._STATE}
        try:
            with on_device(self._torch_device), torch.inference_mode():
                yield predictor
        finally:
            # Or the last image's features would outlive its embedding.
            _put(predictor, empty)

    @contextmanager
    def _restored(self, embedding: Embedding) -> Iterator[Any]:
        with self._running() as predictor:
            _put(predictor, embedding.data)
            yield predictor


class _Embedded:
    """A predictor to which the image that it is asked to embed is known already."""

    def __init__(self, predictor: Any, state: dict[str, Any]) -> None:
        self._predictor = predictor
        self._state = state

    def __getattr__(self, name: str) -> Any:
        return getattr(self._predictor, name)

    def set_image(self, image: UInt8Array) -> None:
        """Restore the embedding; the image itself is not needed."""
        _put(self._predictor, self._state)


def soft_logits(mask: BoolArray, size_wh: tuple[int, int]) -> Float32Array:
    """Shrink a mask to logits: sure within and outside, in between along the border.

    Parameters
    ----------
    mask : array of bool, shape (H, W)
    size_wh : (int, int)
        Width and height of the result [px].

    Returns
    -------
    array of float32, shape (size_wh[1], size_wh[0])
        -10 to 10.

    """
    covered = cv2.resize(mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray((2 * covered - 1) * _SURE_LOGIT, np.float32)


def _put(predictor: Any, state: dict[str, Any]) -> None:
    for name, value in state.items():
        setattr(predictor, name, value)
