# SPDX-License-Identifier: Apache-2.0
"""Promptable segmentation from OpenCV alone: no download, no GPU, weaker than SAM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam_segmentation.backends.grabcut_box import fill_box
from sam_segmentation.backends.grabcut_click import Guess, propose, score_of
from sam_segmentation.backends.grabcut_cut import cut_rough
from sam_segmentation.backends.grabcut_everything import find_everything
from sam_segmentation.backends.grabcut_frame import Frame, prepare
from sam_segmentation.core.errors import CheckpointError, DeviceError, PromptError
from sam_segmentation.core.masks import BoxXyxy
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.core.steps import Steps

MAX_CANDIDATES = 3
# Candidates for one click differ at least this much.
DISTINCT_IOU = 0.8
# A person's box is not exact: the object may reach over it this far.
BOX_SLACK_PX = 2.0


def load(name: str, *, checkpoint: Path | None, device: str) -> GrabCutSegmenter:
    """Make the segmenter.

    Raises
    ------
    CheckpointError
        If a checkpoint is given, since there are no weights to load.
    DeviceError
        If another device than the processor is asked for.

    """
    if checkpoint is not None:
        raise CheckpointError(
            f'{name} loads no weights, but the checkpoint {checkpoint} is given; leave it empty'
        )
    if device not in ('auto', 'cpu'):
        raise DeviceError(f"{name} runs on the processor, not on {device!r}; use 'cpu' or 'auto'")
    return GrabCutSegmenter(name)


class GrabCutSegmenter(Segmenter):
    """GrabCut (Rother et al., SIGGRAPH 2004), started from merged superpixels.

    An image is split into superpixels, which merge into a tree. A click picks candidates from it,
    ranked by the IoU that is expected of them; GrabCut then moves their outline to where the
    colours part. Boxes and masks start GrabCut directly. The same image and prompt give the same
    mask to the bit, in any process and order.
    """

    def __init__(self, name: str = 'grabcut') -> None:
        self.name = name

    def _embed(self, image_rgb: npt.NDArray[np.uint8]) -> Frame:
        return prepare(image_rgb)

    def _segment(
        self, embedding: Embedding, prompt: Prompt, multimask: bool
    ) -> Sequence[ScoredMask]:
        if prompt.logits is not None:
            raise PromptError(f"{self.name} has no logits; give the mask itself as 'mask'")
        frame: Frame = embedding.data
        inside = prompt.points_xy[prompt.labels == 1]
        outside = prompt.points_xy[prompt.labels == 0]
        box: BoxXyxy | None = None
        if prompt.box_xyxy is not None:
            left, top, right, bottom = (float(edge) for edge in prompt.box_xyxy)
            box = left, top, right, bottom
        if prompt.mask is not None:
            limit = _loosened(box) if box else None
            mask = cut_rough(frame.image_rgb, prompt.mask, inside, outside, limit)
            if not mask.any():  # nothing sets it apart from what is around it
                mask = prompt.mask.copy()
            return [ScoredMask(mask, score_of(frame, mask))]
        if box is not None:
            return [fill_box(frame, box, inside, outside, slack_px=BOX_SLACK_PX)]
        if not len(inside):
            raise PromptError(
                f'{self.name} needs to know what is meant: the prompt holds only points beside '
                'the object; add a point on it, or a box'
            )
        guesses = propose(frame, inside, outside)
        return [
            ScoredMask(
                cut_rough(frame.image_rgb, guess.parts[frame.parts.labels], inside, outside, None),
                guess.score,
            )
            for guess in (_distinct(frame, guesses) if multimask else guesses[:1])
        ]

    def _everything_steps(
        self, embedding: Embedding, options: EverythingOptions
    ) -> Steps[list[ScoredMask]]:
        return find_everything(embedding.data, options)


def _distinct(frame: Frame, guesses: Sequence[Guess]) -> list[Guess]:
    kept: list[Guess] = []
    area = frame.parts.area
    for guess in guesses:
        if len(kept) == MAX_CANDIDATES:
            break
        if all(
            area[guess.parts & other.parts].sum()
            < DISTINCT_IOU * area[guess.parts | other.parts].sum()
            for other in kept
        ):
            kept.append(guess)
    return kept


def _loosened(box: BoxXyxy) -> BoxXyxy:
    left, top, right, bottom = box
    slack = BOX_SLACK_PX
    return left - slack, top - slack, right + slack, bottom + slack
