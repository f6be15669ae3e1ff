# SPDX-License-Identifier: Apache-2.0
"""One run of `track_video`: from an input and a prompt file to a folder of results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import FIFO, MAX_OBJECTS, TrackerOptions
from sam_segmentation.models.catalogue import CATALOGUE
from sam_segmentation.models.checkpoints import file_digest, resolve_checkpoint, sha256_of
from sam_segmentation.models.registry import DEFAULT_MODEL, find_model, load_tracker
from sam_segmentation.offline.composing import PNG, States, compose
from sam_segmentation.offline.inputs import open_input
from sam_segmentation.offline.pass_store import PassStore
from sam_segmentation.offline.passes import BOTH, labels_of, plan_passes
from sam_segmentation.offline.prompt_file import read_prompt_file
from sam_segmentation.offline.propagation import run_pass
from sam_segmentation.offline.run_folder import digest_of_input, run_folder

# Raised when the same input would give other results, or what is stored looks different.
_FORMAT = 1
_MAX_SHOWN = 10

SKIP, STOP = 'skip', 'stop'

# `bar(what, total)` gives a function that takes how many more frames are done.
Bar = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the user decides.

    Parameters
    ----------
    source, prompts, output : path
        The video, the prompt file, the folder for the results.
    model, device : str
    checkpoint : path or None
        As `load_tracker` takes them.
    memory : str
    refine_rounds : int
        As `TrackerOptions` takes them.
    topic : str
        Of a bag; empty: its only one with colour images.
    direction : str
        BOTH, FORWARD or BACKWARD.
    masks : str
        PNG, RLE or COCO.
    overlay : bool
        Whether to make a video.
    on_bad_frame : str
        SKIP or STOP: what happens at a frame that is damaged.
    force : bool
        Whether another run's results in the output folder may go.
    snapshot_every : int
        Frames between two stored states of the tracker.

    """

    source: Path
    prompts: Path
    output: Path
    model: str = DEFAULT_MODEL
    checkpoint: Path | None = None
    device: str = 'auto'
    memory: str = FIFO
    refine_rounds: int = 0
    topic: str = ''
    direction: str = BOTH
    masks: str = PNG
    overlay: bool = True
    on_bad_frame: str = SKIP
    force: bool = False
    snapshot_every: int = 50


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Parameters
    ----------
    frames : int
        Of the input.
    tracked, reused : int
        Frames that the tracker stepped through in this run, in all passes, and those whose
        results were there already.
    states : dict of int to Counter
        In how many frames each object was in which state.
    labels : dict of int to str
        What the objects are called.
    note : str
        What the user should know of the input; '' if nothing.

    """

    frames: int
    tracked: int
    reused: int
    states: States
    labels: dict[int, str]
    note: str


def run(settings: Settings, bar: Bar) -> Summary:
    """Track what the prompt file names through a video, going on from an interrupted run.

    Raises
    ------
    SamError
        If something cannot be used; says what and how to mend it.
    OSError
        If the disk is full, or a file cannot be read or written.

    """
    options = TrackerOptions(
        memory=settings.memory, refine_rounds=settings.refine_rounds, max_objects=MAX_OBJECTS
    )
    model = find_model(settings.model).name
    entries = read_prompt_file(settings.prompts)
    labels = labels_of(entries)
    source = open_input(settings.source, topic=settings.topic)
    plans = plan_passes(
        entries, count=source.count, size_wh=source.size_wh, direction=settings.direction
    )
    about: dict[str, Any] = {
        'format': _FORMAT,
        'input': digest_of_input(source),
        'topic': settings.topic,
        'model': Path(model).name,
        'weights': _weights(model, settings.checkpoint),
        'memory': settings.memory,
        'refine_rounds': settings.refine_rounds,
        'snapshot_every': settings.snapshot_every,
    }

    @cache
    def get_tracker() -> Tracker:
        return load_tracker(
            settings.model,
            checkpoint=settings.checkpoint,
            device=settings.device,
            options=options,
        )

    with run_folder(settings.output, about, force=settings.force) as work:
        base = hashlib.sha256(json.dumps(about).encode()).hexdigest()
        stores = [
            PassStore(work / plan.direction, plan, length=settings.snapshot_every, base=base)
            for plan in plans
        ]
        tracked = 0
        for store in stores:
            with bar(store.plan.direction, store.frames) as progress:
                tracked += run_pass(
                    source,
                    store,
                    get_tracker,
                    progress,
                    skips_bad=settings.on_bad_frame == SKIP,
                )
        with bar('writing', source.count) as progress:
            states, skipped = compose(
                source,
                stores,
                settings.output,
                model=Path(model).name,
                labels=labels,
                masks=settings.masks,
                overlay=settings.overlay,
                progress=progress,
            )
    reused = sum(store.frames for store in stores) - tracked
    notes = [source.note] if source.note else []
    if skipped:
        shown = ', '.join(map(str, skipped[:_MAX_SHOWN]))
        more = ', ...' if len(skipped) > _MAX_SHOWN else ''
        notes.append(f'{len(skipped)} damaged frame(s) were skipped: {shown}{more}')
    return Summary(source.count, tracked, reused, states, labels, '; '.join(notes))


def _weights(model: str, checkpoint: Path | None) -> list[str]:
    """Return the digests of all files that make the model what it is."""
    files = []
    if checkpoint is not None or model in CATALOGUE:
        files.append(file_digest(resolve_checkpoint(model, checkpoint)))
    if model.endswith(('.yaml', '.yml')):
        try:
            files.append(sha256_of(Path(model)))
        except OSError as error:
            raise CheckpointError(
                f'the config {model} cannot be read: {error.strerror}; give an existing file'
            ) from error
    return files
