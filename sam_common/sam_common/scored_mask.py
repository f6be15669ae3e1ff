# SPDX-License-Identifier: Apache-2.0
"""One mask as a model answers it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sam_common.masks import mask_to_box
from sam_common.types import BoolArray, Float32Array


@dataclass(frozen=True, eq=False)
class ScoredMask:
    """A mask with the model's own estimate of its quality.

    Parameters
    ----------
    mask : array of bool, shape (H, W)
        Of the size of the image that was segmented.
    score : float
        Predicted IoU with the object that was meant [0-1].
    logits : array of float32, shape (S, S), or None
        What a SAM decoder answered before upscaling; goes back in as `Prompt.logits`.
        S is a quarter of the side of the model's input, 256 for the official models.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((4, 6), bool)
    >>> mask[1:3, 2:5] = True
    >>> answer = ScoredMask(mask, 0.9)
    >>> answer.area, answer.box_xyxy
    (6, (1.5, 0.5, 4.5, 2.5))

    """

    mask: BoolArray
    score: float
    logits: Float32Array | None = None

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.dtype != np.bool_:
            raise ValueError(f'mask is {self.mask.dtype} {self.mask.shape}, expected bool (H, W)')
        object.__setattr__(self, 'score', float(np.clip(self.score, 0.0, 1.0)))

    @cached_property
    def area(self) -> int:
        """How many pixels the mask covers."""
        return int(np.count_nonzero(self.mask))

    @cached_property
    def box_xyxy(self) -> tuple[float, float, float, float] | None:
        """Outer edges of the mask's pixels [px], or None where the mask is empty."""
        return mask_to_box(self.mask)
