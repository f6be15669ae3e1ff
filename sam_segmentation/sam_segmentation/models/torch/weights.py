# SPDX-License-Identifier: Apache-2.0
"""Weights from a file that nobody vouches for."""

from __future__ import annotations

import json
import math
import mmap
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from sam_common.files import FileError, open_ordinary
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.checkpoints import MAX_CHECKPOINT_BYTES
from sam_segmentation.models.torch.checkpoint_pickle import Named, StoredTensor, walk_pickle
from sam_segmentation.models.torch.checkpoint_zip import read_archive

_SAM1_BY_WIDTH = {768: 'sam_vit_b', 1024: 'sam_vit_l', 1280: 'sam_vit_h'}
_SAM2_BY_WIDTH_AND_BLOCKS = {
    (96, 12): 'tiny',
    (96, 16): 'small',
    (112, 24): 'base_plus',
    (144, 48): 'large',
}
_SHOWN = 3
MAX_HEADER_BYTES = 16_000_000
# What training scripts and torch's own wrappers put round the weights.
_WRAPPERS = ('model', 'state_dict', 'model_state_dict')
_PREFIXES = ('module.', '_orig_mod.', 'model.', 'sam.')
_MAX_WRAPPERS = 3
_SAFETENSORS = {
    'F64': torch.float64,
    'F32': torch.float32,
    'F16': torch.float16,
    'BF16': torch.bfloat16,
    'I64': torch.int64,
    'I32': torch.int32,
    'I16': torch.int16,
    'I8': torch.int8,
    'U8': torch.uint8,
    'BOOL': torch.bool,
}

StateDict = Mapping[str, torch.Tensor]


def load_weights(model: torch.nn.Module, path: Path, *, name: str) -> None:
    """Fill a model from a checkpoint.

    Parameters
    ----------
    model : torch.nn.Module
    path : path
        A state dict, or one under 'model', 'state_dict' or 'model_state_dict', as torch.save
        wrote it, or .safetensors.
    name : str
        Of the model, for the message.

    Raises
    ------
    CheckpointError
        If the file cannot be read safely, or holds another model's weights.

    """
    state = read_state_dict(path)
    shapes = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    kinds = {key: value.is_floating_point() for key, value in model.state_dict().items()}
    problems = [
        _named('lacks', shapes.keys() - given.keys()),
        _named('has besides', given.keys() - shapes.keys()),
        _named(
            'has of another shape',
            {key for key in shapes.keys() & given.keys() if shapes[key] != given[key]},
        ),
        _named(
            'has of another kind of number',
            {
                key
                for key in kinds.keys() & state.keys()
                if kinds[key] != state[key].is_floating_point()
            },
        ),
    ]
    if any(problems):
        looks = looks_like(state)
        guess = f'it looks like {looks}' if looks else 'it looks like no model that is known here'
        raise CheckpointError(
            f'the checkpoint {path} does not fit {name}: {guess}; it '
            f'{", ".join(filter(None, problems))}. Choose the model that the file is of, or the '
            'file that the model needs'
        )
    try:
        model.load_state_dict(dict(state))
    except RuntimeError as error:
        raise CheckpointError(
            f'the checkpoint {path} does not load into {name}: {error}'
        ) from error
    odd = {key for key, value in model.state_dict().items() if not value.isfinite().all()}
    if odd:
        raise CheckpointError(
            f'the checkpoint {path} {_named("has infinite or undefined numbers in", odd)}; fetch '
            'it again, or train it again'
        )


def read_state_dict(path: Path) -> StateDict:
    """Read tensors by name, running no code of the file.

    The tensors lie in the file, which is mapped; memory is taken only where they are copied.
    Around them, up to `_MAX_WRAPPERS` of the mappings in `_WRAPPERS` are taken off, and prefixes
    that all names share, as training scripts put them on; what lies beside them is left.

    Raises
    ------
    CheckpointError
        If it is not a whole file of tensors.

    """
    try:
        with open_ordinary(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            start = stream.read(64)
            if not start:
                raise CheckpointError('is empty; fetch it again')
            if size > MAX_CHECKPOINT_BYTES:
                raise CheckpointError(
                    f'has {size:,} bytes; at most {MAX_CHECKPOINT_BYTES:,} are accepted; save '
                    'its state dict alone'
                )
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
            if path.suffix == '.safetensors':
                loaded = _read_safetensors(mapped)
            else:
                loaded = _read_zip(stream, start, mapped)
        return _without_prefixes(_state_dict(loaded))
    except FileError as error:
        raise CheckpointError(f'the checkpoint {error}; give a file that can be read') from error
    except CheckpointError as error:
        raise CheckpointError(f'the checkpoint {path} {error}') from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f'the checkpoint {path} cannot be mapped: {error}') from error


def looks_like(state: StateDict) -> str | None:
    """Name the model that weights are of, by the sizes that tell them apart."""
    position = state.get('image_encoder.pos_embed')
    if position is not None and position.ndim:
        width = position.shape[-1]
        return _SAM1_BY_WIDTH.get(width, f'a SAM v1 model of width {width}')
    patch = state.get('image_encoder.trunk.patch_embed.proj.weight')
    if patch is not None and patch.ndim:
        prefix = 'image_encoder.trunk.blocks.'
        blocks = {key.split('.')[3] for key in state if key.startswith(prefix)}
        family = 'sam2.1' if 'no_obj_embed_spatial' in state else 'sam2'
        size = _SAM2_BY_WIDTH_AND_BLOCKS.get((patch.shape[0], len(blocks)))
        if size:
            return f'{family}_hiera_{size}'
        return f'a {family} model of width {patch.shape[0]} and {len(blocks)} blocks'
    if 'image_encoder.patch_embed.seq.0.c.weight' in state:
        return 'mobile_sam'
    return None


