# SPDX-License-Identifier: Apache-2.0
"""Configs from anywhere: what is read of them, what is made, and what is refused."""

import inspect
import json
import os
import random
import sys
from collections.abc import Sequence
from contextlib import contextmanager

import pytest
import torch
import yaml
from hydra.utils import instantiate
from omegaconf import OmegaConf
from small_models import write_small_sam2

from sam_common.plain_yaml import MAX_BYTES, MAX_DEPTH, read_plain_yaml
from sam_segmentation import load_segmenter
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.sam2 import config as sam2_config
from sam_segmentation.models.sam2.arguments import ARGUMENTS, TARGETS
from sam_segmentation.models.sam2.config import _build_checked, build_model, config_path

OFFICIAL = [
    f'{family}_hiera_{size}'
    for family in ('sam2', 'sam2.1')
    for size in ('tiny', 'small', 'base_plus', 'large')
]
COMMAND = 'os.system'
RESOLVED_TWICE = '\\${oc.create:{_target_:os.system,command:"touch /tmp/never"}}'


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return write_small_sam2(tmp_path_factory.mktemp('config'), image_size=128, embed_dim=16)


@pytest.fixture(scope='module')
def tree(small):
    return yaml.safe_load(small[0].read_text())


@pytest.fixture
def build(tree, tmp_path):
    """Build the model of the small config, after a change of it."""

    def changed_and_built(change):
        config = _copy(tree)
        change(config['model'])
        path = tmp_path / 'changed.yaml'
        path.write_text(yaml.safe_dump(config))
        return build_model(path)

    return changed_and_built


_watched = []
_SUSPECT = ('os.', 'subprocess.', 'socket.', 'ctypes.', 'pickle.', 'exec', 'compile', 'shutil.')
_HARMLESS = ('os.listdir', 'os.scandir')


def _notice(event, args):
    # Hooks stay for good; this one does nothing but where a test watches.
    if _watched and event.startswith(_SUSPECT) and event not in _HARMLESS:
        _watched[-1].append((event, args))
    if _watched and event in ('open', 'import') and not isinstance(args[0], int):
        _watched[-1].append((event, args))


@contextmanager
def watching():
    """Collect what is run, opened, imported or connected to in the meantime."""
    seen = []
    if not any(getattr(hook, 'ours', False) for hook in _hooks):
        _notice.ours = True
        _hooks.append(_notice)
        sys.addaudithook(_notice)
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.remove(seen)


_hooks = []


@pytest.mark.parametrize('name', OFFICIAL)
def test_an_official_config_reads_as_omegaconf_reads_it(name):
    path = config_path(name)
    assert read_plain_yaml(path) == OmegaConf.to_container(OmegaConf.load(path))


def test_the_model_is_the_one_that_the_official_builder_makes():
    path = config_path('sam2.1_hiera_tiny')
    model = build_model(path)
    config = OmegaConf.load(path).model
    config.sam_mask_decoder_extra_args = sam2_config._DECODER_OPTIONS
    official = instantiate(config, _recursive_=True)
    assert str(model) == str(official)
    assert _plain_settings(model) == _plain_settings(official)
    weights, official_weights = model.state_dict(), official.state_dict()
    assert list(weights) == list(official_weights)
    assert all(weights[key].shape == official_weights[key].shape for key in weights)


def _plain_settings(model):
    return [
        (name, key, list(value) if isinstance(value, Sequence) else value)
        for name, module in model.named_modules()
        for key, value in vars(module).items()
        if isinstance(value, int | float | Sequence | None)
    ]


@pytest.mark.parametrize('target', TARGETS)
def test_each_argument_of_each_layer_is_known(target):
    known = {*ARGUMENTS, 'sam_mask_decoder_extra_args', 'self', 'args', 'kwargs'}
    assert set(inspect.signature(TARGETS[target]).parameters) <= known


