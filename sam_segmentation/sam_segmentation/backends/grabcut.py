# SPDX-License-Identifier: Apache-2.0
"""Promptable segmentation from OpenCV alone: no weights, no GPU, weaker than SAM."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.core.errors import CheckpointError, DeviceError, PromptError
from sam_segmentation.core.masks import non_maximum_suppression
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter

Mask = npt.NDArray[np.bool_]
WORK_SIDE_PX = 200
RADII = (0.06, 0.12, 0.22)


@dataclass(frozen=True, eq=False)
class _Frame:
    small: npt.NDArray[np.uint8]
    scale: npt.NDArray[np.float64]


def load(name: str, *, checkpoint: Path | None, device: str) -> GrabCutSegmenter:
    """Make the segmenter; raises CheckpointError for any checkpoint, DeviceError for a GPU."""
    if checkpoint is not None:
        raise CheckpointError(
            f'{name} has no weights, but the checkpoint {checkpoint} is given; leave it empty'
        )
    if device not in ('auto', 'cpu'):
        raise DeviceError(f"{name} runs on the processor, not on {device!r}; use 'cpu' or 'auto'")
    return GrabCutSegmenter(name)


class GrabCutSegmenter(Segmenter):
    """GrabCut behind the contract of a promptable model."""

    def __init__(self, name: str = 'grabcut') -> None:
        self.name = name

    def segment_everything(
        self, embedding: Embedding, options: EverythingOptions
    ) -> list[ScoredMask]:
        """Click on a grid; largest area first."""
        width, height = embedding.size_wh
        covered = np.zeros((height, width), bool)
        found: list[ScoredMask] = []
        side = options.points_per_side
        for y in (np.arange(side) + 0.5) / side * height - 0.5:
            for x in (np.arange(side) + 0.5) / side * width - 0.5:
                if covered[round(y), round(x)]:
                    continue
                mask = self._segment(embedding, Prompt([(x, y)], [1]), False)[0]
                covered |= mask.mask
                if mask.score >= options.pred_iou_thresh and mask.area:
                    found.append(mask)
        kept = non_maximum_suppression(
            [m.mask for m in found], [m.score for m in found], iou_thresh=0.7
        )
        return sorted((found[index] for index in kept), key=lambda m: -m.area)

    def _embed(self, image_rgb: npt.NDArray[np.uint8]) -> _Frame:
        height, width = image_rgb.shape[:2]
        factor = min(1.0, WORK_SIDE_PX / max(width, height))
        size = max(2, round(width * factor)), max(2, round(height * factor))
        small = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
        return _Frame(small, np.array([size[0] / width, size[1] / height]))

    def _segment(
        self, embedding: Embedding, prompt: Prompt, multimask: bool
    ) -> Sequence[ScoredMask]:
        if prompt.logits is not None:
            raise PromptError(f"{self.name} has no logits; give the mask itself as 'mask'")
        frame: _Frame = embedding.data
        width, height = embedding.size_wh
        candidates = [
            self._cut(frame, prompt, radius, (width, height))
            for radius in (RADII if prompt.box_xyxy is None and prompt.mask is None else (0.06,))
        ]
        masks = [ScoredMask(*candidate) for candidate in candidates]
        masks.sort(key=lambda mask: -mask.score)
        return masks if multimask else masks[:1]

    def _cut(
        self, frame: _Frame, prompt: Prompt, radius: float, size_wh: tuple[int, int]
    ) -> tuple[Mask, float]:
        small = frame.small
        height, width = small.shape[:2]
        trimap: npt.NDArray[np.uint8] = np.full((height, width), cv2.GC_PR_BGD, np.uint8)
        points = ((prompt.points_xy + 0.5) * frame.scale).astype(int)
        if prompt.mask is not None:
            inside = cv2.resize(prompt.mask.astype(np.uint8), (width, height), None, 0, 0, 3) > 0
            trimap[inside] = cv2.GC_PR_FGD
        elif prompt.box_xyxy is not None:
            box = (prompt.box_xyxy + 0.5) * np.tile(frame.scale, 2)
            x0, y0, x1, y1 = np.round(box).astype(int)
            trimap[:] = cv2.GC_BGD
            trimap[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)] = cv2.GC_PR_FGD
        else:
            for point in points[prompt.labels == 1]:
                cv2.circle(trimap, point.tolist(), int(radius * width), cv2.GC_PR_FGD, -1)
        for label, point in zip(prompt.labels, points, strict=True):
            cv2.circle(trimap, point.tolist(), 2, cv2.GC_FGD if label else cv2.GC_BGD, -1)
        if np.isin(trimap, (1, 3)).sum() >= 5 and np.isin(trimap, (0, 2)).sum() >= 5:
            cv2.setRNGSeed(0)
            models: list[Any] = [np.zeros((1, 65)), np.zeros((1, 65))]
            cv2.grabCut(small, trimap, None, *models, 2, cv2.GC_INIT_WITH_MASK)
        cut = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
        if (prompt.labels == 1).any():
            _, regions = cv2.connectedComponents(cut, connectivity=4)
            named = {int(regions[y, x]) for x, y in points[prompt.labels == 1]} - {0}
            cut = np.isin(regions, list(named)).astype(np.uint8)
        large = cv2.resize(cut * 255, size_wh, interpolation=cv2.INTER_LINEAR) > 127
        for label, point in zip(prompt.labels, prompt.points_xy, strict=True):
            x, y = np.floor(point + 0.5).astype(int)
            large[y, x] = bool(label)
        rim = cv2.dilate(cut, np.ones((3, 3), np.uint8)) - cut
        edges = np.abs(cv2.Laplacian(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
        contrast = float(edges[rim > 0].mean()) / (float(edges.mean()) + 1.0) if rim.any() else 0.0
        return large, float(np.clip(0.5 + 0.1 * contrast, 0.0, 1.0))
