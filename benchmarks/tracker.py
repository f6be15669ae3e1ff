# SPDX-License-Identifier: Apache-2.0
"""The SAM 2 tracker's memory over a long stream, and its speed against the official predictor.

Random weights: neither depends on them.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

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
from report import Figure, at_most, write

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / 'sam_segmentation' / 'test'))

from small_models import write_small_sam2  # noqa: E402

from sam_segmentation import Prompt, Tracker, TrackerOptions, load_segmenter  # noqa: E402

OBJECTS = (1, 4, 8)
MEMORY_OBJECTS = 4
# Long enough that every window of the memory is full.
WARM_UP = 17
OFFICIAL_FRAMES = 100


def main() -> None:
    """Run the parts that were asked for."""
    parts = {'memory': memory, 'speed': speed}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', choices=parts, help='one part; else both')
    parser.add_argument('--frames', type=int, default=5000, help='length of the long stream')
    parser.add_argument('--repeats', type=int, default=15, help='how many steps a median is of')
    options = parser.parse_args()
    figures: list[Figure] = []
    for name, part in parts.items():
        if options.only in (None, name):
            print(f'tracker: {name} ...', flush=True)
            figures += part(options)
    write('tracker', figures)


def memory(options: argparse.Namespace) -> list[Figure]:
    """Tensors and RSS early and late in a stream, with objects corrected, removed and added."""
    early = options.frames // 10
    detail = f'frame {options.frames} over frame {early}, {MEMORY_OBJECTS} objects, 128 px model'
    with tempfile.TemporaryDirectory() as folder:
        config, checkpoint = write_small_sam2(Path(folder), image_size=128, embed_dim=24)
        segmenter = load_segmenter(str(config), checkpoint=checkpoint, device='cpu')
        predictor = official_predictor(segmenter._predictor.model, config)  # type: ignore[attr-defined]
        tracker = segmenter.make_tracker(TrackerOptions())
        frames = [frame(number, (160, 120)) for number in range(200)]
        held = {}
        for number in range(options.frames):
            tracker.step(frames[number % len(frames)])
            keep_busy(tracker, number)
            if number + 1 in (early, options.frames):
                held[number + 1] = tensor_bytes(), resident_bytes()
        tensors, resident = (held[options.frames][i] / held[early][i] for i in range(2))
        tracker.close()
        video = write_video(Path(folder) / 'video', frames[:OFFICIAL_FRAMES])
        with quiet():
            steps = propagate(predictor, video, MEMORY_OBJECTS)
            next(steps)
            before = tensor_bytes()
            for _ in range(OFFICIAL_FRAMES - 1):
                next(steps)
        growth = (tensor_bytes() - before) / (OFFICIAL_FRAMES - 1) / 1024
    megabytes = held[options.frames][1] / 2**20
    return [
        at_most('tensors held', tensors, 'x', 1.01, f'{detail}, all tensors of the process'),
        at_most('RSS', resident, 'x', 1.01, f'{detail}; {megabytes:.0f} MiB'),
        Figure('official growth', growth, 'KiB/frame', detail='same model, images not counted'),
    ]


def keep_busy(tracker: Tracker, number: int) -> None:
    """Add what is missing; correct an object now and then, and replace one."""
    ids = [one.object_id for one in tracker.objects]
    if number % 100 == 60 and ids:
        tracker.remove(ids.pop(0))
    while len(ids) < MEMORY_OBJECTS:
        x, y = CLICKS_XY[len(ids)]
        ids.append(tracker.add(Prompt(points_xy=[(x / 4, y / 4)], labels=[1])).object_id)
    if number % 50 == 20:
        tracker.add(Prompt(points_xy=[(40, 40)], labels=[1]), ids[0])


def tensor_bytes() -> int:
    """Return the memory that all tensors of this process hold [bytes]."""
    gc.collect()
    storages = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.Tensor):
            storage = thing.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def resident_bytes() -> int:
    """Return the memory that the process has in RAM [bytes]."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * 4096


def speed(options: argparse.Namespace) -> list[Figure]:
    """Our step and the official one in turn, on the same frames."""
    frames = [frame(number) for number in range(1 + WARM_UP + options.repeats)]
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        config, checkpoint = write_small_sam2(Path(folder), image_size=384, embed_dim=96)
        segmenter = load_segmenter(str(config), checkpoint=checkpoint, device='cpu')
        predictor = official_predictor(segmenter._predictor.model, config)  # type: ignore[attr-defined]
        video = write_video(Path(folder) / 'video', frames)
        prepare = statistics.median(preparation_ms(predictor, frames[0]) for _ in range(9))
        for count in OBJECTS:
            with quiet():
                theirs, ours = interleaved(predictor, video, segmenter, frames, count)
            figures += compared(f'{count} objects', theirs, ours, prepare)
    return figures


def interleaved(
    predictor: Any, video: str, segmenter: Any, frames: list[Any], count: int
) -> tuple[float, float]:
    """Return the medians of one official step and of one of ours [ms]."""
    tracker = segmenter.make_tracker(TrackerOptions())
    tracker.step(frames[0])
    for click_xy in CLICKS_XY[:count]:
        tracker.add(Prompt(points_xy=[click_xy], labels=[1]))
    steps = propagate(predictor, video, count)
    next(steps)
    theirs, ours = [], []
    for image in frames[1:]:
        begin = time.perf_counter()
        next(steps)
        middle = time.perf_counter()
        tracker.step(image)
        theirs.append((middle - begin) * 1e3)
        ours.append((time.perf_counter() - middle) * 1e3)
    return statistics.median(theirs[WARM_UP:]), statistics.median(ours[WARM_UP:])


def compared(name: str, theirs: float, ours: float, prepare: float) -> list[Figure]:
    """Return the ratio to the official step, with and without what its loader needs."""
    detail = (
        f'{ours:.0f} ms : {theirs:.0f} + {prepare:.0f} ms for the image, medians, interleaved, '
        f'384 px model, {SIZE_WH[0]} x {SIZE_WH[1]}'
    )
    return [
        at_most(f'step, {name}', ours / (theirs + prepare), 'x', 1.0, detail),
        Figure(f'step, {name}, their image free', ours / theirs, 'x'),
    ]


if __name__ == '__main__':
    main()
