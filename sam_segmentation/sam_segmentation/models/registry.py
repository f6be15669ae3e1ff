# SPDX-License-Identifier: Apache-2.0
"""Every model by name. A backend is imported only when one of its models is made."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from sam_common.plugins import Plugin, Plugins
from sam_segmentation.core.errors import UnknownModelError
from sam_segmentation.core.segmenter import Segmenter
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions

SAM1_SIZES = ('h', 'l', 'b')
SAM2_SIZES = ('tiny', 'small', 'base_plus', 'large')
DEFAULT_MODEL = 'grabcut'


_models = Plugins('model', 'sam_segmentation.models', Segmenter, UnknownModelError)


def register(name: str, loader: str, *, aliases: tuple[str, ...] = ()) -> None:
    """Register a model of this package; others add theirs by entry points (docs/extending.md).

    Parameters
    ----------
    name : str
        Canonical name.
    loader : str
        'module:function'; called as `function(name, checkpoint=, device=)`, returns a Segmenter.
    aliases : tuple of str

    Raises
    ------
    ValueError
        If one of the names is taken.

    """
    _models.register(name, loader, aliases=aliases)


def model_names() -> list[str]:
    """Return the canonical names of all models, with those of other packages.

    Examples
    --------
    >>> 'grabcut' in model_names()
    True

    """
    return _models.names()


def find_model(name: str) -> Plugin:
    """Return the model of this name or alias.

    Raises
    ------
    UnknownModelError
        If there is none; lists those known.
    PluginError
        If more than one package offers it.

    """
    if not isinstance(name, str):
        raise UnknownModelError(f'the model is {name!r:.100}; give its name, a text')
    if name.endswith(('.yaml', '.yml')):
        return Plugin(name, 'sam_segmentation.models.sam2.segmenter:load', 'sam_segmentation')
    return _models.find(name, ', or the path of a SAM 2 config (.yaml)')


def load_segmenter(
    name: str = DEFAULT_MODEL, *, checkpoint: str | Path | None = None, device: str = 'auto'
) -> Segmenter:
    """Make a model ready to segment.

    Parameters
    ----------
    name : str
        A registered name or alias, or the path of a SAM 2 config.
    checkpoint : path or None
        File with the weights; None: where `download` puts this model's.
    device : str
        'auto' (CUDA where there is one), 'cpu', 'cuda', 'cuda:1'.

    Raises
    ------
    UnknownModelError, PluginError, CheckpointError, DeviceError
        Each says what to do.

    Examples
    --------
    >>> segmenter = load_segmenter('grabcut')
    >>> segmenter.name, segmenter.device
    ('grabcut', 'cpu')

    """
    model = find_model(name)
    segmenter: Segmenter = _models.make(
        model, model.name, checkpoint=Path(checkpoint) if checkpoint else None, device=device
    )
    return segmenter


def load_tracker(
    name: str = DEFAULT_MODEL,
    *,
    checkpoint: str | Path | None = None,
    device: str = 'auto',
    options: TrackerOptions | None = None,
) -> Tracker:
    """Make a model ready to track; the parameters and errors are those of `load_segmenter`.

    Parameters
    ----------
    options : TrackerOptions or None
        How to track; None: the defaults.

    Examples
    --------
    >>> load_tracker('grabcut', options=TrackerOptions(max_objects=4)).options.max_objects
    4

    """
    segmenter = load_segmenter(name, checkpoint=checkpoint, device=device)
    return make_tracker(segmenter, options or TrackerOptions())


def make_tracker(segmenter: Segmenter, options: TrackerOptions) -> Tracker:
    """Return a model's own tracker; of one without a memory, one that follows by optical flow.

    Model and tracker share the network: neither runs while the other does.
    """
    if (own := segmenter.make_tracker(options)) is not None:
        return own
    module = import_module('sam_segmentation.models.optical_flow.tracker')
    tracker: Tracker = module.FlowTracker(segmenter, options=options)
    return tracker


register('grabcut', 'sam_segmentation.models.grabcut.segmenter:load')
for _size in SAM1_SIZES:
    register(f'sam_vit_{_size}', 'sam_segmentation.models.sam1:load', aliases=(f'vit_{_size}',))
for _family in ('sam2', 'sam2.1'):
    for _size in SAM2_SIZES:
        register(f'{_family}_hiera_{_size}', 'sam_segmentation.models.sam2.segmenter:load')
