# SPDX-License-Identifier: Apache-2.0
"""Follows objects with any segmenter: optical flow carries masks, the segmenter corrects them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.backends.flow_field import FlowField, Grey, find_flow, shrink_grey
from sam_segmentation.backends.flow_look import Bins, Look, find_bins
from sam_segmentation.backends.flow_state import Bits, FlowState
from sam_segmentation.core.masks import mask_to_box
from sam_segmentation.core.metrics import iou
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Embedding, Segmenter
from sam_segmentation.core.tracked_mask import Sighting
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions

Image = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

# Frames that a branch can go back.
HISTORY = 30
# Every so many frames masks are segmented anew.
_CORRECT_EVERY = 3
# The segmenter's answer counts if it agrees with the carried mask this much.
_AGREES_IOU = 0.7
# An object that shows less than this share of its area, or looks less like itself, is hidden.
_SEEN_SHARE, _SEEN_LIKENESS = 0.15, 0.6
_FOUND_LIKENESS, _FOUND_SHARE = 0.8, 0.4


class FlowTracker(Tracker):
    """Follows objects through a stream without a model that has a memory.

    `TrackerOptions.memory` chooses nothing here, since there is no memory to choose from.

    Parameters
    ----------
    segmenter : Segmenter
        It is shared, not copied.
    options : TrackerOptions

    """

    def __init__(self, segmenter: Segmenter, *, options: TrackerOptions) -> None:
        super().__init__(segmenter.name, device=segmenter.device, options=options)
        self._segmenter = segmenter
        self._states: dict[int, deque[FlowState]] = {}
        self._greys: deque[Grey] = deque(maxlen=HISTORY + 1)
        self._embedding: Embedding | None = None
        self._bins: Bins | None = None

    def _step(self, image_rgb: Image, expected: Mapping[int, BoxMotion]) -> dict[int, Sighting]:
        grey, bins = shrink_grey(image_rgb), find_bins(image_rgb)
        before = self._greys[-1] if self._greys else None
        flow: FlowField | None = None
        if before is not None and before.shape == grey.shape and self._states:
            flow = find_flow(before, grey)
        self._embedding, self._bins = None, bins
        found = {}
        for object_id, history in self._states.items():
            state = history[-1]
            if state.hidden:
                state = self._look(image_rgb, bins, state)
            else:
                state = self._follow(image_rgb, bins, state, flow)
            found[object_id] = state
        self._greys.append(grey)
        for object_id, state in found.items():
            self._states[object_id].append(state)
        return {object_id: _sighting(state) for object_id, state in found.items()}

    def _follow(
        self, image_rgb: Image, bins: Bins, state: FlowState, flow: FlowField | None
    ) -> FlowState:
        mask = state.bits.mask
        if flow is not None:
            mask = flow.carry(mask) > 0.5
        if mask.any() and (flow is None or self.steps % _CORRECT_EVERY == 0):
            answer = self._answer(image_rgb, Prompt(mask=mask))
            if iou(answer.mask, mask) > _AGREES_IOU:
                mask = answer.mask
        look = Look.of(bins, _small(mask, bins))
        likeness = 0.0 if look is None else state.look.likeness(look)
        box = mask_to_box(mask)
        share = np.count_nonzero(mask) / state.area_px
        if box is None or share < _SEEN_SHARE or likeness < _SEEN_LIKENESS:
            empty = Bits.of(np.zeros_like(mask))
            return replace(state, bits=empty, presence=0.0, hidden=1)
        return replace(
            state,
            bits=Bits.of(mask),
            area_px=max(0.98 * state.area_px, float(np.count_nonzero(mask))),
            presence=likeness,
            box_xyxy=box,
        )

    def _look(self, image_rgb: Image, bins: Bins, state: FlowState) -> FlowState:
        lost = replace(state, hidden=state.hidden + 1)
        whole = Look.of(bins, np.ones(bins.shape, bool))
        if whole is None:
            return lost
        chance = cv2.morphologyEx(
            (state.look.find(bins, whole) > 0.5).astype(np.uint8),
            cv2.MORPH_OPEN,
            np.ones((3, 3), np.uint8),
        )
        count, pieces, stats, _ = cv2.connectedComponentsWithStats(chance)
        if count < 2:
            return lost
        best = 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
        size = image_rgb.shape[1], image_rgb.shape[0]
        part = (pieces == best).astype(np.uint8)
        mask = cv2.resize(part, size, interpolation=cv2.INTER_NEAREST) > 0
        if np.count_nonzero(mask) < _FOUND_SHARE * state.area_px:
            return lost
        mask = self._answer(image_rgb, Prompt(mask=mask)).mask
        look = Look.of(bins, _small(mask, bins))
        box = mask_to_box(mask)
        likeness = 0.0 if look is None else state.look.likeness(look)
        share = np.count_nonzero(mask) / state.area_px
        if box is None or likeness < _FOUND_LIKENESS or not _FOUND_SHARE < share < 2:
            return lost
        return replace(state, bits=Bits.of(mask), presence=likeness, hidden=0, box_xyxy=box)

    def _add(self, object_id: int, prompt: Prompt) -> Sighting:
        return self._begin(object_id, self._prompted(prompt))

    def _refine(self, object_id: int, prompt: Prompt) -> Sighting:
        present = self._states[object_id][-1].bits.mask
        if (
            prompt.mask is None
            and prompt.logits is None
            and prompt.box_xyxy is None
            and present.any()
        ):
            prompt = replace(prompt, mask=present)
        return self._begin(object_id, self._prompted(prompt))

    def _prompted(self, prompt: Prompt) -> ScoredMask:
        image = self._image
        if image is None:
            raise RuntimeError('a prompt came before a frame')
        return self._segmenter.segment(
            self._embedded(image), prompt, refine_rounds=self.options.refine_rounds
        )[0]

    def _begin(self, object_id: int, answer: ScoredMask) -> Sighting:
        bins = self._bins
        look = Look.of(bins, _small(answer.mask, bins)) if bins is not None else None
        box = mask_to_box(answer.mask)
        if look is None or box is None:
            look = look or Look(np.zeros(2048, np.float32))
        state = FlowState(
            Bits.of(answer.mask),
            look,
            float(max(answer.area, 1)),
            answer.score,
            1.0 if answer.area else 0.0,
            0 if answer.area else 1,
            box or (0.0, 0.0, 1.0, 1.0),
        )
        history = self._states.setdefault(object_id, deque(maxlen=HISTORY + 1))
        if history:
            history.pop()
        history.append(state)
        return _sighting(state)

    def _remove(self, object_id: int) -> None:
        del self._states[object_id]

    def _reset(self) -> None:
        self._states.clear()
        self._greys.clear()
        self._embedding = self._bins = None

    def _empty(self) -> FlowTracker:
        return FlowTracker(self._segmenter, options=self.options)

    def _copy_object(self, object_id: int, source: Any, steps_back: int) -> None:
        history = list(source._states[object_id])
        kept = history[: max(1, len(history) - steps_back)]
        self._states[object_id] = deque(kept, maxlen=HISTORY + 1)
        if not self._greys:
            greys = list(source._greys)
            self._greys.extend(greys[: len(greys) - steps_back])

    def _snapshot(self) -> dict[str, Any]:
        return {
            'grey': self._greys[-1] if self._greys else None,
            'objects': {str(i): history[-1].packed() for i, history in self._states.items()},
        }

    def _restore(self, memory: Mapping[str, Any]) -> None:
        if memory['grey'] is not None:
            self._greys.append(np.asarray(memory['grey'], np.uint8))
        for object_id, packed in memory['objects'].items():
            history = deque([FlowState.unpacked(packed)], maxlen=HISTORY + 1)
            self._states[int(object_id)] = history

    def _embedded(self, image_rgb: Image) -> Embedding:
        if self._embedding is None:
            self._embedding = self._segmenter.embed(image_rgb)
        return self._embedding

    def _answer(self, image_rgb: Image, prompt: Prompt) -> ScoredMask:
        return self._segmenter.segment(self._embedded(image_rgb), prompt)[0]


def _small(mask: Mask, bins: Bins) -> Mask:
    size = bins.shape[1], bins.shape[0]
    return cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0


def _sighting(state: FlowState) -> Sighting:
    return Sighting(state.bits.mask, state.score * state.presence, None, state.presence)
