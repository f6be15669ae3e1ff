# SPDX-License-Identifier: Apache-2.0
"""Masks and memories of SAM 2 picked by how well they agree with the objects' motion.

As SAMURAI does for one object (Yang et al., 2024, https://arxiv.org/abs/2411.11922), with its
weight and thresholds, here for several at once and in bounded memory; and beyond it, an object
that slips onto another one counts as not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from sam_common.boxes import BoxXyxy, box_iou
from sam_common.types import BoolArray
from sam_segmentation.core.distractors import Placement, find_identity_switches
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.models.sam2.answers import Candidates, Chosen
from sam_segmentation.models.sam2.memory import FrameMemory, ObjectMemory
from sam_segmentation.models.sam2.memory_policy import FrameAssessment, MemoryPolicy

# How much the motion counts in the choice of a mask, beside the predicted IoU.
_MOTION_WEIGHT = 0.15
# What a frame must exceed to be remembered for long: predicted IoU, logit of the object being
# seen, and IoU with the box that was expected.
_MIN_IOU, _MIN_PRESENCE, _MIN_AGREEMENT = 0.5, 0.0, 0.0


class MotionAware(MemoryPolicy):
    """The newest frames in which the object was surely seen, and the frame before."""

    def maskmems(self, memory: ObjectMemory, frame: int) -> list[tuple[int, FrameMemory]]:
        """Return the newest sure frames and the one before, whatever it is."""
        past = [
            (index, one)
            for index, one in memory.frames.items()
            if index < frame and one.maskmem is not None and (one.is_sure or index == frame - 1)
        ]
        newest = past[-self.count :]
        # The newest has the highest temporal position, however many there are.
        return [
            (t_pos, one) for t_pos, (_, one) in enumerate(newest, self.count + 1 - len(newest))
        ]

    def pick(
        self,
        candidates: Candidates,
        motions: Sequence[BoxMotion | None],
        size_wh: tuple[int, int],
    ) -> Tensor:
        """Return which mask of each object is best by predicted IoU and, once steady, motion."""
        scores = candidates.ious.cpu().numpy()
        boxes = boxes_of(candidates.logits, size_wh)
        for i, motion in enumerate(motions):
            if motion is not None and motion.is_steady:
                agreements = [_agreement(box, motion) for box in boxes[i]]
                scores[i] = (1 - _MOTION_WEIGHT) * scores[i] + _MOTION_WEIGHT * np.array(
                    agreements
                )
        return torch.from_numpy(scores.argmax(axis=1)).to(candidates.ious.device)

    def assess(
        self,
        ids: Sequence[int],
        chosen: Chosen,
        expected: Mapping[int, BoxMotion],
        size_wh: tuple[int, int],
    ) -> FrameAssessment:
        """Return what to remember for long, and who is on another object's place."""
        masks = (chosen.logits[:, 0] > 0).cpu().numpy()
        boxes = [one[0] for one in boxes_of(chosen.logits, size_wh)]
        ious, presences = chosen.ious.tolist(), chosen.object_score_logits[:, 0].tolist()
        sure, placements = set(), {}
        for i, object_id in enumerate(ids):
            motion = expected.get(object_id)
            placements[object_id] = Placement(
                masks[i], boxes[i], motion.box_xyxy if motion else None
            )
            agrees = (
                motion is None
                or not motion.is_steady
                or _agreement(boxes[i], motion) > _MIN_AGREEMENT
            )
            if ious[i] > _MIN_IOU and presences[i] > _MIN_PRESENCE and agrees:
                sure.add(object_id)
        return FrameAssessment(sure, find_identity_switches(placements))

    def _in_reach(self, memory: ObjectMemory) -> set[int]:
        # A correction of the frame `now` looks back from there, so one more of each.
        sure = [index for index, one in memory.frames.items() if one.is_sure]
        return {*sure[-self.count - 1 :], memory.now, memory.now - 1}


def boxes_of(logits: Tensor, size_wh: tuple[int, int]) -> list[list[BoxXyxy | None]]:
    """Return the boxes of masks (B, M, S, S) in an image [px], None where one is empty."""
    inside = logits > 0
    columns, rows = inside.any(dim=2).cpu().numpy(), inside.any(dim=3).cpu().numpy()
    return [
        [_box(*both, size_wh) for both in zip(*one, strict=True)]
        for one in zip(columns, rows, strict=True)
    ]


def _box(columns: BoolArray, rows: BoolArray, size_wh: tuple[int, int]) -> BoxXyxy | None:
    xs, ys = np.flatnonzero(columns), np.flatnonzero(rows)
    if not xs.size:
        return None
    cell_x, cell_y = size_wh[0] / columns.size, size_wh[1] / rows.size
    return (
        float(xs[0] * cell_x - 0.5),
        float(ys[0] * cell_y - 0.5),
        float((xs[-1] + 1) * cell_x - 0.5),
        float((ys[-1] + 1) * cell_y - 0.5),
    )


def _agreement(box_xyxy: BoxXyxy | None, motion: BoxMotion) -> float:
    return 0.0 if box_xyxy is None else box_iou(box_xyxy, motion.box_xyxy)
