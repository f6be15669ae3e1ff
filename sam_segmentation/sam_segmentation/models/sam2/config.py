# SPDX-License-Identifier: Apache-2.0
"""A SAM 2 model from its config, which may come from anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import sam2
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch.overrides import TorchFunctionMode

from sam_common.errors import SamError
from sam_common.files import FileError, check_ordinary
from sam_common.plain_yaml import Plain, read_plain_yaml
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.checkpoints import given_path
from sam_segmentation.models.sam2.arguments import ARGUMENTS, NULLABLE, TARGETS, Layer

# The largest official model has 224 million values.
MAX_VALUES = 500_000_000
MAX_BLOCKS = 256
_SHOWN = 80
_SHORT_SIZES = {'tiny': 't', 'small': 's', 'base_plus': 'b+', 'large': 'l'}
_DECODER = 'sam_mask_decoder_extra_args'
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
        path = given_path(name, what='SAM 2 config')
        try:
            check_ordinary(path)
        except FileError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                error = FileError(f'{path} does not exist')
            raise CheckpointError(f'the SAM 2 config {error}; give an existing file') from error
        return path
    family, _, size = name.partition('_hiera_')
    configs = Path(sam2.__file__).parent / 'configs'
    return configs / family / f'{family}_hiera_{_SHORT_SIZES[size]}.yaml'


def build_model(path: Path) -> SAM2Base:
    """Make the model that a config describes, without weights.

    The config is read as plain data, and of what it asks for only the layers of `TARGETS` are
    made, with arguments within the bounds of `ARGUMENTS`. Hydra, by which the official builder
    reads configs, looks up and calls what a config names; it has no part in this.

    Raises
    ------
    CheckpointError
        If the file is no config, asks for anything else or for too much, or fits nothing.

    """
    try:
        config = read_plain_yaml(path)
    except SamError as error:
        raise CheckpointError(f'the SAM 2 config {error}') from error
    model = config.get('model') if isinstance(config, dict) else None
    if not isinstance(model, dict) or '_target_' not in model:
        raise CheckpointError(
            f"the SAM 2 config {path} describes no model; it needs a 'model' with a '_target_', "
            'as the configs inside the sam2 package have'
        )
    try:
        return _build_checked(model)
    except CheckpointError as error:
        raise CheckpointError(f'the SAM 2 config {path} {error}') from error


def _build_checked(model: dict[str, Plain]) -> SAM2Base:
    make = _maker(model, Layer((SAM2Base,)), 'model')
    try:
        with torch.device('meta'), _WithoutValues():
            values = _count_values(make())
        if values > MAX_VALUES:
            raise CheckpointError(
                f'makes a model of {values:,} values; at most {MAX_VALUES:,} are accepted'
            )
        built: SAM2Base = make()
    except CheckpointError:
        raise
    except Exception as error:
        # Whatever the layers say about arguments that do not go together.
        raise CheckpointError(
            f'does not fit sam2 ({type(error).__name__}: {str(error)[:200]})'
        ) from error
    if built.image_size % (2 * built.backbone_stride):
        raise CheckpointError(
            f'has the image_size {built.image_size}; give a multiple of '
            f'{2 * built.backbone_stride}'
        )
    return built


class _WithoutValues(TorchFunctionMode):
    """Lets the layers be made on torch's meta device, where a tensor has a size but no values."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.linspace:  # Hiera reads the shares of its blocks from it
            kwargs = {**(kwargs or {}), 'device': 'cpu'}
        if func is torch.Tensor.to:  # RoPEAttention moves its table to the GPU
            return args[0]
        return func(*args, **(kwargs or {}))


def _count_values(model: torch.nn.Module) -> int:
    tensors = [
        value
        for module in model.modules()
        for value in (*module._parameters.values(), *vars(module).values())
        if isinstance(value, torch.Tensor)
    ]
    return sum(value.numel() for value in (*tensors, *model.buffers()))


def _maker(node: Plain, rule: Layer, name: str) -> Callable[[], Any]:
    """Check a layer and all in it; return what makes it."""
    target = node.get('_target_') if isinstance(node, dict) else None
    if not isinstance(node, dict) or '_target_' not in node:
        raise CheckpointError(f'has the {name} {_shown(node)}; expected {rule}')
    layer = TARGETS.get(target) if isinstance(target, str) else None
    if layer is None or layer not in rule.classes:
        raise CheckpointError(f'has the _target_ {_shown(target)} as {name}; expected {rule}')
    arguments: dict[str, Any] = {}
    parts: dict[str, Callable[[], Any]] = {}
    for key, value in node.items():
        expected = ARGUMENTS.get(key)
        if isinstance(expected, Layer):
            parts[key] = _maker(value, expected, key)
        elif key == _DECODER and layer is SAM2Base:
            _check_decoder(value)
        elif key != '_target_':
            _check_value(key, value, f'{layer.__name__} ')
            arguments[key] = value
    if layer is SAM2Base:
        arguments[_DECODER] = dict(_DECODER_OPTIONS)
    # Only a help for torch.compile, which would fill a GPU with tables of any size.
    if layer.__name__ == 'PositionEmbeddingSine':
        arguments['warmup_cache'] = False
    blocks = arguments.get('stages', [])
    if sum(blocks) > MAX_BLOCKS:
        raise CheckpointError(f'has {sum(blocks):,} blocks; at most {MAX_BLOCKS} are accepted')
    return lambda: layer(**arguments, **{key: make() for key, make in parts.items()})


def _check_decoder(value: Plain) -> None:
    if value is not None and not isinstance(value, dict):
        raise CheckpointError(f'has the {_DECODER} {_shown(value)}; expected a mapping')
    for key, option in (value or {}).items():
        if key not in _DECODER_OPTIONS:
            raise CheckpointError(
                f'has {_shown(key)} in {_DECODER}; only {", ".join(_DECODER_OPTIONS)} are read'
            )
        _check_value(key, option, '')


def _check_value(key: str, value: Plain, where: str) -> None:
    rule = ARGUMENTS.get(key)
    if rule is None or isinstance(rule, Layer):
        raise CheckpointError(
            f'has {_shown(key)} in {where or "it"}, which is not read; leave it out'
        )
    if value is None and key in NULLABLE:
        return
    if not rule.fits(value):
        raise CheckpointError(f'has the {where}{key} {_shown(value)}; expected {rule}')


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}...'
