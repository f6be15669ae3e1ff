# SPDX-License-Identifier: Apache-2.0
"""What the official predictors of SAM v1 and SAM 2 have in common, behind our contract."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from sam_segmentation.backends.torch_device import free_cache, on_device
from sam_segmentation.core.errors import PromptError, SamError
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter

# Attention grows with the square of the number of points; no one clicks that often.
MAX_POINTS = 256
# How sure a mask prompt is of its pixels: what SAM 2 itself turns a given mask into, and within
# what SAM v1's decoder answers (SAM 2 clips its own answers to +-32).
_SURE_LOGIT = 10.0
_POINTS_PER_BATCH = 64
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
    def _mask_logits(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Bring a mask of the image's size to the model's low resolution."""

    def _embed(self, image_rgb: npt.NDArray[np.uint8]) -> dict[str, Any]:
        # torch reads no negative strides, and warns of arrays that it must not write to.
        image = np.require(image_rgb, requirements=('C', 'W'))
        with self._running() as predictor:
            predictor.set_image(image)
            return {name: getattr(predictor, name) for name in self._STATE}

    def _segment(self, embedding: Embedding, prompt: Prompt, multimask: bool) -> list[ScoredMask]:
        if len(prompt.points_xy) > MAX_POINTS:
            raise PromptError(
                f'{len(prompt.points_xy)} points are given; {self.name} takes {MAX_POINTS} at most'
            )
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

    def _segment_everything(
        self, embedding: Embedding, options: EverythingOptions
    ) -> list[ScoredMask]:
        # The official automatic mask generator, on the embedding that exists already.
        width, height = embedding.size_wh
        batch = _MAX_BATCH_PIXELS // (width * height * _MASKS_PER_POINT)
        with self._restored(embedding) as predictor:
            generator = self._generator(
                predictor.model, options, max(1, min(_POINTS_PER_BATCH, batch))
            )
            generator.predictor = _Embedded(predictor, embedding.data)
            # Only its shape is looked at, since the embedding is there.
            blank = np.broadcast_to(np.uint8(0), (height, width, 3))
            found = generator.generate(blank)
        return [ScoredMask(one['segmentation'], one['predicted_iou']) for one in found]

    def _low_resolution(self, prompt: Prompt) -> npt.NDArray[np.float32] | None:
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

    def set_image(self, image: npt.NDArray[np.uint8]) -> None:
        """Restore the embedding; the image itself is not needed."""
        _put(self._predictor, self._state)


def soft_logits(mask: npt.NDArray[np.bool_], size_wh: tuple[int, int]) -> npt.NDArray[np.float32]:
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
