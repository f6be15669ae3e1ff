# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_segmentation import Prompt, load_segmenter
from sam_segmentation.core.errors import CheckpointError, DeviceError, PromptError
from sam_segmentation.core.segmenter import EverythingOptions
from sam_segmentation.evaluation.mask_metrics import mask_iou
from sam_segmentation.models.grabcut.click import propose
from sam_segmentation.models.grabcut.frame import prepare

SIZE_WH = (160, 120)
DISC = (50, 60, 22)
BOX = (95, 30, 135, 90)


def scene(size_wh=SIZE_WH):
    """Return a red disc and a blue box on a noisy table, and their masks."""
    image = np.full((size_wh[1], size_wh[0], 3), (170, 150, 120), np.uint8)
    masks = []
    for draw in (
        lambda canvas, colour: cv2.circle(canvas, DISC[:2], DISC[2], colour, -1),
        lambda canvas, colour: cv2.rectangle(
            canvas, BOX[:2], (BOX[2] - 1, BOX[3] - 1), colour, -1
        ),
    ):
        drawn = np.zeros(image.shape[:2], np.uint8)
        draw(drawn, 1)
        masks.append(drawn > 0)
    image[masks[0]] = (190, 40, 40)
    image[masks[1]] = (40, 60, 170)
    noise = np.random.default_rng(0).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), masks


@pytest.fixture(scope='module')
def segmenter():
    return load_segmenter('grabcut')


@pytest.fixture(scope='module')
def embedded(segmenter):
    image, masks = scene()
    return segmenter.embed(image), masks


@pytest.mark.parametrize(('which', 'point'), [(0, (50, 60)), (0, (40, 50)), (1, (110, 60))])
def test_a_click_finds_its_object(segmenter, embedded, which, point):
    embedding, masks = embedded
    answer = segmenter.segment(embedding, Prompt([point], [1]))
    assert len(answer) == 1
    assert mask_iou(answer[0].mask, masks[which]) > 0.9


@pytest.mark.parametrize('jitter', [-2, 0, 3])
def test_a_loose_box_finds_its_object(segmenter, embedded, jitter):
    embedding, masks = embedded
    edges = np.array(BOX) - 0.5 + (-jitter, -jitter, jitter, jitter)
    answer = segmenter.segment(embedding, Prompt(box_xyxy=edges))
    assert mask_iou(answer[0].mask, masks[1]) > 0.85