def _read_zip(stream: BinaryIO, start: bytes, mapped: mmap.mmap) -> Any:
    # Only the format of torch >= 1.6; the older ones are bare pickles.
    if not start.startswith(b'PK'):
        if start.lstrip().startswith(b'<'):
            raise CheckpointError('is a web page; fetch it again')
        raise CheckpointError(
            'is not a checkpoint as torch.save writes it; give the official file, or load yours '
            'where you trust it and save its state dict again'
        )
    archive = read_archive(stream)
    begin, length = archive.pickle
    loaded = walk_pickle(mapped[begin : begin + length])
    return _with_tensors(loaded, lambda stored: _tensor(mapped, stored, archive.storages))


def _with_tensors(loaded: Any, tensor: Callable[[StoredTensor], torch.Tensor]) -> Any:
    """Make the tensors of the mapping that holds the weights, and of no other."""
    for _ in range(_MAX_WRAPPERS):
        inner = _unwrapped(loaded)
        if inner is loaded:
            break
        loaded = inner
    if not isinstance(loaded, dict):
        return loaded
    return {
        key: tensor(value) if isinstance(value, StoredTensor) else value
        for key, value in loaded.items()
    }


def _unwrapped(loaded: Any) -> Any:
    if isinstance(loaded, dict):
        for name in _WRAPPERS:
            if isinstance(loaded.get(name), dict):
                return loaded[name]
    return loaded


def _tensor(
    mapped: mmap.mmap, stored: StoredTensor, storages: Mapping[str, tuple[int, int]]
) -> torch.Tensor:
    """Return the tensor, which shares the file's memory.

    One that claims more values than its storage has, by strides of 0 for instance, is refused.
    """
    if stored.key not in storages:
        raise CheckpointError(f'lacks the values {stored.key[:80]!r} of a tensor; fetch it again')
    begin, length = storages[stored.key]
    available, values = length // stored.dtype.itemsize, math.prod(stored.shape)
    steps = [
        (size - 1) * stride for size, stride in zip(stored.shape, stored.stride, strict=False)
    ]
    if (
        values > available
        or len(stored.shape) != len(stored.stride)
        or (values and stored.offset + sum(steps) >= available)
    ):
        raise CheckpointError(
            f'claims a tensor of {values:,} values, of shape {stored.shape} and stride '
            f'{stored.stride}, where it holds {available:,}; fetch it again, or save its state '
            'dict again'
        )
    if not values:
        return torch.empty(0, dtype=stored.dtype)
    flat = torch.frombuffer(mapped, dtype=stored.dtype, count=available, offset=begin)
    return flat.as_strided(stored.shape, stored.stride, stored.offset)


def _read_safetensors(mapped: mmap.mmap) -> Any:
    """Read the format of https://huggingface.co/docs/safetensors: a JSON header, then values."""
    length = int.from_bytes(mapped[:8], 'little')
    if length > min(MAX_HEADER_BYTES, len(mapped) - 8):
        raise CheckpointError(
            f'is damaged: it claims a header of {length:,} bytes, of {len(mapped):,} in all; at '
            f'most {MAX_HEADER_BYTES:,} are accepted; fetch it again'
        )
    try:
        header = json.loads(mapped[8 : 8 + length])
        loaded = {}
        for key, entry in header.items():
            if key != '__metadata__':
                begin, end = (_index(value) for value in entry['data_offsets'])
                shape = tuple(_index(value) for value in entry['shape'])
                if not begin <= end <= len(mapped) - 8 - length:
                    raise ValueError(f'{key[:80]!r} lies outside the file')
                stride = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
                stored = StoredTensor('', _SAFETENSORS[entry['dtype']], 0, shape, stride)
                span = {'': (8 + length + begin, end - begin)}
                loaded[key] = _tensor(mapped, stored, span)
        return loaded
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f'is damaged ({type(error).__name__}: {str(error)[:100]}); fetch it again'
        ) from error


def _index(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise ValueError('a size that is none')
    return value


def _state_dict(loaded: Any) -> dict[str, torch.Tensor]:
    if not isinstance(loaded, dict) or not loaded:
        kind = loaded.name if isinstance(loaded, Named) else type(loaded).__name__
        if isinstance(loaded, StoredTensor):
            kind = 'Tensor without a name'
        raise CheckpointError(
            f'holds a {kind}, not named weights; give a state dict, or one under '
            f'{", ".join(map(repr, _WRAPPERS))}'
        )
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            kind = value.name if isinstance(value, Named) else type(value).__name__
            raise CheckpointError(
                f'holds {str(key)[:80]!r}: {kind} among its weights, expected only tensors by '
                f"name; save the state dict alone, or as {{'model': state dict}}"
            )
    return loaded


def _without_prefixes(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    for _ in range(_MAX_WRAPPERS):
        prefix = next((one for one in _PREFIXES if all(key.startswith(one) for key in state)), '')
        if not prefix:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _named(verb: str, keys: set[str]) -> str:
    if not keys:
        return ''
    shown = ', '.join(sorted(keys)[:_SHOWN])
    more = f' and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
    return f'{verb} {shown}{more}'