@pytest.mark.parametrize(
    'text', [RESOLVED_TWICE, '${oc.env:HOME}', '${image_size}', 'a${', '\\\\${x}']
)
def test_what_would_resolve_to_something_else_is_refused(build, text):
    with pytest.raises(CheckpointError, match='refers to something; write the value'):
        build(lambda model: model.update(image_size=text))


@pytest.mark.parametrize(
    'target',
    [
        COMMAND,
        'sam2.build_sam.os.system',
        'sam2.build_sam.compose',
        'torch.nn.modules.module.torch.load',
        'torch.load',
        'torch.nn.Linear',
        'sam2.no_such.Thing',
        'sam2.utils.amg.MaskData',
        'sam2.modeling.sam2_base.SAM2Base',
        'sam2.modeling.sam2_base.SAM2Base ',
        ['sam2.modeling.backbones.hieradet.Hiera'],
        {'a': 1},
        3,
        None,
    ],
    ids=lambda value: str(value)[:30],
)
def test_only_a_layer_that_belongs_there_is_made(build, target):
    def change(model):
        model['image_encoder']['neck'] = {'_target_': target, '_args_': ['touch /tmp/never']}

    with pytest.raises(CheckpointError, match='_target_') as caught:
        build(change)
    assert str(target)[:30] in str(caught.value)
    assert 'expected a layer with the _target_ sam2.modeling' in str(caught.value)


@pytest.mark.parametrize(
    'more',
    [
        {'_args_': [96, 1, 0.0, 3, [2, 2], [1, 2, 11, 2], 2.0, 2.0, [7, 7]]},
        {'_partial_': True},
        {'_convert_': 'all'},
        {'_recursive_': False},
        {'<<': {'embed_dim': 16}},
        {'weights_path': '/tmp/evil.pt'},
        {'forward': 1},
        {'image_encoder': 3},
    ],
    ids=lambda value: str(value)[:30],
)
def test_no_other_argument_is_handed_on(build, more):
    with pytest.raises(CheckpointError, match=next(iter(more))):
        build(lambda model: model['image_encoder']['trunk'].update(more))


@pytest.mark.parametrize(
    ('where', 'key', 'value'),
    [
        ('', 'image_size', 10**9),
        ('', 'image_size', 10**400),
        ('', 'image_size', 128.0),
        ('', 'image_size', True),
        ('', 'image_size', None),
        ('', 'image_size', [128]),
        ('', 'num_maskmem', 10**9),
        ('', 'backbone_stride', 0),
        ('', 'compile_image_encoder', True),
        ('', 'use_obj_ptrs_in_encoder', 1),
        ('', 'sam_mask_decoder_extra_args', {'activation': 'os.system'}),
        ('', 'sam_mask_decoder_extra_args', [1]),
        ('image_encoder.trunk', 'embed_dim', 10**9),
        ('image_encoder.trunk', 'embed_dim', -1),
        ('image_encoder.trunk', 'embed_dim', 16_384),
        ('image_encoder.trunk', 'stages', [10**9]),
        ('image_encoder.trunk', 'stages', [64, 64, 64, 65]),
        ('image_encoder.trunk', 'stages', [64] * 5),
        ('image_encoder.trunk', 'stages', [1] * 10_000),
        ('image_encoder.trunk', 'stages', 'many'),
        ('image_encoder.trunk', 'window_spec', [8, 4, 10**6, 7]),
        ('image_encoder.trunk', 'dim_mul', float('inf')),
        ('image_encoder.trunk', 'dim_mul', 8),
        ('image_encoder.neck', 'padding', 10**6),
        ('image_encoder.neck', 'kernel_size', 10**6),
        ('image_encoder.neck', 'fpn_interp_model', 'linear'),
        ('memory_attention', 'num_layers', 10**9),
        ('memory_attention.layer.self_attention', 'feat_sizes', [10**6, 10**6]),
        ('memory_encoder.mask_downsampler', 'stride', 1),
        ('memory_encoder.mask_downsampler', 'stride', 0),
        ('memory_encoder.mask_downsampler', 'activation', 'gelu'),
        ('memory_encoder.fuser', 'num_layers', 0.5),
    ],
    ids=lambda value: str(value)[:30],
)
def test_sizes_are_bounded_before_anything_is_allocated(build, monkeypatch, where, key, value):
    def change(model):
        for part in filter(None, where.split('.')):
            model = model[part]
        model[key] = value

    counted = _count_real_tensors(monkeypatch)
    with pytest.raises(CheckpointError) as caught:
        build(change)
    assert len(str(caught.value)) < 600
    assert counted == []


