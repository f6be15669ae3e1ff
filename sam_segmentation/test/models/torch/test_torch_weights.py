# SPDX-License-Identifier: Apache-2.0
import os
import pickle
from inspect import signature

import pytest
import torch
import yaml
from sam2.modeling.backbones.hieradet import Hiera
from segment_anything import sam_model_registry
from small_models import write_small_sam1, write_small_sam2

from sam_segmentation import load_segmenter
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.sam2.config import config_path
from sam_segmentation.models.torch.weights import looks_like, read_state_dict


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return write_small_sam1(tmp_path_factory.mktemp('weights'))


class Evil:
    def __reduce__(self):
        return os.mkdir, (os.environ['EVIL_DIR'],)


@pytest.fixture
def evil_dir(tmp_path, monkeypatch):
    monkeypatch.setenv('EVIL_DIR', str(tmp_path / 'evil'))
    return tmp_path / 'evil'


def test_a_malicious_checkpoint_is_refused_without_running_it(small, tmp_path, evil_dir):
    path = tmp_path / 'evil.pth'
    torch.save({'image_encoder.pos_embed': Evil()}, path)
    with pytest.raises(CheckpointError, match='could run code') as caught:
        load_segmenter(small[0], checkpoint=path)
    assert str(path) in str(caught.value)
    assert not evil_dir.exists()
    torch.load(path, weights_only=False)
    assert evil_dir.exists()  # it would have


@pytest.mark.parametrize('legacy', ['pickle', 'torch before 1.6'])
def test_a_bare_pickle_is_refused_without_running_it(small, tmp_path, evil_dir, legacy):
    path = tmp_path / 'evil.pth'
    if legacy == 'pickle':
        path.write_bytes(pickle.dumps(Evil()))
    else:
        torch.save({'x': Evil()}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match=r'not a checkpoint as torch\.save'):
        load_segmenter(small[0], checkpoint=path)
    assert not evil_dir.exists()


@pytest.mark.parametrize('share', [0.001, 0.5, 0.999])
def test_a_truncated_checkpoint_is_refused(small, tmp_path, share):
    path = tmp_path / 'cut.pth'
    whole = small[1].read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(CheckpointError, match='truncated; fetch it again'):
        load_segmenter(small[0], checkpoint=path)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'', 'is empty'),
        (b'<!DOCTYPE html><html>Not found</html>', 'web page'),
        (b'\x00' * 1000, 'not a checkpoint'),
        (b'hello', 'not a checkpoint'),
    ],
)
def test_what_is_no_checkpoint_is_refused(small, tmp_path, content, message):
    path = tmp_path / 'odd.pth'
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        load_segmenter(small[0], checkpoint=path)


def test_a_damaged_zip_is_refused(small, tmp_path):
    path = tmp_path / 'odd.pth'
    content = bytearray(small[1].read_bytes())
    content[30:4000] = bytes(3970)
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        load_segmenter(small[0], checkpoint=path)


def test_an_unreadable_file_is_refused(small, monkeypatch):
    def refuse(path, *args, **kwargs):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(os, 'open', refuse)  # root, who may run this, reads everything
    with pytest.raises(CheckpointError, match='cannot be read: Permission denied'):
        read_state_dict(small[1])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([1, 2], 'holds a list'),
        ({}, 'not named weights'),
        ({'model': {'a': 3}}, "'a': int"),
        ({'epoch': 7, 'a': torch.zeros(1)}, "'epoch': int"),
        (torch.zeros(3), 'holds a Tensor'),
    ],
)
def test_what_holds_no_state_dict_is_refused(tmp_path, content, message):
    torch.save(content, tmp_path / 'odd.pt')
    with pytest.raises(CheckpointError, match=message):
        read_state_dict(tmp_path / 'odd.pt')


def test_another_models_weights_are_recognized(small, tmp_path):
    config, sam2_checkpoint = write_small_sam2(tmp_path, image_size=128, embed_dim=16)
    with pytest.raises(CheckpointError, match=r'looks like a sam2\.1 model of width 16') as caught:
        load_segmenter(small[0], checkpoint=sam2_checkpoint)
    assert small[0] in str(caught.value)
    with pytest.raises(CheckpointError, match='looks like a SAM v1 model of width 64'):
        load_segmenter(str(config), checkpoint=small[1])


def test_missing_extra_and_misshapen_weights_are_named(small, tmp_path):
    state = torch.load(small[1], weights_only=True)
    del state['mask_decoder.iou_token.weight']
    state['surplus'] = torch.zeros(1)
    state['mask_decoder.mask_tokens.weight'] = torch.zeros(2, 2)
    torch.save(state, tmp_path / 'changed.pth')
    with pytest.raises(CheckpointError) as caught:
        load_segmenter(small[0], checkpoint=tmp_path / 'changed.pth')
    for part in (
        'lacks mask_decoder.iou_token.weight',
        'has besides surplus',
        'has of another shape mask_decoder.mask_tokens.weight',
        'Choose the model',
    ):
        assert part in str(caught.value)


def test_weights_that_somebody_saved_as_the_other_kind_are_read(small, tmp_path):
    state = torch.load(small[1], weights_only=True)
    torch.save({'model': state}, tmp_path / 'wrapped.pth')
    load_segmenter(small[0], checkpoint=tmp_path / 'wrapped.pth', device='cpu')


@pytest.mark.parametrize('size', ['h', 'l', 'b'])
def test_each_sam1_is_recognized_by_its_weights(size):
    with torch.device('meta'):
        model = sam_model_registry[f'vit_{size}']()
    assert looks_like(model.state_dict()) == f'sam_vit_{size}'


@pytest.mark.parametrize('family', ['sam2', 'sam2.1'])
@pytest.mark.parametrize('size', ['tiny', 'small', 'base_plus', 'large'])
def test_each_sam2_is_recognized_by_its_weights(family, size):
    name = f'{family}_hiera_{size}'
    config = yaml.safe_load(config_path(name).read_text())['model']
    trunk = config['image_encoder']['trunk']
    defaults = {one.name: one.default for one in signature(Hiera).parameters.values()}
    trunk = defaults | trunk
    weights = {'image_encoder.trunk.patch_embed.proj.weight': torch.zeros(trunk['embed_dim'], 3)}
    for block in range(sum(trunk['stages'])):
        weights[f'image_encoder.trunk.blocks.{block}.norm1.weight'] = torch.zeros(1)
    if config.get('no_obj_embed_spatial'):
        weights['no_obj_embed_spatial'] = torch.zeros(1)
    assert looks_like(weights) == name


def test_safetensors_are_read_as_their_package_writes_them(small, tmp_path):
    from safetensors.torch import save_file

    path = tmp_path / 'small.safetensors'
    weights = torch.load(small[1], weights_only=True)
    save_file(weights, path)
    state = read_state_dict(path)
    assert state.keys() == weights.keys()
    assert all(torch.equal(state[key], weights[key]) for key in weights)
    load_segmenter(small[0], checkpoint=path, device='cpu')
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match='damaged'):
        load_segmenter(small[0], checkpoint=path, device='cpu')
