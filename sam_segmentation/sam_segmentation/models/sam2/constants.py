# SPDX-License-Identifier: Apache-2.0
"""What the SAM 2 network computes anew for each image, though it is the same for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sam2.modeling.backbones.hieradet import Hiera
from sam2.modeling.position_encoding import PositionEmbeddingSine
from torch import Tensor


def keep_constants(model: Any) -> None:
    """Let a network, from here on for inference only, compute its position encodings once.

    They take a few percent of the time of an image on the processor. No answer changes; a second
    call changes nothing.

    Parameters
    ----------
    model : SAM2Base
        With the weights that it keeps.

    """
    encoder = model.image_encoder
    if isinstance(encoder.trunk, Hiera) and not isinstance(encoder.trunk._get_pos_embed, _Once):
        encoder.trunk._get_pos_embed = _Once(encoder.trunk._get_pos_embed)
    for part in (encoder.neck, model.memory_encoder):
        encoding = part.position_encoding
        if isinstance(encoding, PositionEmbeddingSine) and not isinstance(
            encoding.forward, _Shared
        ):
            encoding.forward = _Shared(encoding.forward)


class _Once:
    """A function of an image's size that is called once for each size."""

    def __init__(self, function: Callable[[Any], Tensor]) -> None:
        self._function = function
        self._known: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, size_hw: Any) -> Tensor:
        key = tuple(size_hw)
        if key not in self._known:
            self._known[key] = self._function(size_hw)
        return self._known[key]


class _Shared:
    """A function of a batch's size (B, C, H, W) whose result all of the batch share."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self._function = function
        self._known: dict[tuple[object, ...], Tensor] = {}

    def __call__(self, batch: Tensor) -> Tensor:
        key = (*batch.shape[-2:], batch.device)
        if key not in self._known:
            self._known[key] = self._function(batch[:1])
        return self._known[key].expand(len(batch), -1, -1, -1)
