# SPDX-License-Identifier: Apache-2.0
"""SAM 2 and 2.1 on a live stream: the official network, with a memory that does not grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from sam_common.errors import MissingFrameError, SamError
from sam_common.types import Float32Array, UInt8Array
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.tracked_mask import Observation
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import FIFO, MOTION_AWARE, TrackerOptions
from sam_segmentation.models.sam2.answers import Chosen, FrameFeatures
from sam_segmentation.models.sam2.memory import FrameMemory, ObjectMemory, Recalled, pack, unpack
from sam_segmentation.models.sam2.memory_policy import Fifo, FrameAssessment, MemoryPolicy
from sam_segmentation.models.sam2.motion_aware import MotionAware
from sam_segmentation.models.sam2.network import Sam2Network
from sam_segmentation.models.sam2.observation import filled_logits, no_observation, observations
from sam_segmentation.models.sam2.prompt import (
    MAX_LOGIT,
    clicks_of,
    is_mask_alone,
    mask_input,
    rough_logits,
)
from sam_segmentation.models.torch.device import free_cache, on_device

_POLICIES: dict[str, type[MemoryPolicy]] = {FIFO: Fifo, MOTION_AWARE: MotionAware}


class Sam2Tracker(Tracker):
    """`SAM2VideoPredictor.propagate_in_video` one frame at a time.

    With the memory policy 'fifo', logits equal the official ones, corrections included: what a
    frame attends to is the same, and what no later frame can attend to is dropped. On the
    processor they are the same to the bit; on a GPU objects are batched, which rounds otherwise.

    A mask alone is taken for the answer, as by the official `add_new_mask`. Logits, or a mask
    with points or a box, go into the decoder as a rough mask, as the object's last one does when
    it is corrected. A box or a mask replaces what was given on the same frame before; points add
    to it.

    Parameters
    ----------
    name : str
    model : SAM2Base
        On the device and in eval mode; shared, not copied.
    device : torch.device
    options : TrackerOptions

    """

    def __init__(
        self, name: str, model: Any, *, device: torch.device, options: TrackerOptions
    ) -> None:
        super().__init__(name, device=str(device), options=options)
        self._torch_device = device
        self._network: Sam2Network | None = Sam2Network(model, device)
        self._policy = _POLICIES[options.memory](model)
        self._holes = options.fill_hole_area
        self._memories: dict[int, ObjectMemory] = {}
        self._features: FrameFeatures | None = None

    def close(self) -> None:
        """Stop tracking and free the model's memory; the tracker cannot be used afterwards."""
        super().close()
        self._network = None
        free_cache(self._torch_device)

    def _step(
        self, image_rgb: UInt8Array, expected: Mapping[int, BoxMotion]
    ) -> dict[int, Observation]:
        size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        recalled = {
            object_id: self._policy.recall(memory, memory.now + 1)
            for object_id, memory in self._memories.items()
        }
        known = {object_id: one for object_id, one in recalled.items() if one is not None}
        features: FrameFeatures | None = None
        memories: dict[int, FrameMemory] = {}
        seen: dict[int, Observation] = {}
        if known:
            with self._running() as network:
                features = network.features(image_rgb)
                ids, chosen = self._follow(network, features, known, expected, size_wh)
                assessment = self._policy.assess(ids, chosen, expected, size_wh)
                memories = _memories(network, features, ids, chosen, assessment)
                seen = dict(zip(ids, observations(chosen, size_wh, self._holes), strict=True))
            for object_id in assessment.identity_switches:
                del memories[object_id], seen[object_id]
        # Nothing can fail from here on, so all objects have seen the frame, or none has.
        self._features = features
        for object_id, memory in self._memories.items():
            memory.step()
            if object_id in memories:
                memory.put(memories[object_id])
            self._policy.forget(memory)
        return {
            object_id: seen.get(object_id) or no_observation(size_wh)
            for object_id in self._memories
        }

    def _follow(
        self,
        network: Sam2Network,
        features: FrameFeatures,
        known: Mapping[int, Recalled],
        expected: Mapping[int, BoxMotion],
        size_wh: tuple[int, int],
    ) -> tuple[list[int], Chosen]:
        """Return the objects, in the order of the answers, and their masks in a new frame."""
        ids, answers = [], []
        for batch in _batches(known, network.max_batch):
            fused = network.with_memory(features, [known[object_id] for object_id in batch])
            candidates = network.decode(fused, features)
            motions = [expected.get(object_id) for object_id in batch]
            index = self._policy.pick(candidates, motions, size_wh)
            answers.append(network.choose(candidates, index))
            ids += batch
        return ids, Chosen.joined(answers)

    def _add(self, object_id: int, prompt: Prompt) -> Observation:
        now = self.steps - 1
        memory = ObjectMemory(now, now)
        observation = self._answered(memory, prompt, previous=None)
        self._memories[object_id] = memory
        return observation

    def _refine(self, object_id: int, prompt: Prompt) -> Observation:
        memory = self._memories[object_id].until(0)
        previous = self._tracks[object_id].last.logits
        observation = self._answered(memory, prompt, previous=previous)
        self._memories[object_id] = memory
        return observation

    def _remove(self, object_id: int) -> None:
        del self._memories[object_id]

    def _reset(self) -> None:
        self._memories.clear()
        self._features = None

    def _empty(self) -> Sam2Tracker:
        with self._running() as network:
            return Sam2Tracker(
                self.name, network.model, device=self._torch_device, options=self.options
            )

    def _copy_object(self, object_id: int, source: Sam2Tracker, steps_back: int) -> None:
        self._memories[object_id] = source._memories[object_id].until(steps_back)

    def _snapshot(self) -> dict[str, Any]:
        return {str(object_id): pack(memory) for object_id, memory in self._memories.items()}

    def _restore(self, memory: Mapping[str, Any]) -> None:
        self._memories = {
            int(object_id): unpack(packed, self._torch_device)
            for object_id, packed in memory.items()
        }

    def _answered(
        self, memory: ObjectMemory, prompt: Prompt, *, previous: Float32Array | None
    ) -> Observation:
        """Answer a prompt on the frame last stepped, and remember it in `memory`."""
        if self._size_wh is None or self._image is None:
            raise MissingFrameError('no frame has come yet; step one, then prompt on it')
        with self._running() as network:
            if self._features is None:
                self._features = network.features(self._image)
            if is_mask_alone(prompt) and network.model.use_mask_input_as_output_without_sam:
                memory.clicks = None
                chosen = network.given(self._features, mask_input(prompt, network))
            else:
                rough = rough_logits(prompt, network, previous)
                memory.clicks = clicks_of(prompt, memory.clicks, network, self._size_wh)
                chosen = self._decoded(network, self._features, memory, rough)
            filled = filled_logits(chosen.logits, self._holes)
            maps = network.memorize(
                self._features, filled, chosen.object_score_logits, prompted=True
            )
            observation = observations(chosen, self._size_wh, self._holes)[0]
        memory.put(FrameMemory(chosen.obj_ptrs[0].clone(), maps[0].clone()))
        return observation

    def _decoded(
        self,
        network: Sam2Network,
        features: FrameFeatures,
        memory: ObjectMemory,
        rough: Tensor | None,
    ) -> Chosen:
        begins = memory.first is None or memory.added == memory.now
        recalled = None if begins else self._policy.recall(memory, memory.now)
        fused = (
            network.with_memory(features, [recalled])
            if recalled
            else network.without_memory(features)
        )
        for _ in range(1 + self.options.refine_rounds):
            candidates = network.decode(
                fused, features, points=memory.clicks, logits=rough, begins=begins
            )
            chosen = network.choose(candidates)
            if not (chosen.logits > 0).any():
                break
            rough = filled_logits(chosen.logits, self._holes).clamp(-MAX_LOGIT, MAX_LOGIT)
        return chosen

    @contextmanager
    def _running(self) -> Iterator[Sam2Network]:
        if self._network is None:
            raise SamError(f'{self.name} was closed; load it again')
        with on_device(self._torch_device), torch.inference_mode():
            yield self._network


def _batches(known: Mapping[int, Recalled], size: int) -> Iterator[list[int]]:
    """Group objects of like memories, at most `size` together."""
    groups = defaultdict(list)
    for object_id, recalled in known.items():
        groups[recalled.structure].append(object_id)
    for group in groups.values():
        for begin in range(0, len(group), size):
            yield group[begin : begin + size]


def _memories(
    network: Sam2Network,
    features: FrameFeatures,
    ids: Sequence[int],
    chosen: Chosen,
    assessment: FrameAssessment,
) -> dict[int, FrameMemory]:
    memories = {}
    for begin in range(0, len(ids), network.max_batch):
        rows = slice(begin, begin + network.max_batch)
        maps = network.memorize(
            features,
            chosen.logits[rows],
            chosen.object_score_logits[rows],
            prompted=False,
            candidates=chosen.candidates,
        )
        # Copies, or each would keep its whole batch.
        for i, object_id in enumerate(ids[rows], begin):
            memories[object_id] = FrameMemory(
                chosen.obj_ptrs[i].clone(), maps[i - begin].clone(), object_id in assessment.sure
            )
    return memories
