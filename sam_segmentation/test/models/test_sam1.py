# SPDX-License-Identifier: Apache-2.0
import gc
import weakref
from functools import partial

import cv2
import numpy as np
import pytest
import torch
from predictor_cases import (
    SIZES_WH,
    TOLERANCE,
    EqualsTheOfficialPredictor,
    check_same,
    check_same_mask,
    make_prompt,
    textured_image,
)
from segment_anything import SamAutomaticMaskGenerator, SamPredictor
from segment_anything.build_sam import _build_sam
from small_models import build_small_sam1, enliven, write_small_sam1

from sam_common.errors import ImageError, SamError
from sam_segmentation import EverythingOptions, Prompt, load_segmenter
from sam_segmentation.core.errors import PromptError
from sam_segmentation.models import sam1

SIDE = 64  # a quarter of the small model's input


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return write_small_sam1(tmp_path_factory.mktemp('sam1'))


@pytest.fixture(scope='module')
def segmenter(small):
    name, checkpoint = small
    return load_segmenter(name, checkpoint=checkpoint, device='cpu')


@pytest.fixture(scope='module')
def official_model(small):
    model = build_small_sam1()
    model.load_state_dict(torch.load(small[1], weights_only=True))
    return model


@pytest.fixture(scope='module', params=SIZES_WH, ids=str)
def both_sides(request, segmenter, official_model):
    image = textured_image(request.param)
    predictor = SamPredictor(official_model)
    predictor.set_image(image)
    return segmenter.embed(image), predictor


def low_resolution(prompt):
    if prompt.mask is None:
        return prompt.logits
    logits = np.full((SIDE, SIDE), -10, np.float32)
    scale = SIDE / max(prompt.mask.shape)
    height, width = (round(length * scale) for length in prompt.mask.shape)
    area = cv2.resize(prompt.mask.astype(np.float32), (width, height), interpolation=3)
    logits[:height, :width] = (2 * area - 1) * 10
    return logits


class TestSam1(EqualsTheOfficialPredictor):
    side = SIDE
    low_resolution = staticmethod(low_resolution)


def test_the_official_size_is_answered_as_by_the_official_predictor(tmp_path, monkeypatch):
    build = partial(
        _build_sam,
        encoder_embed_dim=64,
        encoder_depth=2,
        encoder_num_heads=4,
        encoder_global_attn_indexes=[1],
    )
    monkeypatch.setitem(sam1.BUILDERS, 'sam_vit_b', build)
    torch.manual_seed(3)
    model = build()
    enliven(model)
    torch.save(model.state_dict(), tmp_path / 'vit_b.pth')
    segmenter = load_segmenter('vit_b', checkpoint=tmp_path / 'vit_b.pth', device='cpu')
    image = textured_image((640, 480))
    predictor = SamPredictor(model)
    predictor.set_image(image)
    prompt = make_prompt('box and points', (640, 480), 256)
    check_same(segmenter, segmenter.embed(image), predictor, prompt, None, multimask=True)


def test_an_embedding_that_is_dropped_is_freed(segmenter):
    embedding = segmenter.embed(textured_image((64, 48)))
    segmenter.segment_everything(embedding, EverythingOptions(points_per_side=1))
    segmenter.segment(embedding, Prompt([(9, 9)], [1]))
    features = weakref.ref(embedding.data['features'])
    assert features() is not None
    del embedding
    gc.collect()
    assert features() is None


@pytest.mark.parametrize('region_area', [0, 60])
def test_everything_equals_the_official_generator(
    segmenter, official_model, monkeypatch, region_area
):
    # Random weights give masks all over the image; only without NMS several of them live.
    generator = partial(SamAutomaticMaskGenerator, box_nms_thresh=1.0)
    monkeypatch.setattr(sam1, 'SamAutomaticMaskGenerator', generator)
    image = textured_image((200, 160))
    options = EverythingOptions(
        points_per_side=4,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.3,
        min_mask_region_area=region_area,
    )
    found = segmenter.segment_everything(segmenter.embed(image), options)
    official = generator(
        official_model,
        points_per_side=4,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.3,
        min_mask_region_area=region_area,
    ).generate(image)
    official = sorted(official, key=lambda one: one['area'], reverse=True)
    assert len(found) == len(official) > 2
    for mine, theirs in zip(found, official, strict=True):
        check_same_mask(mine.mask, theirs['segmentation'])
        assert mine.score == pytest.approx(np.clip(theirs['predicted_iou'], 0, 1), abs=TOLERANCE)
    assert [mask.area for mask in found] == sorted((m.area for m in found), reverse=True)


def test_everything_finds_nothing_above_impossible_thresholds(segmenter):
    options = EverythingOptions(points_per_side=2, pred_iou_thresh=1.0)
    assert segmenter.segment_everything(segmenter.embed(textured_image((64, 48))), options) == []


def test_logits_of_another_side_are_refused(segmenter):
    embedding = segmenter.embed(textured_image((64, 48)))
    with pytest.raises(PromptError, match=r'\(256, 256\).*\(64, 64\)'):
        segmenter.segment(embedding, Prompt(logits=np.zeros((256, 256))))


def test_too_many_points_are_refused(segmenter):
    embedding = segmenter.embed(textured_image((64, 48)))
    with pytest.raises(PromptError, match='5000 points'):
        segmenter.segment(embedding, Prompt(np.ones((5000, 2)), np.ones(5000)))


def test_an_image_too_narrow_for_the_model_is_refused(segmenter):
    with pytest.raises(ImageError, match='3000 x 1 px'):
        segmenter.embed(np.zeros((1, 3000, 3), np.uint8))


def test_images_that_torch_cannot_read_as_they_are(segmenter):
    image = textured_image((64, 48))
    expected = segmenter.segment(segmenter.embed(image), Prompt([(9, 9)], [1]))[0].logits
    locked = image.copy()
    locked.flags.writeable = False
    flipped = np.ascontiguousarray(image[:, ::-1])[:, ::-1]
    for other in (locked, flipped):
        again = segmenter.segment(segmenter.embed(other), Prompt([(9, 9)], [1]))[0].logits
        assert np.abs(again - expected).max() <= TOLERANCE


def test_a_closed_segmenter_says_so(small):
    name, checkpoint = small
    segmenter = load_segmenter(name, checkpoint=checkpoint, device='cpu')
    embedding = segmenter.embed(textured_image((64, 48)))
    segmenter.close()
    with pytest.raises(SamError, match='closed'):
        segmenter.segment(embedding, Prompt([(9, 9)], [1]))
