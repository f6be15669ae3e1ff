# SPDX-License-Identifier: Apache-2.0
"""What the SAM 2 network says of a frame and of the objects in it, on its device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """An image as the memory attention and the mask decoder read it.

    Parameters
    ----------
    coarse : tensor, shape (h * w, 1, C)
    positions : tensor, shape (h * w, 1, C)
        Where the cells of `coarse` lie.
    fine : list of tensor, shape (1, c, h', w'), or None
        The finer maps, finest first; None: this model has none.

    """

    coarse: Tensor
    positions: Tensor
    fine: list[Tensor] | None


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the mask decoder answers for each of B objects: M masks to choose from.

    Parameters
    ----------
    logits : tensor of float32, shape (B, M, S, S)
        -1024 throughout where the object is not seen.
    ious : tensor of float32, shape (B, M)
        Predicted IoU of each [0-1].
    tokens : tensor, shape (B, M or 1, C)
        What the pointer to the object is made of.
    object_score_logits : tensor of float32, shape (B, 1)
        Logit of the object being seen.

    """

    logits: Tensor
    ious: Tensor
    tokens: Tensor
    object_score_logits: Tensor


@dataclass(frozen=True, eq=False)
class Chosen:
    """The one mask of each of B objects.

    Parameters
    ----------
    logits : tensor of float32, shape (B, 1, S, S)
    ious : tensor of float32, shape (B,)
    obj_ptrs : tensor of float32, shape (B, C)
    object_score_logits : tensor of float32, shape (B, 1)
    candidates : int
        Of how many masks each was chosen.

    """

    logits: Tensor
    ious: Tensor
    obj_ptrs: Tensor
    object_score_logits: Tensor
    candidates: int

    @classmethod
    def joined(cls, parts: Sequence[Chosen]) -> Chosen:
        """Return the answers of all parts, one after the other."""
        return cls(
            torch.cat([part.logits for part in parts]),
            torch.cat([part.ious for part in parts]),
            torch.cat([part.obj_ptrs for part in parts]),
            torch.cat([part.object_score_logits for part in parts]),
            parts[0].candidates,
        )
