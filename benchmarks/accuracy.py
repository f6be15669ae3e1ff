# SPDX-License-Identifier: Apache-2.0
r"""How well grabcut segments simulated objects, by click and by box, against the ground truth.

    PYTHONPATH=sam_common:sam_segmentation:sam_grasping:sam_simulation \
        python benchmarks/accuracy.py

Measures the held-out scenes, which nothing is tuned on; `--development` measures the others.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import cv2
import numpy as np
from report import Figure, at_least, write

from sam_common.masks import mask_to_box
from sam_common.scored_mask import ScoredMask
from sam_common.types import BoolArray, FloatArray
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.evaluation.mask_metrics import boundary_f1, mask_iou
from sam_segmentation.models.registry import load_segmenter
from sam_simulation.camera.dataset import DEVELOPMENT_SEEDS, HELD_OUT_SEEDS, frames

MIN_OBJECT_PX = 400
JITTER_PX = 3.0
TOLERANCE_PX = 2.0
CLICK_DEPTH = 0.35
FOUND_IOU = 0.5
CLICK = (
    'a random pixel whose distance to the border is at least 0.35 of the largest in the object, '
    'and at least 2 px where it is that thick'
)


@dataclass(frozen=True, eq=False)
class Trial:
    """One object, prompted in one way."""

    class_name: str
    prompt: str
    iou: float
    best_iou: float
    score: float
    boundary: float
    seconds: float


def click_in(mask: BoolArray, rng: np.random.Generator) -> tuple[int, int]:
    """Return a random pixel (x, y) of a mask that is not near its border, as CLICK says."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    deepest = float(depth.max())
    least = min(deepest, max(2.0, CLICK_DEPTH * deepest))
    rows, columns = np.nonzero(depth >= least)
    index = int(rng.integers(len(rows)))
    return int(columns[index]), int(rows[index])


def jittered_box(mask: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Return a mask's box with every edge moved by a uniform amount of up to JITTER_PX."""
    return np.asarray(mask_to_box(mask) + rng.uniform(-JITTER_PX, JITTER_PX, 4))


def try_prompt(
    segmenter: Segmenter,
    embedding: Embedding,
    prompt: Prompt,
    truth: BoolArray,
    names: tuple[str, str],
) -> Trial:
    """Return how well one prompt is answered, and how long that took."""
    begin = time.perf_counter()
    answer = segmenter.segment(embedding, prompt)[0]
    seconds = time.perf_counter() - begin
    candidates = segmenter.segment(embedding, prompt, multimask=True)
    return Trial(
        *names,
        mask_iou(answer.mask, truth),
        max(mask_iou(candidate.mask, truth) for candidate in candidates),
        answer.score,
        boundary_f1(answer.mask, truth, TOLERANCE_PX),
        seconds,
    )


def rank_correlation(first: list[float], second: list[float]) -> float:
    """Return Spearman's rank correlation, ties ranked by their mean."""
    ranks = []
    for values in (first, second):
        _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[inverse])
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def share_found(found: list[ScoredMask], truths: list[BoolArray]) -> float:
    """Return the share of objects that some mask covers with at least FOUND_IOU."""
    best = [max((mask_iou(item.mask, truth) for item in found), default=0.0) for truth in truths]
    return float(np.mean(np.array(best) >= FOUND_IOU))