def _count_real_tensors(monkeypatch):
    made = []

    def make(values, count=sam2_config._count_values):
        found = count(values)
        if found <= sam2_config.MAX_VALUES:
            made.append(found)
        return found

    monkeypatch.setattr(sam2_config, '_count_values', make)
    return made


def test_a_model_that_is_large_in_sum_is_refused(build):
    def change(model):
        for part in (model['memory_attention'], model['memory_attention']['layer']):
            part['d_model'] = 16_384
        model['memory_attention']['layer']['dim_feedforward'] = 16_384

    with pytest.raises(CheckpointError, match=r'values; at most 500,000,000 are accepted'):
        build(change)


def test_sizes_are_counted_where_there_is_a_gpu_too(small, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(sam2_config, 'MAX_VALUES', 3)
    with pytest.raises(CheckpointError, match='at most 3 are accepted'):
        build_model(small[0])


def laughs(levels):
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    lines += [f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 10)}]' for n in range(1, levels)]
    return '\n'.join(lines)


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('', 'describes no model'),
        ('model: 3', 'describes no model'),
        ('- 1', 'describes no model'),
        ('a: [', 'is no YAML'),
        ('a: b: c', 'is no YAML'),
        ('\x00', 'is no YAML'),
        (r'a: "\U7FFFFFFF"', 'is no YAML'),
        (r'a: "\UFFFFFFFF"', 'is no YAML'),
        (f'%YAML 1.{"9" * 5000}\n---\na: 1', 'is no YAML'),
        (b'\xff\xfe\x00\xd8', 'is no YAML'),
        ('model: ${no.such.thing}', 'refers to something'),
        ('${a}: 1', 'refers to something'),
        (laughs(9), 'alias'),
        ('a: &a [*a]', 'alias'),
        ('x: &x {a: 1}\ny:\n  <<: *x', 'alias'),
        ('!!python/object/apply:os.system ["true"]', 'tag'),
        ('a: !!python/name:os.system', 'tag'),
        ('a: !!binary aGVsbG8=', 'tag'),
        ('a: 1\na: 2', 'second time'),
        ('{[1]: 2}', 'a key that is no word'),
        ('{{a: 1}: 2}', 'a key that is no word'),
        ('a: 1\n---\nb: 2', 'a second document'),
        ('[' * 5000, 'nesting deeper'),
        ('{a: ' * 5000, 'nesting deeper'),
        ('- ' * 5000, 'nesting deeper'),
        ('# x\n' * MAX_BYTES, 'bytes; at most'),
        ('model: {_target_: torch.nn.Identity}', 'SAM2Base'),
        ('model: {_target_: sam2.modeling.sam2_base.SAM2Base}', 'does not fit sam2'),
        ('model: {_target_: 2026-11-25}', '2026-11-25'),
        ('model: {_target_: sam2.modeling.sam2_base.SAM2Base, image_size: 1:30}', '1:30'),
        ('model: {_target_: sam2.modeling.sam2_base.SAM2Base, image_size: .inf}', r'\.inf'),
        (f'model: {{_target_: {"9" * 60_000}}}', '9999'),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_file_that_is_no_config_is_refused(tmp_path, text, message):
    path = tmp_path / 'odd.yaml'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(CheckpointError, match=message) as caught:
        build_model(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 600


def test_nesting_is_read_up_to_the_bound(tmp_path):
    path = tmp_path / 'deep.yaml'
    path.write_text('[' * MAX_DEPTH + ']' * MAX_DEPTH)
    assert read_plain_yaml(path)


def test_words_and_numbers_are_told_apart(tmp_path):
    path = tmp_path / 'words.yaml'
    path.write_text(
        "[1e-6, 1, '1', +2, -.5, 1., yes, 'no', Off, ~, null, 0x10, 1_0, .nan, 007, a]"
    )
    assert read_plain_yaml(path) == [
        *(1e-6, 1, '1', 2, -0.5, 1.0, True, 'no', False, None, None),
        *('0x10', '1_0', '.nan', 7, 'a'),
    ]


def _copy(value):
    return json.loads(json.dumps(value))


def _hostile_trees(tree, count):
    """Small configs with a few parts each replaced, added or moved, from a fixed seed."""
    dice = random.Random(20)
    targets = [*TARGETS, COMMAND, 'builtins.eval', 'sam2.build_sam.os.system', 'torch.hub.load']
    odd = [
        *(RESOLVED_TWICE, '${oc.env:HOME}', 'os.system("touch /tmp/never")', '/tmp/evil.pt', '~'),
        *(10**9, 10**30, -1, 0, 1.5, 1e308, True, None, [], {}, [[[]]], [10**9], 'x' * 500),
        *({'_target_': COMMAND, '_args_': ['true']}, {'_target_': 'builtins.exec'}),
    ]
    keys = [*ARGUMENTS, '_target_', '_args_', '_partial_', '_call_', '__class__', '<<', '', '${a}']
    for _ in range(count):
        config = _copy(tree)
        config['model']['image_encoder']['trunk'].update(stages=[1] * 4, global_att_blocks=[1])
        config['model']['memory_attention']['num_layers'] = 1
        config['model']['memory_encoder']['fuser']['num_layers'] = 1
        for _ in range(dice.randint(2, 5)):
            parts = list(_mappings(config['model']))
            part, other = dice.choice(parts), dice.choice(parts)
            key = dice.choice(list(part) or keys) if dice.random() < 0.6 else dice.choice(keys)
            roll = dice.random()
            if roll < 0.3:
                part[key] = _copy(dice.choice(odd))
            elif roll < 0.5:
                part['_target_'] = dice.choice(targets)
            elif roll < 0.6:
                part[key] = _copy(other)
            elif roll < 0.8:
                more = {dice.choice(keys): dice.choice(odd)}
                part[key] = _copy({'_target_': dice.choice(targets), **more})
            else:
                part.pop(key, None)
        yield config


def _mappings(node):
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _mappings(value)


def _outside(seen, *paths):
    return [
        (event, args)
        for event, args in seen
        if not (event == 'open' and str(args[0]) in map(str, paths))
    ]


def test_the_watch_would_see_a_command():
    with watching() as seen:
        os.system('true')
    assert [event for event, _ in _outside(seen)] == ['os.system']


def test_no_hostile_config_calls_anything_outside_the_list(tree, tmp_path):
    path = tmp_path / 'hostile.yaml'
    refused = 0
    with watching() as seen:
        for number, config in enumerate(_hostile_trees(tree, 2000)):
            try:
                if number % 20:
                    _build_checked(config['model'])
                else:  # reading takes most of the time
                    path.write_text(json.dumps(config))
                    build_model(path)
            except CheckpointError:
                refused += 1
    assert refused > 1500
    assert not _outside(seen, path)


def test_a_missing_config_is_named():
    with pytest.raises(CheckpointError, match=r'nowhere\.yaml.*give an existing file'):
        load_segmenter('/nowhere.yaml', checkpoint='x.pt', device='cpu')


def test_an_image_size_that_does_not_divide_is_refused(build):
    with pytest.raises(CheckpointError, match='250'):
        build(lambda model: model.update(image_size=250))
