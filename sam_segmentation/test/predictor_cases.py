# SPDX-License-Identifier: Apache-2.0
"""What is asked of our segmenters and of the official predictors alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sam_common import bounds
from sam_common.errors import TooLargeError
from sam_common.steps import Pace
from sam_segmentation import (
    Embedding,
    EverythingOptions,
    Prompt,
    ScoredMask,
    Segmenter,
    TrackerOptions,
)
from sam_segmentation.models.registry import make_tracker

SIZES_WH = ((640, 480), (1280, 720), (333, 517))
TOLERANCE = 1e-4
PROMPTS = ('point', 'points', 'box', 'box and points', 'mask', 'mask and point', 'logits')


def textured_image(size_wh: tuple[int, int], seed: int = 0) -> npt.NDArray[np.uint8]:
    """Return coarse random blocks with noise, RGB uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 200, (12, 16, 3))
    rows = np.arange(size_wh[1]) * 12 // size_wh[1]
    columns = np.arange(size_wh[0]) * 16 // size_wh[0]
    noise = rng.integers(0, 55, (size_wh[1], size_wh[0], 3))
    return (blocks[rows][:, columns] + noise).astype(np.uint8)


def make_prompt(kind: str, size_wh: tuple[int, int], logits_side: int) -> Prompt:
    """Return the prompt of this kind for an image of this size."""
    scale = np.array(size_wh)
    parts: dict[str, Any] = {}
    if 'points' in kind:
        parts |= {'points_xy': [scale * (0.4, 0.3), scale * (0.7, 0.8)], 'labels': [1, 0]}
    elif 'point' in kind:
        parts |= {'points_xy': [scale * (0.52, 0.61)], 'labels': [1]}
    if 'box' in kind:
        parts['box_xyxy'] = np.concatenate([scale * (0.2, 0.3), scale * (0.75, 0.62)])
    if 'mask' in kind:
        mask = np.zeros(size_wh[::-1], bool)
        mask[size_wh[1] // 4 : size_wh[1] // 2, size_wh[0] // 3 : size_wh[0] // 2] = True
        parts['mask'] = mask
    if 'logits' in kind:
        rng = np.random.default_rng(5)
        parts['logits'] = rng.normal(0, 6, (logits_side, logits_side))
    return Prompt(**parts)


def ask_official(
    predictor: Any,
    prompt: Prompt,
    mask_input: npt.NDArray[np.float32] | None,
    *,
    multimask: bool,
) -> list[tuple[Any, float, Any]]:
    """Return (mask, score, logits) of the official `predict`, best first."""
    masks, scores, logits = predictor.predict(
        point_coords=prompt.points_xy if len(prompt.points_xy) else None,
        point_labels=prompt.labels if len(prompt.points_xy) else None,
        box=prompt.box_xyxy,
        mask_input=None if mask_input is None else mask_input[None],
        multimask_output=multimask,
    )
    order = np.argsort(-scores, kind='stable')
    return [(masks[i] > 0, float(scores[i]), logits[i]) for i in order]


def check_same(
    segmenter: Segmenter,
    embedding: Embedding,
    predictor: Any,
    prompt: Prompt,
    mask_input: npt.NDArray[np.float32] | None,
    *,
    multimask: bool,
) -> None:
    """Ask both sides and compare all that they say."""
    ours = segmenter.segment(embedding, prompt, multimask=multimask)
    official = ask_official(predictor, prompt, mask_input, multimask=multimask)
    assert len(ours) == len(official) == (3 if multimask else 1)
    for mine, (mask, score, logits) in zip(ours, official, strict=True):
        check_telling(mine)
        check_same_mask(mine.mask, mask)
        assert abs(mine.score - np.clip(score, 0, 1)) <= TOLERANCE
        assert mine.logits is not None
        assert mine.logits.dtype == np.float32
        assert np.abs(mine.logits - logits).max() <= TOLERANCE


def check_same_mask(mine: npt.NDArray[np.bool_], official: npt.NDArray[np.bool_]) -> None:
    """Allow a pixel in a thousand to differ: a logit at the threshold falls by its rounding."""
    assert mine.shape == official.shape
    assert np.count_nonzero(mine != official) <= mine.size / 1000


def check_telling(answer: ScoredMask) -> None:
    """A mask that is empty or full would equal any other such mask."""
    assert 0.005 < answer.mask.mean() < 0.995
    assert answer.logits is not None
    assert answer.logits.min() < -1 < 1 < answer.logits.max()


class EqualsTheOfficialPredictor:
    """What holds for each backend; its module has the fixtures `segmenter` and `both_sides`."""

    side: int
    low_resolution: staticmethod

    @pytest.mark.parametrize('multimask', [False, True])
    @pytest.mark.parametrize('kind', PROMPTS)
    def test_each_prompt_is_answered_as_by_the_official_predictor(
        self, segmenter, both_sides, kind, multimask
    ):
        embedding, predictor = both_sides
        prompt = make_prompt(kind, embedding.size_wh, self.side)
        logits = self.low_resolution(prompt)
        check_same(segmenter, embedding, predictor, prompt, logits, multimask=multimask)

    @pytest.mark.parametrize('rounds', [1, 3])
    def test_refining_feeds_the_logits_back(self, segmenter, both_sides, rounds):
        embedding, predictor = both_sides
        prompt = make_prompt('points', embedding.size_wh, self.side)
        refined = segmenter.segment(embedding, prompt, refine_rounds=rounds)[0]
        logits = None
        for _ in range(rounds + 1):
            mask, _, logits = ask_official(predictor, prompt, logits, multimask=False)[0]
        check_same_mask(refined.mask, mask)
        assert np.abs(refined.logits - logits).max() <= TOLERANCE
        once = segmenter.segment(embedding, prompt)[0]
        assert np.abs(once.logits - refined.logits).max() > 100 * TOLERANCE

    def test_several_embeddings_live_side_by_side(self, segmenter):
        prompt = Prompt(box_xyxy=(40, 30, 150, 100))
        images = [textured_image((200, 160), seed) for seed in range(3)]
        alone = [segmenter.segment(segmenter.embed(image), prompt)[0].logits for image in images]
        embeddings = [segmenter.embed(image) for image in images]
        for index in (2, 0, 1, 0):
            together = segmenter.segment(embeddings[index], prompt)[0].logits
            assert np.abs(together - alone[index]).max() <= TOLERANCE
        assert np.abs(alone[0] - alone[1]).max() > 100 * TOLERANCE

    def test_everything_bears_other_work_between_its_parts(self, segmenter, monkeypatch):
        monkeypatch.setattr(Pace, 'PART_S', 0.0)
        # Random weights give masks all over the image; only without NMS several of them live.
        make = segmenter._generator

        def without_nms(*arguments):
            generator = make(*arguments)
            generator.box_nms_thresh = 1.0
            return generator

        monkeypatch.setattr(segmenter, '_generator', without_nms)
        options = EverythingOptions(
            points_per_side=5, pred_iou_thresh=0.0, stability_score_thresh=0.3
        )
        prompt = Prompt(box_xyxy=(40, 30, 150, 100))
        image, other = (textured_image((200, 160), seed) for seed in range(2))
        embedding = segmenter.embed(image)
        alone = segmenter.segment_everything(embedding, options)
        answer = segmenter.segment(segmenter.embed(other), prompt)[0]
        tracker = make_tracker(segmenter, TrackerOptions())
        tracker.step(other)
        tracker.add(prompt)
        steps = segmenter.everything_steps(embedding, options)
        together = None
        for part in range(1000):
            try:
                next(steps)
            except StopIteration as end:
                together = end.value
                break
            if part < 5:
                between = segmenter.segment(segmenter.embed(other), prompt)[0]
                assert np.array_equal(between.mask, answer.mask)
                tracker.step(other)
        assert together is not None
        assert part > 5
        assert len(together) == len(alone) > 2
        for mine, before in zip(together, alone, strict=True):
            assert np.array_equal(mine.mask, before.mask)
            assert mine.score == before.score

    @pytest.mark.parametrize('bound', ['MAX_EVERYTHING_BYTES', 'MAX_EVERYTHING_RUNS'])
    def test_everything_that_would_be_too_large_is_refused(self, segmenter, monkeypatch, bound):
        monkeypatch.setattr(bounds, bound, 1)
        options = EverythingOptions(
            points_per_side=2, pred_iou_thresh=0.0, stability_score_thresh=0.0
        )
        with pytest.raises(TooLargeError, match='raise pred_iou_thresh'):
            segmenter.segment_everything(segmenter.embed(textured_image((64, 48))), options)