def measure(seeds: range) -> list[Figure]:
    """Run all prompts on all scenes, print the classes, and return the figures."""
    segmenter = load_segmenter('grabcut')
    trials: list[Trial] = []
    embed_s, everything_s, recalls, counts = [], [], [], []
    for scene, frame in frames(seeds):
        begin = time.perf_counter()
        embedding = segmenter.embed(frame.image_rgb)
        embed_s.append(time.perf_counter() - begin)
        truths = []
        for item in scene.objects:
            truth = frame.labels == item.id
            if np.count_nonzero(truth) < MIN_OBJECT_PX:
                continue
            truths.append(truth)
            rng = np.random.default_rng([scene.seed, item.id])
            prompts = {
                'click': Prompt([click_in(truth, rng)], [1]),
                'box': Prompt(box_xyxy=jittered_box(truth, rng)),
            }
            for kind, prompt in prompts.items():
                names = item.class_name, kind
                trials.append(try_prompt(segmenter, embedding, prompt, truth, names))
        begin = time.perf_counter()
        found = segmenter.segment_everything(embedding, EverythingOptions())
        everything_s.append(time.perf_counter() - begin)
        recalls.append(share_found(found, truths))
        counts.append(len(found) / max(1, len(truths)))
    by_kind = {kind: [t for t in trials if t.prompt == kind] for kind in ('click', 'box')}
    print_classes(by_kind)
    figures = []
    for kind, goal, detail in (
        ('click', 0.8, f'one click each: {CLICK}'),
        ('box', 0.92, f'each edge moved by up to {JITTER_PX:g} px'),
    ):
        mine = by_kind[kind]
        ious = [trial.iou for trial in mine]
        scores = [trial.score for trial in mine]
        where = f'{len(mine)} objects of at least {MIN_OBJECT_PX} px in {len(seeds)} scenes'
        figures += [
            at_least(f'mIoU by {kind}', float(np.mean(ious)), '', goal, f'{where}; {detail}'),
            Figure(f'median IoU by {kind}', float(np.median(ious)), ''),
            Figure(
                f'boundary F1 by {kind}',
                float(np.mean([trial.boundary for trial in mine])),
                '',
                detail=f'tolerance {TOLERANCE_PX:g} px',
            ),
            Figure(
                f'score correlation by {kind}',
                rank_correlation(scores, ious),
                '',
                detail="Spearman's, between score and IoU",
            ),
            Figure(
                f'score error by {kind}',
                float(np.mean(np.abs(np.array(scores) - ious))),
                '',
                detail='mean of |score - IoU|',
            ),
            Figure(f'ms per {kind}', float(np.median([t.seconds for t in mine]) * 1e3), 'ms'),
        ]
    best = float(np.mean([trial.best_iou for trial in by_kind['click']]))
    figures += [
        Figure('mIoU of the best candidate', best, '', detail='multimask, by click'),
        Figure('ms to embed', float(np.median(embed_s) * 1e3), 'ms', detail='640x480'),
        Figure(
            'objects found by everything',
            float(np.mean(recalls)),
            '',
            detail=f'at IoU {FOUND_IOU:g}, without a prompt, 16x16 points',
        ),
        Figure('masks per object by everything', float(np.mean(counts)), ''),
        Figure('seconds for everything', float(np.median(everything_s)), 's', detail='640x480'),
    ]
    return figures


def print_classes(by_kind: dict[str, list[Trial]]) -> None:
    """Print the mIoU of every class, worst first."""
    for kind, trials in by_kind.items():
        print(f'by {kind}, worst class first:')
        classes = {trial.class_name for trial in trials}
        rows = [(name, [t.iou for t in trials if t.class_name == name]) for name in classes]
        for name, ious in sorted(rows, key=lambda row: float(np.mean(row[1]))):
            poor = np.mean(np.array(ious) < FOUND_IOU)
            print(
                f'  {name:<10} mIoU {np.mean(ious):.3f}  below {FOUND_IOU:g}: {poor:4.0%}  '
                f'of {len(ious)}'
            )


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument(
        '--development',
        nargs=2,
        type=int,
        metavar=('FIRST', 'END'),
        help='measure these development scenes instead, and write no report',
    )
    arguments = parser.parse_args()
    # One core, so that the times can be compared.
    cv2.setNumThreads(1)
    if arguments.development:
        seeds = DEVELOPMENT_SEEDS[slice(*arguments.development)]
        for figure in measure(seeds):
            print(f'  {figure.name:<32} {figure.value:.4f} {figure.unit}')
    else:
        write('accuracy', measure(range(HELD_OUT_SEEDS.start, HELD_OUT_SEEDS.stop)))


if __name__ == '__main__':
    main()
