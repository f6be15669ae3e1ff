# SPDX-License-Identifier: Apache-2.0
"""Weights from a file that nobody vouches for."""

from __future__ import annotations

import importlib.util
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from sam_segmentation.core.errors import CheckpointError

_SAM1_BY_WIDTH = {768: 'sam_vit_b', 1024: 'sam_vit_l', 1280: 'sam_vit_h'}
_SAM2_BY_WIDTH_AND_BLOCKS = {
    (96, 12): 'tiny',
    (96, 16): 'small',
    (112, 24): 'base_plus',
    (144, 48): 'large',
}
_SHOWN = 3

StateDict = Mapping[str, torch.Tensor]


def load_weights(model: torch.nn.Module, path: Path, *, name: str) -> None:
    """Fill a model from a checkpoint.

    Parameters
    ----------
    model : torch.nn.Module
    path : path
        A bare state dict or {'model': state dict}, as torch.save wrote it, or .safetensors.
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
    problems = [
        _named('lacks', shapes.keys() - given.keys()),
        _named('has besides', given.keys() - shapes.keys()),
        _named(
            'has of another shape',
            {key for key in shapes.keys() & given.keys() if shapes[key] != given[key]},
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


def read_state_dict(path: Path) -> StateDict:
    """Read tensors by name, running no code of the file.

    Raises
    ------
    CheckpointError
        If it is not a whole file of nothing but tensors.

    """
    try:
        with path.open('rb') as stream:
            start = stream.read(64)
    except OSError as error:
        raise CheckpointError(
            f'the checkpoint {path} cannot be read: {error.strerror}; give a file that can'
        ) from error
    if not start:
        raise CheckpointError(f'the checkpoint {path} is empty; fetch it again')
    loaded = _read_safetensors(path) if path.suffix == '.safetensors' else _read_zip(path, start)
    if isinstance(loaded, dict) and isinstance(loaded.get('model'), dict):
        loaded = loaded['model']
    if not isinstance(loaded, dict) or not loaded:
        raise CheckpointError(
            f'the checkpoint {path} holds a {type(loaded).__name__}, not named weights; give a '
            "state dict or {'model': state dict}"
        )
    for key, value in loaded.items():
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise CheckpointError(
                f'the checkpoint {path} holds {key!r}: {type(value).__name__} among its weights, '
                'expected only tensors by name; save the state dict alone'
            )
    return loaded


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


def _read_zip(path: Path, start: bytes) -> Any:
    # Only the format of torch >= 1.6. Of the older ones, some versions of torch run code of the
    # file even with weights_only (CVE-2025-32434), and no official checkpoint has them.
    if not zipfile.is_zipfile(path):
        if start.startswith(b'PK'):
            raise CheckpointError(f'the checkpoint {path} is truncated; fetch it again')
        if start.lstrip().startswith(b'<'):
            raise CheckpointError(f'the checkpoint {path} is a web page; fetch it again')
        raise CheckpointError(
            f'the checkpoint {path} is not a checkpoint as torch.save writes it; give the '
            'official file, or load yours where you trust it and save its state dict again'
        )
    try:
        return torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f'the checkpoint {path} holds more than tensors, which could run code, so it was not '
            f'read ({_first_line(error)}); give the official file, or load yours where you trust '
            'it and save its state dict again'
        ) from error
    except Exception as error:
        # Whatever a reader stumbles over in bytes that anybody may have written.
        raise CheckpointError(
            f'the checkpoint {path} is damaged ({type(error).__name__}: {_first_line(error)}); '
            'fetch it again'
        ) from error


def _read_safetensors(path: Path) -> Any:
    if importlib.util.find_spec('safetensors') is None:
        raise CheckpointError(
            f'the checkpoint {path} needs a package; type: python3 -m pip install safetensors'
        )
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path, device='cpu')
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f'the checkpoint {path} is damaged ({_first_line(error)}); fetch it again'
        ) from error


def _named(verb: str, keys: set[str]) -> str:
    if not keys:
        return ''
    shown = ', '.join(sorted(keys)[:_SHOWN])
    more = f' and {len(keys) - _SHOWN} more' if len(keys) > _SHOWN else ''
    return f'{verb} {shown}{more}'


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), '')
