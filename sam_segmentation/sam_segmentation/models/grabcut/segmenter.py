# SPDX-License-Identifier: Apache-2.0
"""Promptable segmentation from OpenCV alone: no download, no GPU, weaker than SAM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.scored_mask import ScoredMask
from sam_common.steps import Steps
from sam_common.types import BoolArray, FloatArray, UInt8Array
from sam_segmentation.core.errors import CheckpointError, DeviceError, PromptError
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.models.grabcut.box import fill_box
from sam_segmentation.models.grabcut.click import Guess, propose, score_of
from sam_segmentation.models.grabcut.cut import cut_rough
from sam_segmentation.models.grabcut.everything import find_everything
from sam_segmentation.models.grabcut.frame import PreparedImage, prepare
from sam_segmentation.models.grabcut.mask import settle_mask
from sam_segmentation.models.grabcut.points import check_points, obey, things_beside, things_on

MAX_CANDIDATES = 3
# Candidates for one click differ at least this much.
DISTINCT_IOU = 0.8
# A person's box is not exact: the object may reach over it this far.
BOX_SLACK_PX = 2.0
# A point on the object stretches a box that it misses by at most this share of its side.
STRETCH_SHARE = 0.1


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

    def _embed(self, image_rgb: UInt8Array) -> PreparedImage:
        return prepare(image_rgb)

    def _segment(
        self, embedding: Embedding, prompt: Prompt, multimask: bool
    ) -> Sequence[ScoredMask]:
        if prompt.logits is not None:
            raise PromptError(f"{self.name} has no logits; give the mask itself as 'mask'")
        frame: PreparedImage = embedding.data
        inside = prompt.points_xy[prompt.labels == 1]
        outside = prompt.points_xy[prompt.labels == 0]
        box: BoxXyxy | None = None
        if prompt.box_xyxy is not None:
            left, top, right, bottom = (float(edge) for edge in prompt.box_xyxy)
            box = left, top, right, bottom
        check_points(inside, outside)
        if prompt.mask is not None:
            mask = _corrected(frame, prompt.mask, inside, outside, box)
            return [ScoredMask(mask, score_of(frame, mask))]
        if box is not None:
            box = _reaching(box, inside)
            return [fill_box(frame, box, inside, outside, slack_px=BOX_SLACK_PX)]
        if not len(inside):
            raise PromptError(
                f'{self.name} needs to know what is meant: the prompt holds only points beside '
                'the object; add a point on it, or a box'
            )
        guesses = propose(frame, inside, outside)
        return [
            ScoredMask(
                obey(
                    cut_rough(
                        frame.image_rgb, guess.parts[frame.parts.labels], inside, outside, None
                    ),
                    inside,
                    outside,
                ),
                guess.score,
            )
            for guess in (_distinct(frame, guesses) if multimask else guesses[:1])
        ]

    def _everything_steps(
        self, embedding: Embedding, options: EverythingOptions
    ) -> Steps[list[ScoredMask]]:
        return find_everything(embedding.data, options)


def _distinct(frame: PreparedImage, guesses: Sequence[Guess]) -> list[Guess]:
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


def _corrected(
    frame: PreparedImage,
    given: BoolArray,
    inside_xy: FloatArray,
    outside_xy: FloatArray,
    box: BoxXyxy | None,
) -> BoolArray:
    """Return a given mask, its outline settled, with what the points add and take away."""
    limit = None
    if box is not None:
        limit = _loosened(_reaching(box, inside_xy))
        within = given & _pixels_in(limit, frame.size_wh)
        if not within.any():
            raise PromptError(
                f'the mask and the box {tuple(round(edge, 1) for edge in box)} have no pixel in '
                'common; give a box round the mask, or one of the two'
            )
        given = within
    mask = settle_mask(frame.image_rgb, given, limit)
    added = things_on(frame, mask, inside_xy, outside_xy)
    removed = things_beside(frame, mask, inside_xy, outside_xy)
    mask = (mask | added) & ~removed
    if limit is not None:
        mask &= _pixels_in(limit, frame.size_wh)
    return obey(mask, inside_xy, outside_xy)


def _reaching(box: BoxXyxy, inside_xy: FloatArray) -> BoxXyxy:
    """Return a box stretched to points on the object that lie little outside it."""
    left, top, right, bottom = box
    reach = max(BOX_SLACK_PX, STRETCH_SHARE * max(right - left, bottom - top))
    for x, y in inside_xy:
        if max(left - x, top - y, x - right, y - bottom) > reach:
            raise PromptError(
                f'the point ({x:g}, {y:g}) is labelled 1 (on the object) but lies more than '
                f'{reach:g} px outside the box ({left:g}, {top:g}, {right:g}, {bottom:g}); give a '
                'box that holds it, or remove one of the two'
            )
    low = np.min([(left, top), *(inside_xy - 0.5)], axis=0)
    high = np.max([(right, bottom), *(inside_xy + 0.5)], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _pixels_in(box: BoxXyxy, size_wh: tuple[int, int]) -> BoolArray:
    columns, rows = np.arange(size_wh[0]), np.arange(size_wh[1])
    return np.asarray(
        ((rows > box[1]) & (rows < box[3]))[:, None] & ((columns > box[0]) & (columns < box[2]))
    )


def _loosened(box: BoxXyxy) -> BoxXyxy:
    left, top, right, bottom = box
    slack = BOX_SLACK_PX
    return left - slack, top - slack, right + slack, bottom + slack
