# SPDX-License-Identifier: Apache-2.0
import gc
import weakref
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import sam2 as sam2_package
import torch
from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.utils import instantiate
from omegaconf import OmegaConf
from predictor_cases import (
    SIZES_WH,
    TOLERANCE,
    EqualsTheOfficialPredictor,
    check_same,
    check_same_mask,
    make_prompt,
    textured_image,
)
from sam2.automatic_mask_generator import SAM2AutomaticMaskGenerator
from sam2.build_sam import build_sam2
from sam2.sam2_image_predictor import SAM2ImagePredictor
from small_models import enliven, write_small_sam2

from sam_segmentation import EverythingOptions, Prompt, load_segmenter
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.sam2 import segmenter as sam2

IMAGE_SIZE = 256
SIDE = IMAGE_SIZE // 4
# As sam2.build_sam.build_sam2 adds them.
OFFICIAL_OVERRIDES = {
    'dynamic_multimask_via_stability': True,
    'dynamic_multimask_stability_delta': 0.05,
    'dynamic_multimask_stability_thresh': 0.98,
}


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return write_small_sam2(tmp_path_factory.mktemp('sam2'), image_size=IMAGE_SIZE, embed_dim=24)


@pytest.fixture(scope='module')
def segmenter(small):
    config, checkpoint = small
    return load_segmenter(str(config), checkpoint=checkpoint, device='cpu')


@pytest.fixture(scope='module')
def official_model(small):
    config = OmegaConf.load(small[0]).model
    config.sam_mask_decoder_extra_args = OFFICIAL_OVERRIDES
    model = instantiate(config, _recursive_=True)
    model.load_state_dict(torch.load(small[1], weights_only=True)['model'])
    return model.eval()


def make_official(model, predictor_type=SAM2ImagePredictor):
    predictor = predictor_type(model)
    predictor._bb_feat_sizes = [(64, 64), (32, 32), (16, 16)]  # for 256 px, written out
    return predictor


@pytest.fixture(scope='module', params=SIZES_WH, ids=str)
def both_sides(request, segmenter, official_model):
    image = textured_image(request.param)
    predictor = make_official(official_model)
    predictor.set_image(image)
    return segmenter.embed(image), predictor


def low_resolution(prompt):
    if prompt.mask is None:
        return prompt.logits
    area = cv2.resize(prompt.mask.astype(np.float32), (SIDE, SIDE), interpolation=3)
    return (2 * area - 1) * 10


class TestSam2(EqualsTheOfficialPredictor):
    side = SIDE
    low_resolution = staticmethod(low_resolution)


def test_the_official_size_is_answered_as_by_the_official_predictor(tmp_path):
    torch.manual_seed(3)
    model = build_sam2('configs/sam2.1/sam2.1_hiera_t.yaml', device='cpu')
    enliven(model)
    torch.save({'model': model.state_dict()}, tmp_path / 'tiny.pt')
    segmenter = load_segmenter('sam2.1_hiera_tiny', checkpoint=tmp_path / 'tiny.pt', device='cpu')
    image = textured_image((640, 480))
    predictor = SAM2ImagePredictor(model)
    predictor.set_image(image)
    embedding = segmenter.embed(image)
    prompt = make_prompt('box and points', (640, 480), 256)
    for multimask in (False, True):
        check_same(segmenter, embedding, predictor, prompt, None, multimask=multimask)


@pytest.mark.parametrize('family', ['sam2', 'sam2.1'])
@pytest.mark.parametrize('size', ['tiny', 'small', 'base_plus', 'large'])
def test_each_official_name_has_the_config_of_the_official_builder(family, size):
    path = sam2.config_path(f'{family}_hiera_{size}')
    configs = Path(sam2_package.__file__).parent
    official = compose(config_name=str(path.relative_to(configs)))
    assert OmegaConf.load(path).model == official.model


def test_an_embedding_that_is_dropped_is_freed(segmenter):
    embedding = segmenter.embed(textured_image((64, 48)))
    segmenter.segment_everything(embedding, EverythingOptions(points_per_side=1))
    segmenter.segment(embedding, Prompt([(9, 9)], [1]))
    features = weakref.ref(embedding.data['_features']['image_embed'])
    assert features() is not None
    del embedding
    gc.collect()
    assert features() is None


def official_everything(model, image):
    generator = SAM2AutomaticMaskGenerator(
        model,
        points_per_side=4,
        pred_iou_thresh=0.3,
        stability_score_thresh=0.3,
        box_nms_thresh=1.0,
    )
    generator.predictor = make_official(model)
    found = generator.generate(image)
    return sorted(found, key=lambda one: one['area'], reverse=True)


def everything(segmenter, image, monkeypatch, *, region_area):
    # Random weights give masks all over the image; only without NMS several of them live.
    generator = partial(SAM2AutomaticMaskGenerator, box_nms_thresh=1.0)
    monkeypatch.setattr(sam2, 'SAM2AutomaticMaskGenerator', generator)
    options = EverythingOptions(
        points_per_side=4,
        pred_iou_thresh=0.3,
        stability_score_thresh=0.3,
        min_mask_region_area=region_area,
    )
    return segmenter.segment_everything(segmenter.embed(image), options)


def test_everything_equals_the_official_generator(segmenter, official_model, monkeypatch):
    image = textured_image((200, 160))
    found = everything(segmenter, image, monkeypatch, region_area=0)
    official = official_everything(official_model, image)
    assert len(found) == len(official) > 2
    for mine, theirs in zip(found, official, strict=True):
        check_same_mask(mine.mask, theirs['segmentation'])
        assert mine.score == pytest.approx(theirs['predicted_iou'], abs=TOLERANCE)


def test_everything_removes_small_regions(segmenter, monkeypatch):
    def smallest(masks):
        return min(
            cv2.connectedComponentsWithStats(part.astype(np.uint8))[2][1:, 4].min()
            for one in masks
            for part in (one.mask, ~one.mask)
        )

    image = textured_image((200, 160))
    assert smallest(everything(segmenter, image, monkeypatch, region_area=0)) < 60
    assert smallest(everything(segmenter, image, monkeypatch, region_area=60)) >= 60


def test_loading_leaves_hydra_as_it_is(small):
    before = GlobalHydra.instance().hydra
    load_segmenter(str(small[0]), checkpoint=small[1], device='cpu')
    assert GlobalHydra.instance().hydra is before


def test_a_config_of_ones_own_needs_a_checkpoint(small):
    with pytest.raises(CheckpointError, match='no checkpoint is known'):
        load_segmenter(str(small[0]), device='cpu')
