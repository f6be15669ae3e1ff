# SPDX-License-Identifier: Apache-2.0
"""Memories as arrays and numbers, for a snapshot, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sam_common.types import AnyArray
from sam_segmentation.models.sam2.memory import FrameMemory, ObjectMemory


def pack(memory: ObjectMemory) -> dict[str, Any]:
    """Return a memory as nested dicts of arrays, numbers and None; nothing is rounded."""
    return {
        'now': memory.now,
        'added': memory.added,
        'first': memory.first and _pack_frame(memory.first),
        'frames': {str(index): _pack_frame(one) for index, one in memory.frames.items()},
        'clicks': memory.clicks and [part.cpu().numpy() for part in memory.clicks],
    }


def unpack(packed: Mapping[str, Any], device: torch.device) -> ObjectMemory:
    """Return the memory that was packed, on a device."""
    clicks = packed['clicks']
    return ObjectMemory(
        int(packed['now']),
        int(packed['added']),
        packed['first'] and _unpack_frame(packed['first'], device),
        {int(index): _unpack_frame(one, device) for index, one in packed['frames'].items()},
        clicks and (_tensor(clicks[0], device), _tensor(clicks[1], device)),
    )


def _pack_frame(memory: FrameMemory) -> dict[str, Any]:
    return {
        'obj_ptr': memory.obj_ptr.cpu().numpy(),
        # NumPy has no bfloat16; its bits are kept.
        'maskmem': None
        if memory.maskmem is None
        else memory.maskmem.cpu().view(torch.int16).numpy(),
        'is_sure': int(memory.is_sure),
    }


def _unpack_frame(packed: Mapping[str, Any], device: torch.device) -> FrameMemory:
    bits = packed['maskmem']
    return FrameMemory(
        _tensor(packed['obj_ptr'], device),
        None if bits is None else _tensor(bits, device).view(torch.bfloat16),
        bool(packed['is_sure']),
    )


def _tensor(array: AnyArray, device: torch.device) -> Tensor:
    # A copy: the snapshot stays as it is, and may be read-only.
    return torch.from_numpy(np.array(array)).to(device)
