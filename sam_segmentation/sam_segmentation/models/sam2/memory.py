# SPDX-License-Identifier: Apache-2.0
"""What SAM 2 remembers of one object, and that as arrays and numbers for a snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sam_common.types import AnyArray


@dataclass(frozen=True, eq=False)
class FrameMemory:
    """What is remembered of one object from one frame.

    Parameters
    ----------
    obj_ptr : tensor of float32, shape (C,)
        The object in one vector.
    maskmem : tensor of bfloat16, shape (h * w, c), or None
        The frame and the object's mask in it; None: out of reach, so forgotten.
    is_sure : bool
        Whether the object was surely seen.

    """

    obj_ptr: Tensor
    maskmem: Tensor | None
    is_sure: bool = True


@dataclass(frozen=True, eq=False)
class Recalled:
    """What one frame attends to, for one object.

    Parameters
    ----------
    maskmems : list of (int, tensor)
        With each memory its temporal position: 0 for the frame that the object was
        added on, else 1 and up to the newest.
    obj_ptrs : list of (int, tensor)
        With each object pointer how many frames ago it was.

    """

    maskmems: list[tuple[int, Tensor]]
    obj_ptrs: list[tuple[int, Tensor]]

    @property
    def structure(self) -> tuple[int, int]:
        """What objects must have in common to be batched."""
        return len(self.maskmems), len(self.obj_ptrs)


@dataclass
class ObjectMemory:
    """What is remembered of one object.

    Time is counted in frames, by each object for itself: a copy that is to go on from an earlier
    frame only sets its `now` back.

    Parameters
    ----------
    now : int
        The frame last stepped.
    added : int
        The frame that the object was added on.
    first : FrameMemory or None
        What is remembered of that frame, for good. None: the frame lies in the future, so the
        object is not known yet.
    frames : dict of int to FrameMemory
        Of the newest frames, oldest first.
    clicks : tuple of tensors or None
        The points that were given on the frame `now` so far, (1, P, 2), and their labels, (1, P).

    """

    now: int
    added: int
    first: FrameMemory | None = None
    frames: dict[int, FrameMemory] = field(default_factory=dict)
    clicks: tuple[Tensor, Tensor] | None = None

    def step(self) -> None:
        """Go on to the next frame, of which nothing is known yet."""
        self.now += 1
        self.clicks = None

    def put(self, memory: FrameMemory) -> None:
        """Remember the frame `now`: as the first one if the object was added on it."""
        if self.first is None or self.added == self.now:
            self.first, self.added = memory, self.now
        else:
            self.frames[self.now] = memory

    def until(self, steps_back: int) -> ObjectMemory:
        """Return a copy that knows nothing of the last `steps_back` frames."""
        now = self.now - steps_back
        return ObjectMemory(
            now,
            self.added,
            self.first if self.added <= now else None,
            {index: memory for index, memory in self.frames.items() if index <= now},
            None if steps_back else self.clicks,
        )

    def tensors(self) -> list[Tensor]:
        """Return every tensor that is held."""
        memories = [*self.frames.values(), *([self.first] if self.first else [])]
        held = [memory.obj_ptr for memory in memories]
        held += [memory.maskmem for memory in memories if memory.maskmem is not None]
        return held + list(self.clicks or ())


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
