# SPDX-License-Identifier: Apache-2.0
"""SAM 2 and 2.1 on a live stream: the official network, with a memory that does not grow."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sam_segmentation.backends.sam2_tracker_holes import fill_holes
from sam_segmentation.backends.sam2_tracker_memory import (
    Fifo,
    FrameMemory,
    ObjectMemory,
    Recalled,
)
from sam_segmentation.backends.sam2_tracker_network import (
    Chosen,
    FrameFeatures,
    Sam2Network,
    upscaled,
)
from sam_segmentation.backends.sam2_tracker_packing import pack, unpack
from sam_segmentation.backends.torch_device import free_cache, on_device
from sam_segmentation.backends.torch_segmenter import MAX_POINTS, soft_logits
from sam_segmentation.core.errors import MissingFrameError, PromptError, SamError
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.tracked_mask import Sighting
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions

# Those of `build_sam2_video_predictor` and `SAM2VideoPredictor`.
_FILL_HOLE_AREA = 8
_MAX_LOGIT = 32.0
_BOX_LABELS = (2, 3)
# How many objects go through the network at once: beyond, nothing is gained, and memory is spent.
_MAX_BATCH = 16


class Sam2Tracker(Tracker):
    """`SAM2VideoPredictor.propagate_in_video` one frame at a time.

    With the memory policy 'fifo', logits equal the official ones, corrections included: what a
    frame attends to is the same, and what no later frame can attend to is dropped.

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
        self._policy = Fifo(model)
        self._memories: dict[int, ObjectMemory] = {}
        self._features: FrameFeatures | None = None

    def close(self) -> None:
        """Stop tracking and free the model's memory; the tracker cannot be used afterwards."""
        super().close()
        self._network = None
        free_cache(self._torch_device)

    def _step(
        self, image_rgb: npt.NDArray[np.uint8], expected: Mapping[int, BoxMotion]
    ) -> dict[int, Sighting]:
        size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        recalled = {
            object_id: self._policy.recall(memory, memory.now + 1)
            for object_id, memory in self._memories.items()
        }
        known = {object_id: one for object_id, one in recalled.items() if one is not None}
        features: FrameFeatures | None = None
        seen: dict[int, Sighting] = {}
        memories: dict[int, FrameMemory] = {}
        with self._running() as network:
            for batch in _batches(known):
                features = features or network.features(image_rgb)
                chosen = _follow(network, features, [known[object_id] for object_id in batch])
                maps = network.memorize(features, chosen.logits, chosen.presence, prompted=False)
                seen.update(zip(batch, _sightings(chosen, size_wh), strict=True))
                for i, object_id in enumerate(batch):
                    memories[object_id] = FrameMemory(chosen.pointers[i].clone(), maps[i].clone())
        # Nothing can fail from here on, so all objects have seen the frame, or none has.
        self._features = features
        for object_id, memory in self._memories.items():
            memory.step()
            if object_id in memories:
                memory.put(memories[object_id])
            self._policy.forget(memory)
        return {object_id: seen.get(object_id) or _unseen(size_wh) for object_id in self._memories}

    def _add(self, object_id: int, prompt: Prompt) -> Sighting:
        now = self.steps - 1
        memory, sighting = self._answered(ObjectMemory(now, now), prompt, previous=None)
        self._memories[object_id] = memory
        return sighting

    def _refine(self, object_id: int, prompt: Prompt) -> Sighting:
        memory = self._memories[object_id].until(0)
        previous = self._tracks[object_id].last.logits
        memory, sighting = self._answered(memory, prompt, previous=previous)
        self._memories[object_id] = memory
        return sighting

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
        self, memory: ObjectMemory, prompt: Prompt, *, previous: npt.NDArray[np.float32] | None
    ) -> tuple[ObjectMemory, Sighting]:
        """Answer a prompt on the frame last stepped, and remember it in `memory`."""
        if self._size_wh is None or self._image is None:
            raise MissingFrameError('no frame has come yet; step one, then prompt on it')
        if len(prompt.points_xy) > MAX_POINTS:
            raise PromptError(
                f'{len(prompt.points_xy)} points are given; {self.name} takes {MAX_POINTS} at most'
            )
        begins = memory.first is None or memory.added == memory.now
        with self._running() as network:
            if self._features is None:
                self._features = network.features(self._image)
            features = self._features
            if _is_mask_alone(prompt) and network.model.use_mask_input_as_output_without_sam:
                memory.clicks = None
                chosen = network.given(features, _mask_input(prompt, network))
            else:
                rough = _rough_logits(prompt, network, previous)
                memory.clicks = _clicks(prompt, memory.clicks, network, self._size_wh)
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
                    rough = _filled(chosen.logits).clamp(-_MAX_LOGIT, _MAX_LOGIT)
            filled = _filled(chosen.logits)
            maps = network.memorize(features, filled, chosen.presence, prompted=True)
            sighting = _sightings(chosen, self._size_wh)[0]
        memory.put(FrameMemory(chosen.pointers[0].clone(), maps[0].clone()))
        return memory, sighting

    @contextmanager
    def _running(self) -> Iterator[Sam2Network]:
        if self._network is None:
            raise SamError(f'{self.name} was closed; load it again')
        with on_device(self._torch_device), torch.inference_mode():
            yield self._network


