# SPDX-License-Identifier: Apache-2.0
"""A prompt binds: what a person says of a pixel, and a mask that is handed over, stands."""

import cv2
import numpy as np
import pytest
from moving_shapes import BLUE, GREEN, RED, draw, shape

from sam_segmentation import Prompt, load_segmenter, load_tracker
from sam_segmentation.core.errors import PromptError
from sam_segmentation.evaluation.mask_metrics import mask_iou

ON, BESIDE = (80, 90), (140, 90)
BOTH = (55.5, 65.5, 164.5, 114.5)


@pytest.fixture(scope='module')
def segmenter():
    return load_segmenter('grabcut')


@pytest.fixture(scope='module')
def two(segmenter):
    image, masks = draw(shape(RED, *ON), shape(BLUE, *BESIDE))
    return segmenter.embed(image), masks


def test_a_click_beside_takes_the_whole_thing_out_of_a_box(segmenter, two):
    embedding, (red, blue) = two
    prompt = Prompt([BESIDE], [0], box_xyxy=BOTH)
    mask = segmenter.segment(embedding, prompt)[0].mask
    assert np.count_nonzero(mask & blue) < 0.1 * np.count_nonzero(blue)
    assert mask_iou(mask, red) > 0.85


def test_a_click_beside_takes_the_whole_thing_out_of_a_mask(segmenter, two):
    embedding, (red, blue) = two
    mask = segmenter.segment(embedding, Prompt([BESIDE], [0], mask=red | blue))[0].mask
    assert mask_iou(mask, red) > 0.9


def test_a_click_on_a_thing_adds_it_to_a_mask(segmenter, two):
    embedding, (red, blue) = two
    mask = segmenter.segment(embedding, Prompt([BESIDE], [1], mask=red))[0].mask
    assert mask_iou(mask, red | blue) > 0.9


@pytest.mark.parametrize('offset_px', [-8, -4, 4, 8])
def test_a_mask_too_large_or_too_small_is_put_right(segmenter, offset_px):
    image, (red,) = draw(shape(RED, 120, 90, side=70))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * abs(offset_px) + 1,) * 2)
    change = cv2.dilate if offset_px > 0 else cv2.erode
    rough = change(red.astype(np.uint8), kernel) > 0
    answer = segmenter.segment(segmenter.embed(image), Prompt(mask=rough))[0]
    assert mask_iou(answer.mask, red) > max(0.95, mask_iou(rough, red))


def test_an_exact_mask_comes_back(segmenter, two):
    embedding, masks = two
    for mask in (*masks, masks[0] | masks[1]):
        assert mask_iou(segmenter.segment(embedding, Prompt(mask=mask))[0].mask, mask) > 0.97


@pytest.mark.parametrize('with_mask', [False, True])
@pytest.mark.parametrize('with_box', [False, True])
def test_points_bind_in_every_combination(segmenter, two, with_box, with_mask):
    embedding, (red, blue) = two
    rng = np.random.default_rng(0)
    for _ in range(6):
        points = rng.integers((60, 70), (160, 110), (4, 2))
        if len(np.unique(points, axis=0)) < 4:
            continue
        prompt = Prompt(
            points,
            [1, 0, 1, 0],
            box_xyxy=BOTH if with_box else None,
            mask=red | blue if with_mask else None,
        )
        for refine_rounds in (0, 2):
            for answer in segmenter.segment(
                embedding, prompt, multimask=True, refine_rounds=refine_rounds
            ):
                assert answer.mask[points[:, 1], points[:, 0]].tolist() == [1, 0, 1, 0]
                if with_box:
                    rows, columns = np.nonzero(answer.mask)
                    assert columns.min() >= BOTH[0] - 3
                    assert columns.max() <= BOTH[2] + 3
                    assert rows.min() >= BOTH[1] - 3
                    assert rows.max() <= BOTH[3] + 3


def far_off():
    mask = np.zeros((180, 240), bool)
    mask[150:170, 200:230] = True
    return mask


def one_pixel():
    mask = np.zeros((180, 240), bool)
    mask[90, 80] = True
    return mask


@pytest.mark.parametrize(
    ('prompt', 'message'),
    [
        (Prompt([(80.2, 90), (79.8, 90)], [1, 0]), 'labelled both'),
        (Prompt([ON, ON], [1, 0], box_xyxy=BOTH), 'labelled both'),
        (Prompt([ON], [0]), 'add a point on it'),
        (Prompt([(220, 20)], [1], box_xyxy=BOTH), 'outside the box'),
        (Prompt(box_xyxy=BOTH, mask=far_off()), 'no pixel in common'),
        (Prompt([ON], [0], mask=one_pixel()), 'leave nothing'),
    ],
)
def test_a_prompt_that_contradicts_itself_is_refused(segmenter, two, prompt, message):
    with pytest.raises(PromptError, match=message):
        segmenter.segment(two[0], prompt)


def test_a_click_beside_a_mask_that_does_not_hold_it_changes_nothing(segmenter, two):
    embedding, (red, _) = two
    plain = segmenter.segment(embedding, Prompt(mask=red))[0].mask
    assert (segmenter.segment(embedding, Prompt([(5, 5)], [0], mask=red))[0].mask == plain).all()


def test_a_correction_of_a_tracked_object_binds_and_lasts():
    tracker = load_tracker('grabcut')
    frames = [
        draw(shape(GREEN, 60 + 2 * t, 60), shape(RED, 60 + 2 * t, 100, side=44), seed=t)
        for t in range(8)
    ]
    image, (green, red) = frames[0]
    tracker.step(image)
    tracker.add(Prompt(mask=green | red))
    answer = tracker.add(Prompt([(60, 100)], [0]), 1)
    assert not answer.mask[100, 60]
    assert mask_iou(answer.mask, green) > 0.85
    for t, (image, _) in enumerate(frames[1:], 1):
        mask = tracker.step(image)[0].mask
        assert not mask[100, 60 + 2 * t]
    assert mask_iou(mask, frames[-1][1][0]) > 0.8


def test_a_true_mask_of_a_photograph_comes_back_and_points_bind(real_data, segmenter):
    labelled = [
        *sorted((real_data / 'photos/davis16').glob('*.labels.png'))[::7],
        *sorted((real_data / 'rgbd/sixdof').glob('*.labels.png'))[::3],
        *sorted((real_data / 'videos/davis').glob('*/00020.png'))[1:],
    ]
    assert len(labelled) >= 5
    for path in labelled:
        truth = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0
        name = path.name.removesuffix('.png').removesuffix('.labels')
        picture = next(
            p
            for p in (path.parent / f'{name}.jpg', path.parent / f'{name}.color.png')
            if p.exists()
        )
        embedding = segmenter.embed(cv2.cvtColor(cv2.imread(str(picture)), cv2.COLOR_BGR2RGB))
        assert mask_iou(segmenter.segment(embedding, Prompt(mask=truth))[0].mask, truth) >= 0.97, (
            path
        )
        rows, columns = np.nonzero(truth)
        middle = len(rows) // 2
        x, y = int(columns[middle]), int(rows[middle])
        box = (columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5)
        for prompt in (Prompt([(x, y)], [0], box_xyxy=box), Prompt([(x, y)], [0], mask=truth)):
            assert not segmenter.segment(embedding, prompt)[0].mask[y, x], path
