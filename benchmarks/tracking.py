# SPDX-License-Identifier: Apache-2.0
"""How well trackers follow simulated objects that cross, hide, look alike, leave and return.

    PYTHONPATH=sam_segmentation:sam_simulation python benchmarks/tracking.py

Measures the default tracker on the held-out videos, which nothing is tuned on, once with a box and
once with a click on each object in the first frame. With a trained model (`--model`,
`--checkpoint`) its memory policies are compared on the same frames; `--seeds` measures other
videos, `--show` draws what was tracked.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from accuracy import CLICK, JITTER_PX, click_in, jittered_box
from report import Figure, write
from tqdm import tqdm

from sam_common.types import BoolArray, UInt8Array
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.tracked_mask import TrackedMask
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import MEMORY_POLICIES, TrackerOptions
from sam_segmentation.evaluation.video_metrics import (
    AccuracyMeter,
    IdSwitchMeter,
    Recovery,
    RecoveryMeter,
    VideoAccuracy,
    mean_accuracy,
)
from sam_segmentation.models.registry import DEFAULT_MODEL, load_segmenter, make_tracker
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.video.script import EventKind
from sam_simulation.video.video import VIDEO_DEVELOPMENT_SEEDS, VIDEO_HELD_OUT_SEEDS, Video

Key = tuple[str, str]  # a tracker's name, and what it is prompted with
SIZE_WH = (640, 480)
PROMPTS = ('box', 'click')
RECOVERED_WITHIN_FRAMES = 12  # one second
BACK_FROM_PX = 100
SHEET_TILES = 16


@dataclass(frozen=True)
class ObjectResult:
    """How one object was followed through one video."""

    kinds: frozenset[EventKind]
    accuracy: VideoAccuracy
    recovery: Recovery
    switches: int


class Run:
    """One tracker with one kind of prompt, on one video."""

    def __init__(self, tracker: Tracker, prompt: str, video: Video) -> None:
        self._tracker = tracker
        self._prompt = prompt
        self._video = video
        self._accuracy = {i: AccuracyMeter() for i in video.target_ids}
        self._recovery = {
            i: RecoveryMeter(within_frames=RECOVERED_WITHIN_FRAMES, min_area_px=BACK_FROM_PX)
            for i in video.target_ids
        }
        self._switches = IdSwitchMeter()
        self.step_s: list[float] = []
        self.pictures: list[UInt8Array] = []
        tracker.reset()

    def update(self, frame: RgbdFrame, *, show: bool) -> None:
        """Track the next frame and judge it; the first one is prompted."""
        first = not self._tracker.steps
        begin = time.perf_counter()
        found = self._tracker.step(frame.image_rgb)
        if first:
            found = [self._add(frame, object_id) for object_id in self._video.target_ids]
        else:
            self.step_s.append(time.perf_counter() - begin)
        masks = {item.object_id: item.mask & item.is_seen for item in found}
        truths = {object_id: frame.labels == object_id for object_id in masks}
        for object_id, mask in masks.items():
            self._accuracy[object_id].update(mask, truths[object_id])
            self._recovery[object_id].update(mask, truths[object_id])
        self._switches.update(masks, truths)
        if show:
            self.pictures.append(picture(frame, found, masks, truths.values()))

    def results(self) -> list[ObjectResult]:
        """Return one result per target."""
        return [
            ObjectResult(
                frozenset(e.kind for e in self._video.events if object_id in e.object_ids),
                self._accuracy[object_id].result(),
                self._recovery[object_id].result(),
                self._switches.switches.get(object_id, 0),
            )
            for object_id in self._video.target_ids
        ]

    def _add(self, frame: RgbdFrame, object_id: int) -> TrackedMask:
        truth = frame.labels == object_id
        rng = np.random.default_rng([self._video.seed, object_id])
        if self._prompt == 'box':
            prompt = Prompt(box_xyxy=jittered_box(truth, rng))
        else:
            prompt = Prompt([click_in(truth, rng)], [1])
        return self._tracker.add(prompt, new_id=object_id)


def picture(
    frame: RgbdFrame,
    found: list[TrackedMask],
    masks: dict[int, BoolArray],
    truths: Iterable[BoolArray],
) -> UInt8Array:
    """Return the frame with each object's mask and state, and the true outlines in white."""
    texts = [f'{item.object_id} {item.state.name.lower()}' for item in found]
    image = draw_overlay(frame.image_rgb, list(masks.values()), list(masks), texts=texts)
    for truth in truths:
        outlines, _ = cv2.findContours(
            truth.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        cv2.drawContours(image, outlines, -1, (255, 255, 255), 1)
    return image


def write_sheet(path: Path, pictures: list[UInt8Array]) -> None:
    """Write pictures as a sheet of four columns."""
    rows = [np.hstack(pictures[i : i + 4]) for i in range(0, len(pictures) - 3, 4)]
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


def measure(trackers: dict[Key, Tracker], seeds: range, show: Path | None) -> list[Figure]:
    """Run every tracker on every video, and return the figures."""
    results: dict[Key, list[ObjectResult]] = {key: [] for key in trackers}
    seconds: dict[Key, list[float]] = {key: [] for key in trackers}
    frame_count = 0
    for seed in tqdm(seeds, unit='video'):
        video = Video(seed)
        frame_count += len(video)
        shown = set(np.linspace(0, len(video) - 1, SHEET_TILES).astype(int)) if show else set()
        runs = {key: Run(tracker, key[1], video) for key, tracker in trackers.items()}
        for index, frame in enumerate(video.frames(SIZE_WH)):
            for run in runs.values():
                run.update(frame, show=index in shown)
        for (name, prompt), run in runs.items():
            results[name, prompt] += run.results()
            seconds[name, prompt] += run.step_s
            if show:
                write_sheet(show / f'{seed}_{name}_{prompt}.png', run.pictures)
    where = f'{frame_count} frames of {SIZE_WH[0]}x{SIZE_WH[1]} in {len(seeds)} videos'
    return [
        figure
        for name, prompt in trackers
        for figure in figures_of(
            f'{name} by {prompt}', results[name, prompt], seconds[name, prompt], prompt, where
        )
    ]


def figures_of(
    name: str, results: list[ObjectResult], step_s: list[float], prompt: str, where: str
) -> list[Figure]:
    """Return the figures of one tracker with one kind of prompt."""
    accuracy = mean_accuracy(item.accuracy for item in results)
    recovery = sum((item.recovery for item in results), Recovery(0, 0))
    hint = f'each edge moved by up to {JITTER_PX:g} px' if prompt == 'box' else CLICK
    figures = [
        Figure(
            f'J&F, {name}',
            accuracy.region_and_boundary,
            '',
            detail=f'{len(results)} objects, {where}; prompted once, on the first frame: {hint}',
        ),
        Figure(f'J, {name}', accuracy.region, ''),
        Figure(f'F, {name}', accuracy.boundary, '', detail='tolerance 0.008 of the diagonal'),
        Figure(f'id switches, {name}', sum(item.switches for item in results), ''),
        Figure(
            f'occlusion recovery, {name}',
            recovery.rate,
            '',
            detail=f'{recovery.recovered} of {recovery.events} times that an object was wholly '
            f'hidden or out of the image, its id is on it again (IoU >= 0.5) within '
            f'{RECOVERED_WITHIN_FRAMES} frames of its being back',
        ),
        Figure(
            f'ms per frame, {name}',
            float(np.median(step_s) * 1e3),
            'ms',
            detail=f'median; 2 to 4 objects, p95 {np.percentile(step_s, 95) * 1e3:.0f} ms',
        ),
    ]
    for kind in EventKind:
        mine = [item for item in results if kind in item.kinds]
        if not mine:
            continue
        recovery = sum((item.recovery for item in mine), Recovery(0, 0))
        figures.append(
            Figure(
                f'J&F of {kind.value}, {name}',
                mean_accuracy(item.accuracy for item in mine).region_and_boundary,
                '',
                detail=f'{len(mine)} objects, {sum(item.switches for item in mine)} id switches, '
                f'{recovery.recovered} of {recovery.events} recovered',
            )
        )
    return figures


def make_trackers(options: argparse.Namespace) -> dict[Key, Tracker]:
    """Return the trackers to measure; those of one model share it."""
    default = load_segmenter(DEFAULT_MODEL)
    trackers = {
        (DEFAULT_MODEL, prompt): make_tracker(default, TrackerOptions()) for prompt in PROMPTS
    }
    if not options.model:
        print(
            'no trained model was given (--model, --checkpoint): only the default tracker is '
            f'measured, {" and ".join(MEMORY_POLICIES)} are not compared'
        )
        return trackers
    model = load_segmenter(options.model, checkpoint=options.checkpoint, device=options.device)
    for memory in options.memory:
        for prompt in PROMPTS:
            tracker = make_tracker(model, TrackerOptions(memory=memory))
            trackers[f'{Path(options.model).name} {memory}', prompt] = tracker
    return trackers


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--model', help='a model with a memory, beside the default tracker')
    parser.add_argument('--checkpoint', type=Path, help='its weights')
    parser.add_argument('--device', default='auto', help='where it runs')
    parser.add_argument(
        '--memory', nargs='+', choices=MEMORY_POLICIES, default=list(MEMORY_POLICIES)
    )
    parser.add_argument(
        '--seeds',
        nargs=2,
        type=int,
        metavar=('FIRST', 'END'),
        help='measure these development videos instead, and write no report',
    )
    parser.add_argument('--show', type=Path, metavar='DIR', help='write sheets of overlays there')
    options = parser.parse_args()
    # One core, so that the times can be compared.
    cv2.setNumThreads(1)
    trackers = make_trackers(options)
    if options.seeds:
        seeds = VIDEO_DEVELOPMENT_SEEDS[slice(*options.seeds)]
        figures = measure(trackers, seeds, options.show)
        width = max(len(figure.name) for figure in figures)
        for figure in figures:
            print(f'  {figure.name:<{width}} {figure.value:8.4f} {figure.unit:<3} {figure.detail}')
    else:
        held_out = range(VIDEO_HELD_OUT_SEEDS.start, VIDEO_HELD_OUT_SEEDS.stop)
        write('tracking', measure(trackers, held_out, options.show))


if __name__ == '__main__':
    main()
