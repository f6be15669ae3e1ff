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
class Verdict:
    """What is to be thought of a frame's answers.

    Parameters
    ----------
    sure : set of int
        The objects that were surely seen.
    impostors : set of int
        Those whose mask is another object's.

    """

    sure: set[int]
    impostors: set[int]


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
    def maps(self, memory: ObjectMemory, frame: int) -> list[tuple[int, FrameMemory]]:
        """Return the places and the frames, but the first one, whose maps `frame` attends to."""

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
    def judge(
        self,
        ids: Sequence[int],
        chosen: Chosen,
        expected: Mapping[int, BoxMotion],
        size_wh: tuple[int, int],
    ) -> Verdict:
        """Judge the answers of a frame for B objects with these ids."""

    @abstractmethod
    def _in_reach(self, memory: ObjectMemory) -> set[int]:
        """Return the frames whose maps `now` or a later frame may still attend to."""

    def recall(self, memory: ObjectMemory, frame: int) -> Recalled | None:
        """Return what a frame attends to; None: the object is not known in it yet."""
        if memory.first is None or memory.first.map is None:
            return None
        maps = [(0, memory.first.map)]
        maps += [(t, one.map) for t, one in self.maps(memory, frame) if one.map is not None]
        pointers: list[tuple[int, Tensor]] = []
        if self._uses_pointers:
            pointers.append((frame - memory.added, memory.first.pointer))
            for ago in range(1, self._pointers + 1):
                if frame - ago in memory.frames:
                    pointers.append((ago, memory.frames[frame - ago].pointer))
        return Recalled(maps, pointers)

    def forget(self, memory: ObjectMemory) -> None:
        """Drop what neither the frame `now` nor a later one can attend to."""
        reach = self._in_reach(memory)
        kept = {}
        for index, one in memory.frames.items():
            if index in reach:
                kept[index] = one
            elif memory.now - index <= self._pointers:
                kept[index] = replace(one, map=None)
        memory.frames = kept


class Fifo(MemoryPolicy):
    """The newest frames, as in `SAM2Base._prepare_memory_conditioned_features`."""

    def maps(self, memory: ObjectMemory, frame: int) -> list[tuple[int, FrameMemory]]:
        """Return the frame before, and those before it in steps of the model's stride."""
        newest = (frame - 2) // self._stride * self._stride
        wanted = [newest - ago * self._stride for ago in reversed(range(self.count - 1))]
        wanted.append(frame - 1)
        return [
            (place, memory.frames[index])
            for place, index in enumerate(wanted, 1)
            if index in memory.frames
        ]

    def pick(
        self,
        candidates: Candidates,
        motions: Sequence[BoxMotion | None],
        size_wh: tuple[int, int],
    ) -> None:
        """Leave the choice to the network."""

    def judge(
        self,
        ids: Sequence[int],
        chosen: Chosen,
        expected: Mapping[int, BoxMotion],
        size_wh: tuple[int, int],
    ) -> Verdict:
        """Believe everything."""
        return Verdict(set(ids), set())

    def _in_reach(self, memory: ObjectMemory) -> set[int]:
        # A correction of the frame `now` looks back from there.
        oldest = memory.now - 1 - self._stride * (self.count - 1)
        return {index for index in memory.frames if index >= oldest}