def _batches(known: Mapping[int, Recalled]) -> Iterator[list[int]]:
    """Group objects of like memories."""
    groups = defaultdict(list)
    for object_id, recalled in known.items():
        groups[recalled.structure].append(object_id)
    for group in groups.values():
        for begin in range(0, len(group), _MAX_BATCH):
            yield group[begin : begin + _MAX_BATCH]


def _follow(network: Sam2Network, features: FrameFeatures, recalled: Sequence[Recalled]) -> Chosen:
    fused = network.with_memory(features, recalled)
    return network.choose(network.decode(fused, features))


def _is_mask_alone(prompt: Prompt) -> bool:
    return prompt.mask is not None and not len(prompt.points_xy) and prompt.box_xyxy is None


def _mask_input(prompt: Prompt, network: Sam2Network) -> Tensor:
    size = network.model.image_size
    mask = (
        torch.from_numpy(np.ascontiguousarray(prompt.mask)).to(network.device).float()[None, None]
    )
    if mask.shape[-2:] == (size, size):
        return mask
    shrunk = nn.functional.interpolate(
        mask, size=(size, size), mode='bilinear', align_corners=False, antialias=True
    )
    return (shrunk >= 0.5).float()


def _rough_logits(
    prompt: Prompt, network: Sam2Network, previous: npt.NDArray[np.float32] | None
) -> Tensor | None:
    """Return the mask that goes into the decoder with a prompt, (1, 1, S, S), or None."""
    side = network.logits_side
    logits = previous
    if prompt.mask is not None:
        logits = soft_logits(prompt.mask, (side, side))
    elif prompt.logits is not None:
        logits = prompt.logits
    if logits is None:
        return None
    if logits.shape != (side, side):
        raise PromptError(
            f'logits have shape {logits.shape} but the model reads ({side}, {side}); '
            'give those of one of its own masks'
        )
    rough = torch.from_numpy(logits).to(network.device)[None, None]
    return rough.clamp(-_MAX_LOGIT, _MAX_LOGIT)


def _clicks(
    prompt: Prompt,
    before: tuple[Tensor, Tensor] | None,
    network: Sam2Network,
    size_wh: tuple[int, int],
) -> tuple[Tensor, Tensor] | None:
    """Return the points that hold on this frame, the corners of a box first."""
    points = torch.tensor(prompt.points_xy, dtype=torch.float32).reshape(1, -1, 2)
    labels = torch.tensor(prompt.labels, dtype=torch.int32).reshape(1, -1)
    if prompt.box_xyxy is not None:
        corners = torch.tensor(prompt.box_xyxy, dtype=torch.float32).reshape(1, 2, 2)
        points = torch.cat([corners, points], dim=1)
        labels = torch.cat([torch.tensor([_BOX_LABELS], dtype=torch.int32), labels], dim=1)
    points = points / torch.tensor(size_wh) * network.model.image_size
    points, labels = points.to(network.device), labels.to(network.device)
    if before is not None and prompt.box_xyxy is None and prompt.mask is None:
        points = torch.cat([before[0], points], dim=1)
        labels = torch.cat([before[1], labels], dim=1)
    return (points, labels) if points.shape[1] else None


def _filled(logits: Tensor) -> Tensor:
    """Return logits (B, 1, S, S) without small holes."""
    host = logits.cpu().numpy()
    filled = np.stack([fill_holes(one, _FILL_HOLE_AREA) for one in host[:, 0]])
    return torch.from_numpy(filled).to(logits.device)[:, None]


def _sightings(chosen: Chosen, size_wh: tuple[int, int]) -> list[Sighting]:
    filled = _filled(chosen.logits)
    masks = (upscaled(filled, (size_wh[1], size_wh[0])) > 0)[:, 0].cpu().numpy()
    host = filled[:, 0].cpu().numpy()
    scores = chosen.ious.tolist()
    presences = chosen.presence.sigmoid()[:, 0].tolist()
    return [Sighting(masks[i], scores[i], host[i], presences[i]) for i in range(len(masks))]


def _unseen(size_wh: tuple[int, int]) -> Sighting:
    return Sighting(np.zeros((size_wh[1], size_wh[0]), np.bool_), 0.0, None, 0.0)
