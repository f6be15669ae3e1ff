# SPDX-License-Identifier: Apache-2.0
"""What of an object's memory a frame attends to, as the official SAM 2 has it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.models.sam2.answers import Candidates, Chosen
from sam_segmentation.models.sam2.memory import FrameMemory, ObjectMemory, Recalled


@dataclass(frozen=True)
class FrameAssessment:
    """What is to be thought of a frame's answers.

    Parameters
    ----------
    sure : set of int
        The objects that were surely seen.
    identity_switches : set of int
        Those whose mask is another object's.

    """

    sure: set[int]
    identity_switches: set[int]


class MemoryPolicy(ABC):
    """Which masks are taken, which frames attended to, and so how long each is remembered.

    Parameters
    ----------
    model : SAM2Base
        Its options say how far back it looks.

    """

    def __init__(self, model: Any) -> None:
        self.count: int = model.num_maskmem - 1
        self._stride: int = model.memory_temporal_stride_for_eval
        self._pointers: int = (
            model.max_obj_ptrs_in_encoder - 1 if model.use_obj_ptrs_in_encoder else 0
        )
        self._uses_pointers: bool = model.use_obj_ptrs_in_encoder

    @abstractmethod
    def maskmems(self, memory: ObjectMemory, frame: int) -> list[tuple[int, FrameMemory]]:
        """Return the temporal positions and frames that `frame` attends to, but the first."""

    @abstractmethod
    def pick(
        self,
        candidates: Candidates,
        motions: Sequence[BoxMotion | None],
        size_wh: tuple[int, int],
    ) -> Tensor | None:
        """Return which mask to take of each of B objects, (B,); None: that of the highest IoU.

        `motions` lead to where each should be in this frame of this size [px]; None: unknown.
        """

    @abstractmethod
    def assess(
        self,
        ids: Sequence[int],
        chosen: Chosen,
        expected: Mapping[int, BoxMotion],
        size_wh: tuple[int, int],
    ) -> FrameAssessment:
        """Judge the answers of a frame for B objects with these ids."""

    @abstractmethod
    def _in_reach(self, memory: ObjectMemory) -> set[int]:
        """Return the frames whose memories `now` or a later frame may still attend to."""

    def recall(self, memory: ObjectMemory, frame: int) -> Recalled | None:
        """Return what a frame attends to; None: the object is not known in it yet."""
        if memory.first is None or memory.first.maskmem is None:
            return None
        maskmems = [(0, memory.first.maskmem)]
        maskmems += [
            (t, one.maskmem) for t, one in self.maskmems(memory, frame) if one.maskmem is not None
        ]
        obj_ptrs: list[tuple[int, Tensor]] = []
        if self._uses_pointers:
            obj_ptrs.append((frame - memory.added, memory.first.obj_ptr))
            for ago in range(1, self._pointers + 1):
                if frame - ago in memory.frames:
                    obj_ptrs.append((ago, memory.frames[frame - ago].obj_ptr))
        return Recalled(maskmems, obj_ptrs)

    def forget(self, memory: ObjectMemory) -> None:
        """Drop what neither the frame `now` nor a later one can attend to."""
        reach = self._in_reach(memory)
        kept = {}
        for index, one in memory.frames.items():
            if index in reach:
                kept[index] = one
            elif memory.now - index <= self._pointers:
                kept[index] = replace(one, maskmem=None)
        memory.frames = kept


class Fifo(MemoryPolicy):
    """The newest frames, as in `SAM2Base._prepare_memory_conditioned_features`."""

    def maskmems(self, memory: ObjectMemory, frame: int) -> list[tuple[int, FrameMemory]]:
        """Return the frame before, and those before it in steps of the model's stride."""
        newest = (frame - 2) // self._stride * self._stride
        wanted = [newest - ago * self._stride for ago in reversed(range(self.count - 1))]
        wanted.append(frame - 1)
        return [
            (t_pos, memory.frames[index])
            for t_pos, index in enumerate(wanted, 1)
            if index in memory.frames
        ]

    def pick(
        self,
        candidates: Candidates,
        motions: Sequence[BoxMotion | None],
        size_wh: tuple[int, int],
    ) -> None:
        """Leave the choice to the network."""

    def assess(
        self,
        ids: Sequence[int],
        chosen: Chosen,
        expected: Mapping[int, BoxMotion],
        size_wh: tuple[int, int],
    ) -> FrameAssessment:
        """Believe everything."""
        return FrameAssessment(set(ids), set())

    def _in_reach(self, memory: ObjectMemory) -> set[int]:
        # A correction of the frame `now` looks back from there.
        oldest = memory.now - 1 - self._stride * (self.count - 1)
        return {index for index in memory.frames if index >= oldest}
