# SPDX-License-Identifier: Apache-2.0
"""A SAM 2 model from its config, which may come from anywhere."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import sam2
import torch
import yaml
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from sam2.modeling.sam2_base import SAM2Base

from sam_segmentation.core.errors import CheckpointError

_ALLOWED = ('sam2.', 'torch.nn.')
_SHORT_SIZES = {'tiny': 't', 'small': 's', 'base_plus': 'b+', 'large': 'l'}
# What the official build_sam2 adds to each config: where a single mask is not stable, the best
# of the three takes its place.
_DECODER_OPTIONS = {
    'dynamic_multimask_via_stability': True,
    'dynamic_multimask_stability_delta': 0.05,
    'dynamic_multimask_stability_thresh': 0.98,
}


def config_path(name: str) -> Path:
    """Return the config of an official model name, or the path that the name is.

    Raises
    ------
    CheckpointError
        If there is no such file.

    """
    if name.endswith(('.yaml', '.yml')):
        path = Path(name).expanduser()
        if not path.is_file():
            raise CheckpointError(f'the SAM 2 config {path} does not exist; give an existing file')
        return path
    family, _, size = name.partition('_hiera_')
    configs = Path(sam2.__file__).parent / 'configs'
    return configs / family / f'{family}_hiera_{_SHORT_SIZES[size]}.yaml'


def build_model(path: Path) -> SAM2Base:
    """Make the model that a config describes, without weights.

    Hydra's global state, which the official builder needs, stays as it is.

    Raises
    ------
    CheckpointError
        If the file is no config, asks for anything but layers of sam2 or torch, or fits nothing.

    """
    try:
        config = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    except (
        OSError,
        UnicodeError,
        RecursionError,
        yaml.YAMLError,
        OmegaConfBaseException,
    ) as error:
        raise CheckpointError(f'the SAM 2 config {path} cannot be read: {error}') from error
    model = config.get('model') if isinstance(config, dict) else None
    if not isinstance(model, dict) or '_target_' not in model:
        raise CheckpointError(
            f"the SAM 2 config {path} describes no model; it needs a 'model' with a '_target_', "
            'as the configs inside the sam2 package have'
        )
    _check(model, path)
    options = model.get('sam_mask_decoder_extra_args') or {}
    model['sam_mask_decoder_extra_args'] = {**options, **_DECODER_OPTIONS}
    try:
        built = instantiate(model, _recursive_=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise CheckpointError(f'the SAM 2 config {path} does not fit sam2: {error}') from error
    if not isinstance(built, SAM2Base):
        raise CheckpointError(
            f'the SAM 2 config {path} makes a {type(built).__name__}; its model has to be a '
            'sam2.modeling.sam2_base.SAM2Base'
        )
    if built.image_size % (2 * built.backbone_stride):
        raise CheckpointError(
            f'the SAM 2 config {path} has the image_size {built.image_size}; give a multiple of '
            f'{2 * built.backbone_stride}'
        )
    return built


def _check(node: Any, path: Path) -> None:
    if isinstance(node, list):
        for value in node:
            _check(value, path)
    if not isinstance(node, dict):
        return
    if node.get('weights_path') is not None:
        # Hiera would read it by a bare torch.load, which may run its code.
        raise CheckpointError(
            f'the SAM 2 config {path} has the weights_path {node["weights_path"]!r}, which is not '
            'read; give the weights as the checkpoint'
        )
    if '_target_' in node:
        _check_target(node['_target_'], path)
    for value in node.values():
        _check(value, path)


def _check_target(target: Any, path: Path) -> None:
    """Allow layers only: a bare prefix would let `sam2.build_sam.os.system` pass."""
    layer = None
    if isinstance(target, str) and target.startswith(_ALLOWED):
        module, _, name = target.rpartition('.')
        try:
            layer = getattr(import_module(module), name, None)
        except ImportError:
            layer = None
    if (
        not isinstance(layer, type)
        or not issubclass(layer, torch.nn.Module)
        or not f'{layer.__module__}.'.startswith(_ALLOWED)
    ):
        raise CheckpointError(
            f'the SAM 2 config {path} has the _target_ {target!r}; only layers of '
            f'{" and ".join(prefix + "*" for prefix in _ALLOWED)} are made'
        )
