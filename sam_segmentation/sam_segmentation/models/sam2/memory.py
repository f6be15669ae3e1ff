# SPDX-License-Identifier: Apache-2.0
"""What SAM 2 remembers of one object."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


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
