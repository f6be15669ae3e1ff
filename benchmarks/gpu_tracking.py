# SPDX-License-Identifier: Apache-2.0
"""Tracking with SAM 2.1 at its official sizes: frames per second, and against the official one."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from official_video import (
    CLICKS_XY,
    SIZE_WH,
    frame,
    official_predictor,
    preparation_ms,
    propagate,
    quiet,
    write_video,
)
from report import Figure, at_most

from sam_segmentation import Prompt, Segmenter, Tracker, TrackerOptions

FPS_OBJECTS = (1, 5, 10, 20)
# How many objects against the official predictor, and the goal for each.
RATIO_OBJECTS = {1: 1.0, 4: 0.6, 8: 0.5}
# Long enough that every window of the memory is full.
WARM_UP = 17


def track(
    name: str,
    segmenter: Segmenter,
    config: Path,
    *,
    device: torch.device,
    repeats: int,
    most_objects: int,
    compiled: bool,
) -> list[Figure]:
    """Measure a model that is loaded; its image encoder is compiled last, if at all."""
    frames = [frame(number) for number in range(1 + WARM_UP + repeats)]
    figures = []
    for precision in ('fp32', 'bf16'):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == 'bf16'):
            figures += speeds(f'{name} track {precision}', segmenter, frames, device, most_objects)
            figures += ratios(
                f'{name} track {precision}', segmenter, config, frames, device, most_objects
            )
    if compiled:
        encoder = segmenter._predictor.model.image_encoder  # type: ignore[attr-defined]
        encoder.forward = torch.compile(encoder.forward, mode='max-autotune-no-cudagraphs')
        with torch.autocast(device.type, torch.bfloat16):
            figures += speeds(
                f'{name} track bf16 compiled', segmenter, frames, device, most_objects
            )
    return figures


def speeds(
    name: str, segmenter: Segmenter, frames: list[Any], device: torch.device, most_objects: int
) -> list[Figure]:
    """Return frames per second for several numbers of objects."""
    figures = []
    for count in _up_to(most_objects, FPS_OBJECTS):
        tracker = started(segmenter, frames[0], count)
        times = [timed_ms(device, tracker.step, image) for image in frames[1:]]
        tracker.reset()
        rate = 1e3 / statistics.median(times[WARM_UP:])
        detail = f'{SIZE_WH[0]} x {SIZE_WH[1]}, masks on the host'
        figures.append(Figure(f'{name}, {count} objects', rate, 'frames/s', detail=detail))
    return figures


def ratios(
    name: str,
    segmenter: Segmenter,
    config: Path,
    frames: list[Any],
    device: torch.device,
    most_objects: int,
) -> list[Figure]:
    """Return our step over the official one, in turn on the same frames."""
    figures = []
    with tempfile.TemporaryDirectory() as folder, quiet():
        video = write_video(Path(folder), frames)
        predictor = official_predictor(segmenter._predictor.model, config)  # type: ignore[attr-defined]
        prepare = statistics.median(preparation_ms(predictor, frames[0]) for _ in range(9))
        for count in _up_to(most_objects, tuple(RATIO_OBJECTS)):
            tracker = started(segmenter, frames[0], count)
            steps = propagate(predictor, video, count)
            next(steps)
            ours, theirs = [], []
            for image in frames[1:]:
                theirs.append(timed_ms(device, next, steps))
                ours.append(timed_ms(device, tracker.step, image))
            tracker.reset()
            official, own = (statistics.median(times[WARM_UP:]) for times in (theirs, ours))
            detail = f'{own:.1f} ms : {official:.1f} + {prepare:.1f} ms for the image, interleaved'
            figures.append(
                at_most(
                    f'{name} / official, {count} objects',
                    own / (official + prepare),
                    'x',
                    RATIO_OBJECTS[count],
                    detail,
                )
            )
    return figures


def started(segmenter: Segmenter, image: Any, count: int) -> Tracker:
    """Return a tracker with so many objects on its first frame."""
    tracker = segmenter.make_tracker(TrackerOptions())
    tracker.step(image)
    for number in range(count):
        click_xy = np.array(CLICKS_XY[number % len(CLICKS_XY)]) + 5 * (number // len(CLICKS_XY))
        tracker.add(Prompt(points_xy=[click_xy], labels=[1]))
    return tracker


def timed_ms(device: torch.device, call: Callable[..., object], *values: object) -> float:
    """Return the duration of a call [ms], the device's work included."""
    _synchronize(device)
    begin = time.perf_counter()
    call(*values)
    _synchronize(device)
    return (time.perf_counter() - begin) * 1e3


def _synchronize(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _up_to(most: int, counts: Sequence[int]) -> list[int]:
    return [count for count in counts if count <= most]
