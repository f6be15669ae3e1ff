# SPDX-License-Identifier: Apache-2.0
"""Checkpoints made to take memory, time or the machine; and those of one's own training."""

import argparse
import io
import json
import os
import pathlib
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch

from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.torch import checkpoint_pickle, checkpoint_zip
from sam_segmentation.models.torch import weights as torch_weights
from sam_segmentation.models.torch.weights import load_weights, read_state_dict

WEIGHTS = {'a.weight': torch.arange(6.0).reshape(2, 3), 'b.bias': torch.ones(4)}


def saved(path, content, **options):
    torch.save(content, path, **options)
    return path


def check_weights(state, weights=WEIGHTS):
    assert state.keys() == weights.keys()
    for key, value in weights.items():
        assert torch.equal(state[key], value)


def refuse(path, message):
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=message) as caught:
            read_state_dict(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 700


def rewritten(path, change, *, compression=zipfile.ZIP_STORED):
    """Write the archive of a checkpoint anew, with its entries changed."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    with zipfile.ZipFile(path, 'w', compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return path


def with_pickle(path, program):
    saved(path, WEIGHTS)
    return rewritten(path, lambda entries: entries.update({f'{path.stem}/data.pkl': program}))


def storage(key='0', count=6):
    return ('storage', torch.FloatStorage, key, 'cpu', count)


def tensor_pickle(shape, stride, offset=0, **of_storage):
    """Return the pickle of one tensor, which claims what its arguments say."""

    class Claim:
        def __reduce__(self):
            arguments = (Stored(), offset, shape, stride, False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments

    class Stored:
        pass

    class Pickler(pickle._Pickler):
        def persistent_id(self, value):
            return storage(**of_storage) if isinstance(value, Stored) else None

    stream = io.BytesIO()
    Pickler(stream, protocol=2).dump({'a.weight': Claim()})
    return stream.getvalue()


def wrapped(key):
    return {key: WEIGHTS, 'epoch': 7}


@pytest.mark.parametrize('protocol', [2, 3, 4, 5])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_what_torch_saves_is_read_as_it_was(tmp_path, protocol, dtype):
    weights = {
        'a': torch.randn(3, 4, 5, dtype=dtype),
        'transposed': torch.randn(3, 4, dtype=dtype).T,
        'a part': torch.randn(10, dtype=dtype)[3:7],
        'scalar': torch.tensor(3.0, dtype=dtype),
        'parameter': torch.nn.Parameter(torch.randn(2, dtype=dtype)),
        'empty': torch.empty(0, dtype=dtype),
    }
    path = saved(tmp_path / 'own.pt', weights, pickle_protocol=protocol)
    state = read_state_dict(path)
    check_weights(state, weights)


@pytest.mark.parametrize(
    'content',
    [
        WEIGHTS,
        *map(wrapped, ('model', 'state_dict', 'model_state_dict')),
        {'state_dict': {'model': WEIGHTS}},
        {f'module.{key}': value for key, value in WEIGHTS.items()},
        {'model': {f'module._orig_mod.{key}': value for key, value in WEIGHTS.items()}},
        {'state_dict': {f'model.{key}': value for key, value in WEIGHTS.items()}},
        {'model': WEIGHTS, 'loss': np.float64(0.5), 'step': np.int64(3), 'seen': np.arange(9)},
        {'model': WEIGHTS, 'args': argparse.Namespace(lr=1.0, path=pathlib.Path('/a'))},
        {'model': WEIGHTS, 'meters': defaultdict(list, a=[1]), 'names': {'a', 'b'}},
        {'model': WEIGHTS, 'size': torch.Size([1]), 'dtype': torch.float16, 'x': 1j},
        {'epoch': 3, 'model': WEIGHTS, 'device': torch.device('cpu'), 'note': b'x', 'n': None},
    ],
    ids=lambda content: '-'.join(content)[:40],
)
def test_a_checkpoint_of_ones_own_training_is_read(tmp_path, content):
    check_weights(read_state_dict(saved(tmp_path / 'own.pt', content)))


def test_the_state_of_an_optimizer_beside_the_weights_is_left(tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    content = {'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 1}
    path = saved(tmp_path / 'own.pt', content)
    fresh = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4))
    load_weights(fresh, path, name='mine')
    check_weights(fresh.state_dict(), model.state_dict())


class Command:
    def __reduce__(self):
        return os.system, ('touch /tmp/never',)


class Big:
    def __reduce__(self):
        return bytearray, (2**40,)


@pytest.mark.parametrize('thing', [Command(), Big(), torch.nn.Linear(1, 1), np.random.default_rng])
@pytest.mark.parametrize('beside', [True, False])
def test_what_could_run_code_is_refused_by_its_name(tmp_path, thing, beside):
    content = {'model': WEIGHTS, 'more': thing} if beside else {'model': {'a.weight': thing}}
    path = saved(tmp_path / 'evil.pt', content)
    refuse(path, r'could run code, so it was not read \([a-z_]+\..*save its state dict alone')


@pytest.mark.parametrize('name', ['os.system', 'torch.load', 'sam2.x', 'builtins.eval', 'a.\n'])
@pytest.mark.parametrize('step', [b'R', b'\x81', b'b', b'i', b'o', b'\x92', b'\x82'])
def test_no_step_of_a_pickle_calls_anything(tmp_path, name, step):
    module, _, attribute = name.partition('.')
    program = b'\x80\x04(\x8c' + bytes([len(module)]) + module.encode()
    program += b'\x8c' + bytes([len(attribute)]) + attribute.encode() + b'\x93'
    refuse(with_pickle(tmp_path / 'evil.pt', program + b'\x8c\x04true\x85' + step + b'.'), 'evil')


@pytest.mark.parametrize(
    ('shape', 'stride', 'more'),
    [
        ((10**6, 10**6), (0, 0), {}),
        ((2**47, 2**47), (0, 0), {}),
        ((7,), (1,), {}),
        ((2, 3), (2**47, 1), {}),
        ((2, 3), (3, 1), {'offset': 1}),
        ((2, 3), (3, 1), {'offset': 2**47}),
        ((2, 3), (3,), {}),
        ((0, 2**47, 2**47), (1, 1, 1), {'key': 'nowhere'}),
        ((-1,), (1,), {}),
        ((1,), (-1,), {}),
        ((2.0, 3), (3, 1), {}),
        ((True,), (1,), {}),
        ((1,) * 9, (1,) * 9, {}),
        ((2**70,), (1,), {}),
        ((2, 3), (3, 1), {'key': '../data.pkl'}),
        (3, 1, {}),
    ],
    ids=str,
)
def test_a_tensor_that_claims_more_than_there_is_is_refused(tmp_path, shape, stride, more):
    path = with_pickle(tmp_path / 'claims.pt', tensor_pickle(shape, stride, **more))
    refuse(path, 'claims a tensor|is damaged|lacks the values')


def test_a_tensor_that_claims_what_there_is_is_read(tmp_path):
    path = with_pickle(tmp_path / 'claims.pt', tensor_pickle((2, 3), (3, 1)))
    check_weights(read_state_dict(path), {'a.weight': WEIGHTS['a.weight']})
    path = with_pickle(tmp_path / 'claims.pt', tensor_pickle((0, 2**47, 2**47), (1, 1, 1)))
    assert read_state_dict(path)['a.weight'].numel() == 0


def test_a_bomb_is_refused_before_it_unpacks(tmp_path):
    path = saved(tmp_path / 'bomb.pt', {'a.weight': torch.zeros(10**7)})
    rewritten(path, lambda entries: None, compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    refuse(path, "compressed 'bomb/.*', which would unpack to .* bytes")


@pytest.mark.parametrize('module', [checkpoint_zip, checkpoint_pickle, torch_weights])
def test_each_bound_is_named(tmp_path, monkeypatch, module):
    path = saved(tmp_path / 'own.pt', WEIGHTS)
    for name in [
        name for name in vars(module) if name.startswith('MAX_') and 'HEADER' not in name
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, 5)
            refuse(path, 'at most 5 are accepted|more than 5 steps')


@pytest.mark.parametrize(
    'program',
    [
        b'\x80\x02' + b']' * 500_000 + b'.',
        b'\x80\x02' + b'(' * 100_000 + b'.',
        b'\x80\x02]r\xff\xff\xff\x7f.',
        b'\x80\x02\x8b\xff\xff\xff\x7f.',
        b'\x80\x04\x8d' + b'\xff' * 8 + b'.',
        b'\x80\x05\x96' + (2**40).to_bytes(8, 'little') + b'.',
        b'\x80\x02})' + b'\x85' * 100_000 + b'K\x01s.',
        b'\x80\x02}\x8a\x09' + b'\xff' * 8 + b'\x00K\x01s.',
        b'\x80\x02h\x07.',
        b'\x80\x02}q\x00h\x00h\x00s.',
        b'\x80\x02}q\x00X\x05\x00\x00\x00modelh\x00s.',
        b'\x80\x02K\x01K\x02a.',
        b'L' + b'9' * 100_000 + b'L\n.',
        b'P0\n.',
        b'\x80\x02.',
        b'.',
        b'',
        b'\x80\x63\xff',
    ],
    ids=range(18),
)
def test_a_pickle_made_to_cost_memory_or_time_is_refused(tmp_path, program):
    refuse(with_pickle(tmp_path / 'odd.pt', program), 'odd')


def test_a_damaged_checkpoint_is_refused_or_read_in_full(tmp_path):
    whole = saved(tmp_path / 'own.pt', {'model': WEIGHTS, 'note': 'x'}).read_bytes()
    dice = random.Random(3)
    path = tmp_path / 'damaged.pt'
    for _ in range(400):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 6)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        if dice.random() < 0.3:
            start = dice.randrange(len(content))
            del content[start : start + dice.randint(1, 90)]
        path.write_bytes(content)
        try:
            state = read_state_dict(path)
        except CheckpointError:
            continue
        assert all(isinstance(value, torch.Tensor) for value in state.values())


@pytest.mark.parametrize('claimed', [2**32 - 2, 10**7])
def test_a_list_of_files_that_is_too_long_is_not_read(tmp_path, claimed):
    path = saved(tmp_path / 'long.pt', WEIGHTS)
    content = bytearray(path.read_bytes())
    end = content.rindex(b'PK\5\6')
    content[end + 12 : end + 16] = struct.pack('<L', claimed)
    path.write_bytes(content)
    refuse(path, 'has a list of files of .* bytes; at most')


def safetensors(path, header, values=b'', length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack('<Q', len(text) if length is None else length) + text + values)
    return path


def entry(**changes):
    return {'a': {'dtype': 'F32', 'shape': [2, 3], 'data_offsets': [0, 24], **changes}}


@pytest.mark.parametrize(
    ('header', 'length'),
    [
        (entry(shape=[10**6, 10**6]), None),
        (entry(shape=[-1]), None),
        (entry(shape=[2**70]), None),
        (entry(shape='23'), None),
        (entry(data_offsets=[0, 10**9]), None),
        (entry(data_offsets=[-24, 0]), None),
        (entry(data_offsets=[24, 0]), None),
        (entry(data_offsets=[0]), None),
        (entry(dtype='X'), None),
        (entry(dtype=[]), None),
        ({'a': 3}, None),
        ([1], None),
        ({}, None),
        ({'__metadata__': {'a': 'b'}}, None),
        (entry(), 2**63),
        (entry(), 10**9),
        (b'[' * 200_000, None),
        (b'{"a": ' + b'9' * 100_000 + b'}', None),
        (b'\xff\xfe', None),
        (b'', 0),
    ],
    ids=range(20),
)
def test_hostile_safetensors_are_refused(tmp_path, header, length):
    refuse(safetensors(tmp_path / 'odd.safetensors', header, bytes(24), length), 'odd')


def test_safetensors_are_read_without_their_package(tmp_path):
    values = struct.pack('<6f', *range(6))
    header = {'__metadata__': {'format': 'pt'}, **entry()}
    state = read_state_dict(safetensors(tmp_path / 'own.safetensors', header, values))
    check_weights(state, {'a': WEIGHTS['a.weight']})


@pytest.mark.parametrize('kind', ['pipe', 'device', 'folder', 'loop', 'nothing'])
@pytest.mark.parametrize('suffix', ['.pt', '.safetensors'])
def test_what_is_no_ordinary_file_is_refused_at_once(tmp_path, kind, suffix):
    path = tmp_path / f'odd{suffix}'
    if kind == 'pipe':
        os.mkfifo(path)
    elif kind == 'device':
        path.symlink_to('/dev/zero')
    elif kind == 'folder':
        path.mkdir()
    elif kind == 'loop':
        path.symlink_to(path)
    refuse(path, 'odd')


def test_a_file_larger_than_any_memory_costs_none(tmp_path):
    path = saved(tmp_path / 'huge.pt', WEIGHTS)
    os.truncate(path, 10**12)
    refuse(path, '1,000,000,000,000 bytes; at most 16,000,000,000')
    path = safetensors(
        tmp_path / 'huge.safetensors', entry(shape=[10**9], data_offsets=[0, 4 * 10**9])
    )
    os.truncate(path, path.stat().st_size + 4 * 10**9)
    with pytest.raises(CheckpointError, match=r'does not fit mine.*has of another shape a'):
        load_weights(torch.nn.ParameterDict({'a': torch.zeros(3)}), path, name='mine')


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (torch.tensor([1.0, float('nan')]), 'infinite or undefined numbers in a'),
        (torch.tensor([1.0, float('inf')]), 'infinite or undefined numbers in a'),
        (torch.tensor([1, 2]), 'another kind of number a'),
    ],
    ids=str,
)
def test_values_that_no_training_leaves_are_refused(tmp_path, value, message):
    path = saved(tmp_path / 'own.pt', {'a': value})
    with pytest.raises(CheckpointError, match=message):
        load_weights(torch.nn.ParameterDict({'a': torch.zeros(2)}), path, name='mine')
