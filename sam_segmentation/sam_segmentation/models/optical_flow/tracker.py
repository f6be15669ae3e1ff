# SPDX-License-Identifier: Apache-2.0
"""Follows objects with any segmenter: optical flow carries masks, the segmenter corrects them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from sam_common.errors import MissingFrameError
from sam_common.types import BoolArray, UInt8Array
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Segmenter
from sam_segmentation.core.tracked_mask import Observation
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions
from sam_segmentation.models.optical_flow.frame import FlowFrame
from sam_segmentation.models.optical_flow.pixels import PixelClaim, assign_pixels, make_claim
from sam_segmentation.models.optical_flow.redetect import find_again, heal
from sam_segmentation.models.optical_flow.refine import refine
from sam_segmentation.models.optical_flow.state import FlowState
from sam_segmentation.models.optical_flow.visibility import begin, is_partial, judge

# Frames that a branch can go back.
HISTORY = 30
# Every so many frames masks are segmented anew, and hidden objects looked for.
_CORRECT_EVERY, _SEARCH_EVERY = 3, 2


class FlowTracker(Tracker):
    """Follows objects through a stream without a model that has a memory.

    Optical flow carries each mask into the next frame; there pixels go to the object that claims
    them most, by where its mask was carried and by its colours. Every third frame the segmenter
    draws the outlines anew. An object that shows too little of its outline is hidden; it is
    waited for where the camera's motion and its own lead, and looked for by its colours and shape.
    A pixel belongs to one object only: a part cannot be tracked beside the whole.

    `TrackerOptions.memory` chooses nothing here, since there is no memory to choose from. A
    branch can go back 30 frames; one from farther back begins with the oldest mask that is known,
    and a restored tracker knows none before the snapshot.

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
        self._greys: deque[UInt8Array] = deque(maxlen=HISTORY + 1)
        self._view: FlowFrame | None = None

    def _step(
        self, image_rgb: UInt8Array, expected: Mapping[int, BoxMotion]
    ) -> dict[int, Observation]:
        # Carry each mask into the frame by optical flow; a pixel goes to its strongest claim.
        view = FlowFrame(image_rgb, self._greys[-1] if self._greys else None, self._segmenter)
        before = {object_id: history[-1] for object_id, history in self._states.items()}
        claims = {object_id: make_claim(state, view) for object_id, state in before.items()}
        masks = assign_pixels(claims, view.size_wh)
        # Judge which objects are visible; every third frame, let the segmenter correct outlines.
        corrects = self.steps % _CORRECT_EVERY == 0 or view.flow is None
        states: dict[int, FlowState] = {}
        for object_id, state in before.items():
            others = _union([m for i, m in masks.items() if i != object_id], view)
            states[object_id] = judge(
                state, claims[object_id], masks[object_id], others, view, corrects=corrects
            )
            masks[object_id] = states[object_id].bits.mask
        # Look for hidden objects, and heal partial ones.
        if self.steps % _SEARCH_EVERY == 0:
            self._search(states, claims, masks, view, corrects=corrects)
        # Keep the frame and the states for the next step, and for branches that go back.
        self._greys.append(view.grey)
        self._view = view
        for object_id, state in states.items():
            self._states[object_id].append(state)
        return {object_id: _observation(state) for object_id, state in states.items()}

    def _search(
        self,
        states: dict[int, FlowState],
        claims: Mapping[int, PixelClaim],
        masks: dict[int, BoolArray],
        view: FlowFrame,
        *,
        corrects: bool,
    ) -> None:
        # Whoever was hidden last has gone least far.
        for object_id in sorted(states, key=lambda i: states[i].hidden):
            state = states[object_id]
            if not state.hidden and not (corrects and is_partial(state)):
                continue
            others = _union([m for i, m in masks.items() if i != object_id], view)
            look = find_again if state.hidden else heal
            states[object_id] = look(state, claims[object_id], others, view)
            masks[object_id] = states[object_id].bits.mask

    def _add(self, object_id: int, prompt: Prompt) -> Observation:
        view = self._newest()
        answer = view.segment(prompt, refine_rounds=self.options.refine_rounds)
        state = begin(answer, view)
        self._states[object_id] = deque([state], maxlen=HISTORY + 1)
        return _observation(state)

    def _refine(self, object_id: int, prompt: Prompt) -> Observation:
        view, history = self._newest(), self._states[object_id]
        answer = refine(
            view, history[-1].bits.mask, prompt, refine_rounds=self.options.refine_rounds
        )
        history[-1] = replace(begin(answer, view), drift_xy=history[-1].drift_xy)
        return _observation(history[-1])

    def _newest(self) -> FlowFrame:
        if self._view is None:
            raise MissingFrameError('no frame has come yet; step one, then prompt on it')
        return self._view

    def _remove(self, object_id: int) -> None:
        del self._states[object_id]

    def _reset(self) -> None:
        self._states.clear()
        self._greys.clear()
        self._view = None

    def _empty(self) -> FlowTracker:
        return FlowTracker(self._segmenter, options=self.options)

    def _copy_object(self, object_id: int, source: Any, steps_back: int) -> None:
        history = list(source._states[object_id])
        kept = history[: max(1, len(history) - steps_back)]
        self._states[object_id] = deque(kept, maxlen=HISTORY + 1)
        if not self._greys:
            greys = list(source._greys)
            self._greys.extend(greys[: max(0, len(greys) - steps_back)])

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


def _union(masks: list[BoolArray], view: FlowFrame) -> BoolArray:
    union = np.zeros(view.size_wh[::-1], bool)
    for mask in masks:
        union |= mask
    return union


def _observation(state: FlowState) -> Observation:
    return Observation(state.bits.mask, state.score * state.presence, None, state.presence)
