# SPDX-License-Identifier: Apache-2.0
"""Corrects an object's mask by a prompt, whatever the segmenter makes of masks."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from sam_common.scored_mask import ScoredMask
from sam_common.types import BoolArray, FloatArray
from sam_segmentation.core.prompt import FOREGROUND, Prompt
from sam_segmentation.models.grabcut.points import obey
from sam_segmentation.models.optical_flow.frame import FlowFrame

# A click that changes less than this share of the mask was not understood.
_LEAST_SHARE = 0.01
_LEAST_PX = 25
# What a click beside the object takes away is less than this share of it.
_MOST_SHARE = 0.6


def refine(
    view: FlowFrame, present: BoolArray, prompt: Prompt, *, refine_rounds: int
) -> ScoredMask:
    """Return a mask, bool (H, W), corrected by a prompt.

    A box, a mask or logits replace what was there. Points are put to the segmenter together with
    the present mask. A segmenter that then moves no more than the outline, as GrabCut does, is
    asked for what lies under the clicks that contradict the mask, and that is added or removed.
    A segmenter may overrule a click; here it counts: no point beside the object is in the answer.
    """
    answer = _answer(view, present, prompt, refine_rounds)
    mask = obey(answer.mask, *(prompt.points_xy[prompt.labels == i] for i in (FOREGROUND, 0)))
    return replace(answer, mask=mask)


def _answer(view: FlowFrame, present: BoolArray, prompt: Prompt, refine_rounds: int) -> ScoredMask:
    whole = prompt.box_xyxy is not None or prompt.mask is not None or prompt.logits is not None
    if whole or not present.any():
        return view.segment(prompt, refine_rounds=refine_rounds)
    answer = view.segment(replace(prompt, mask=present), refine_rounds=refine_rounds)
    inside = _at(present, prompt.points_xy)
    missed = [
        bool(label == FOREGROUND) != held and _is_unmoved(answer.mask, present, point)
        for point, label, held in zip(prompt.points_xy, prompt.labels, inside, strict=True)
    ]
    if not any(missed):
        return answer
    mask = answer.mask
    for label in (FOREGROUND, 1 - FOREGROUND):
        wanted = np.array(missed) & (prompt.labels == label)
        if not wanted.any():
            continue
        others = prompt.labels != label
        points = np.concatenate([prompt.points_xy[wanted], prompt.points_xy[others]])
        labels = [1] * int(wanted.sum()) + [0] * int(others.sum())
        part = view.segment(Prompt(points_xy=points, labels=labels)).mask
        if label == FOREGROUND:
            mask = mask | part
        elif np.count_nonzero(mask & part) < _MOST_SHARE * np.count_nonzero(mask):
            mask = mask & ~part
    return ScoredMask(mask, answer.score)


def _at(mask: BoolArray, points_xy: FloatArray) -> list[bool]:
    height, width = mask.shape
    at = np.clip(np.floor(points_xy + 0.5).astype(int), 0, (width - 1, height - 1))
    return [bool(mask[y, x]) for x, y in at]


def _is_unmoved(answer: BoolArray, present: BoolArray, point_xy: FloatArray) -> bool:
    """Return whether next to nothing changed round a point."""
    changed = (answer ^ present).astype(np.uint8)
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(changed, connectivity=4)
    height, width = present.shape
    x, y = np.clip(np.floor(point_xy + 0.5).astype(int), 0, (width - 1, height - 1))
    piece = int(pieces[y, x])
    area = int(stats[piece, cv2.CC_STAT_AREA]) if piece else 0
    return area < max(_LEAST_PX, _LEAST_SHARE * np.count_nonzero(present))