def test_a_rough_mask_is_refined(segmenter, embedded):
    embedding, masks = embedded
    rough = cv2.dilate(masks[0].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    answer = segmenter.segment(embedding, Prompt(mask=rough))[0]
    assert mask_iou(answer.mask, masks[0]) > mask_iou(rough, masks[0]) + 0.05


def test_refining_keeps_a_good_mask(segmenter, embedded):
    embedding, masks = embedded
    answer = segmenter.segment(embedding, Prompt([(50, 60)], [1]), refine_rounds=3)
    assert mask_iou(answer[0].mask, masks[0]) > 0.9


def test_two_clicks_mean_one_object_that_holds_both(segmenter, embedded):
    embedding, masks = embedded
    mask = segmenter.segment(embedding, Prompt([(50, 60), (110, 60)], [1, 1]))[0].mask
    assert mask[60, 50]
    assert mask[60, 110]
    assert mask_iou(mask, masks[0] | masks[1]) > mask_iou(mask, masks[0])


def test_a_click_beside_the_object_takes_that_part_away(segmenter):
    image, masks = scene()
    image[:60][masks[0][:60]] = (40, 150, 60)  # the disc's upper half is of another colour
    embedding = segmenter.embed(image)
    upper = masks[0].copy()
    upper[60:] = False
    prompt = Prompt([(50, 50), (50, 72)], [1, 0])
    assert mask_iou(segmenter.segment(embedding, prompt)[0].mask, upper) > 0.85


def test_neighbouring_clicks_are_both_obeyed_in_a_large_object(segmenter):
    embedding = segmenter.embed(np.full((500, 700, 3), 90, np.uint8))
    mask = segmenter.segment(embedding, Prompt([(350, 250), (351, 250)], [1, 0]))[0].mask
    assert mask[250, 350]
    assert not mask[250, 351]


def test_every_guess_holds_what_was_clicked_on_and_not_what_was_clicked_beside():
    image, _ = scene()
    image[:60, :80][image[:60, :80, 0] > 180] = (40, 150, 60)
    frame = prepare(image)
    on, beside = np.array([(50.0, 50.0)]), np.array([(50.0, 72.0), (5.0, 5.0)])
    leaf, barred = frame.parts_at(on)[0], frame.parts_at(beside)
    assert leaf not in barred
    guesses = propose(frame, on, beside)
    assert len(guesses) > 1
    for guess in guesses:
        assert guess.parts[leaf]
        assert not guess.parts[barred].any()


def test_points_count_within_a_box(segmenter, embedded):
    embedding, _ = embedded
    box = np.array(BOX) - 0.5
    mask = segmenter.segment(embedding, Prompt([(97, 32)], [0], box_xyxy=box))[0].mask
    assert not mask[32, 97]
    assert mask[60, 115]


def test_a_box_within_an_object_limits_the_mask(segmenter, embedded):
    embedding, _ = embedded
    mask = segmenter.segment(embedding, Prompt(box_xyxy=(99.5, 39.5, 119.5, 69.5)))[0].mask
    rows, columns = np.nonzero(mask)
    assert columns.min() >= 96
    assert columns.max() <= 123
    assert rows.min() >= 36
    assert rows.max() <= 73


def test_an_ambiguous_click_gives_several_masks_best_first(segmenter):
    image, masks = scene()
    image[50:70, 40:60] = (230, 220, 60)  # a label on the disc
    answers = segmenter.segment(segmenter.embed(image), Prompt([(50, 60)], [1]), multimask=True)
    assert 2 <= len(answers) <= 3
    assert [a.score for a in answers] == sorted((a.score for a in answers), reverse=True)
    label = np.zeros_like(masks[0])
    label[50:70, 40:60] = True
    assert max(mask_iou(a.mask, label) for a in answers) > 0.8
    assert max(mask_iou(a.mask, masks[0]) for a in answers) > 0.8


def test_the_single_mask_is_the_best_candidate(segmenter, embedded):
    embedding, _ = embedded
    prompt = Prompt([(50, 60)], [1])
    one = segmenter.segment(embedding, prompt)
    several = segmenter.segment(embedding, prompt, multimask=True)
    assert (one[0].mask == several[0].mask).all()
    assert one[0].score == several[0].score


@settings(max_examples=60, deadline=None)
@given(
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    kind=st.sampled_from(['flat', 'noise', 'halves']),
    seed=st.integers(0, 2**16),
)
def test_any_small_image_gives_a_mask_with_the_clicked_pixel(width, height, kind, seed):
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128, np.uint8)
    if kind == 'noise':
        image = rng.integers(0, 256, image.shape, dtype=np.uint8)
    elif kind == 'halves':
        image[:, width // 2 :] = (200, 30, 30)
    segmenter = load_segmenter('grabcut')
    embedding = segmenter.embed(image)
    x, y = rng.integers(0, width), rng.integers(0, height)
    corner = (x, y) == (width - 1, height - 1)
    for prompt in (
        Prompt([(x, y)], [1]),
        Prompt([(x, y)], [1], box_xyxy=(-0.5, -0.5, width, height)),
        *([Prompt([(x, y), (width - 1, height - 1)], [1, 0])] if not corner else []),
        Prompt(mask=np.ones((height, width), bool)),
    ):
        for answer in segmenter.segment(embedding, prompt, multimask=True):
            assert answer.mask.shape == (height, width)
            assert answer.mask[y, x] or prompt.mask is not None
            assert not (answer.mask[-1, -1] and 0 in prompt.labels)
    for found in segmenter.segment_everything(embedding, EverythingOptions(points_per_side=4)):
        assert found.mask.shape == (height, width)


@pytest.mark.parametrize('size_wh', [(1, 1), (2, 1), (1, 700), (1500, 1), (3, 900), (641, 13)])
def test_any_aspect_ratio_works(segmenter, size_wh):
    width, height = size_wh
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    embedding = segmenter.embed(image)
    for x, y in ((0, 0), (width - 1, height - 1), (-0.5, -0.5), (width - 0.51, height - 0.51)):
        mask = segmenter.segment(embedding, Prompt([(x, y)], [1]))[0].mask
        assert mask[int(np.floor(y + 0.5)), int(np.floor(x + 0.5))]
    box = segmenter.segment(embedding, Prompt(box_xyxy=(-5, -5, width + 5, height + 5)))
    assert box[0].mask.shape == (height, width)


@pytest.mark.parametrize('box', [(10, 10, 10.2, 10.2), (-3, -3, -0.4, -0.4), (155, 5, 900, 6)])
def test_a_sliver_of_a_box_gives_an_answer(segmenter, embedded, box):
    embedding, _ = embedded
    assert segmenter.segment(embedding, Prompt(box_xyxy=box))[0].mask.any()


def test_the_same_prompt_gives_the_same_bits_in_any_order_and_process(segmenter, tmp_path):
    # Soft noise, since on clean colours GrabCut ends the same from any random start.
    noise = np.random.default_rng(0).normal(0, 1, (120, 160, 3))
    image = np.clip(128 + 200 * cv2.GaussianBlur(noise, (0, 0), 4), 0, 255).astype(np.uint8)
    np.save(tmp_path / 'image.npy', image)
    prompts = [
        Prompt([(50, 60)], [1]),
        Prompt(box_xyxy=BOX),
        Prompt([(110, 60), (50, 60)], [1, 0]),
    ]
    embedding = segmenter.embed(image)
    first = [segmenter.segment(embedding, prompt)[0] for prompt in prompts]
    again = segmenter.embed(image)
    for prompt, expected in zip(prompts[::-1] * 5, first[::-1] * 5, strict=True):
        cv2.randu(np.zeros(7, np.uint8), 0, 9)
        answer = segmenter.segment(again, prompt)[0]
        assert (answer.mask == expected.mask).all()
        assert answer.score == expected.score
    script = f"""
import cv2, sys, numpy as np
from sam_segmentation import Prompt, load_segmenter
cv2.setNumThreads(1)
segmenter = load_segmenter('grabcut')
embedding = segmenter.embed(np.load(r'{tmp_path / 'image.npy'}'))
mask = segmenter.segment(embedding, Prompt([(110, 60), (50, 60)], [1, 0]))[0].mask
np.save(r'{tmp_path / 'mask.npy'}', mask)
assert 'torch' not in sys.modules
"""
    subprocess.run([sys.executable, '-c', script], check=True, timeout=60)
    assert (np.load(tmp_path / 'mask.npy') == first[2].mask).all()


def test_the_image_may_change_after_it_was_embedded(segmenter):
    image, masks = scene()
    embedding = segmenter.embed(image)
    image[:] = 0
    mask = segmenter.segment(embedding, Prompt([(50, 60)], [1]))[0].mask
    assert mask_iou(mask, masks[0]) > 0.9


def test_everything_finds_both_objects_and_not_the_table(segmenter, embedded):
    embedding, masks = embedded
    found = segmenter.segment_everything(embedding, EverythingOptions(pred_iou_thresh=0.5))
    assert [item.area for item in found] == sorted((item.area for item in found), reverse=True)
    for mask in masks:
        assert max(mask_iou(item.mask, mask) for item in found) > 0.85
    assert len(found) <= 4


def test_everything_obeys_its_thresholds(segmenter, embedded):
    embedding, _ = embedded
    assert segmenter.segment_everything(embedding, EverythingOptions(pred_iou_thresh=1.0)) == []
    options = EverythingOptions(
        pred_iou_thresh=0.0, stability_score_thresh=0.0, min_mask_region_area=2000
    )
    assert all(item.area >= 2000 for item in segmenter.segment_everything(embedding, options))


def test_what_it_cannot_do_is_refused(segmenter, embedded, tmp_path):
    embedding, _ = embedded
    with pytest.raises(PromptError, match='logits'):
        segmenter.segment(embedding, Prompt(logits=np.zeros((256, 256), np.float32)))
    with pytest.raises(PromptError, match='add a point on it'):
        segmenter.segment(embedding, Prompt([(5, 5)], [0]))
    with pytest.raises(CheckpointError, match='leave it empty'):
        load_segmenter('grabcut', checkpoint=tmp_path / 'weights.pt')
    for device in ('cuda', 'cuda:1', 'tpu'):
        with pytest.raises(DeviceError, match="use 'cpu' or 'auto'"):
            load_segmenter('grabcut', device=device)
    assert load_segmenter('grabcut', device='auto').device == 'cpu'
