# SPDX-License-Identifier: Apache-2.0
r"""Fits the score of the geometric planner on trials in development scenes, and writes it.

    PYTHONPATH=sam_segmentation:sam_grasping:sam_simulation \
        python benchmarks/fit_grasps.py [SCENES]

In every other scene the masks are true and the noise is usual; in the others the depth is a
RealSense's and the masks are what the default segmenter makes of clicks and boxes. Several grasps
of each target are tried, the best ones by the score so far and some others, in two rounds: first
by a score that is set by hand, then by what was learnt from that. A quarter of the scenes takes no
part in the fit; what is printed at the end is measured on it. Takes about a quarter of an hour on
one core. The held-out seeds that grasp.py measures on are never rendered here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from accuracy import click_in, jittered_box
from fitted import write
from scipy.optimize import minimize

from sam_common.errors import SamError
from sam_common.types import BoolArray, FloatArray
from sam_grasping.core.geometric import score
from sam_grasping.core.geometric.diversity import similar
from sam_grasping.core.geometric.proposals import Proposals, propose
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observe.observation import Observation
from sam_grasping.core.observe.observe import observe
from sam_grasping.core.planner_options import PlannerOptions
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Segmenter
from sam_segmentation.evaluation.mask_metrics import mask_iou
from sam_segmentation.models.registry import load_segmenter
from sam_simulation.camera.dataset import DEVELOPMENT_SEEDS
from sam_simulation.camera.sensor import REALSENSE
from sam_simulation.physics.grasp_trials import GraspScene, grasp_scenes

TARGET = Path(score.__file__).with_name('score.json')
SCENES = 50
ROUNDS = 2
BEST, OTHERS = 7, 3  # grasps tried per target
CHECK_EVERY = 4  # scenes of a kind, of which the last only checks
# A mask that is mostly of something else makes no planner wiser.
MIN_IOU = 0.5
HAND_BIAS, HAND_WEIGHT = 5.0, -0.5
DECAY = 1e-3
BINS = (0.0, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0)


@dataclass(frozen=True, eq=False)
class Tried:
    """Grasps of one target that were tried, best first by the score of that time."""

    seed: int
    features: FloatArray
    held: BoolArray


def masks_of(at: GraspScene, segmenter: Segmenter | None) -> Iterator[tuple[int, BoolArray]]:
    """Yield each target with its mask: the true one, or the segmenter's."""
    embedding = segmenter.embed(at.frame.image_rgb) if segmenter else None
    for object_id in at.targets:
        truth = np.asarray(at.frame.labels == object_id)
        if segmenter is None or embedding is None:
            yield object_id, truth
            continue
        rng = np.random.default_rng([at.scene.seed, object_id])
        if object_id % 2:
            prompt = Prompt([click_in(truth, rng)], [1])
        else:
            prompt = Prompt(box_xyxy=jittered_box(truth, rng))
        mask = segmenter.segment(embedding, prompt)[0].mask
        if mask_iou(mask, truth) >= MIN_IOU:
            yield object_id, mask


def choose(proposals: Proposals, rng: np.random.Generator) -> list[int]:
    """Return the rows to try: the best that differ, then some of the others by chance."""
    left = np.argsort(-proposals.score, kind='stable')
    chosen: list[int] = []
    while len(left) and len(chosen) < BEST:
        chosen.append(int(left[0]))
        left = left[~similar(proposals.poses[left], proposals.poses[left[0]])]
    others = np.setdiff1d(np.arange(len(proposals.score)), chosen)
    weights = proposals.score[others] + 0.05
    count = min(OTHERS, len(others))
    if count:
        chosen += rng.choice(others, count, replace=False, p=weights / weights.sum()).tolist()
    return chosen


def grasp_of(proposals: Proposals, row: int, observation: Observation) -> Grasp:
    """Return a proposal in the camera's frame."""
    options = PlannerOptions()
    pose = observation.tf_camera_table @ proposals.poses[row]
    pre_grasp = pose.copy()
    pre_grasp[:3, 3] -= options.pre_grasp_m * pose[:3, 2]
    return Grasp(
        pose=pose,
        pre_grasp=pre_grasp,
        lift=pose,
        width_m=float(proposals.width[row]),
        opening_m=float(proposals.opening[row]),
        score=float(proposals.score[row]),
    )


def try_scene(at: GraspScene, segmenter: Segmenter | None) -> Iterator[Tried]:
    """Yield what was tried on each target of a scene."""
    gripper, options = Gripper(), PlannerOptions()
    for object_id, mask in masks_of(at, segmenter):
        try:
            observation = observe(at.view(object_id, mask), gripper)
        except SamError:
            continue  # nothing to learn a score from
        proposals = propose(observation, gripper, options)
        rows = choose(proposals, np.random.default_rng([at.scene.seed, object_id]))
        if rows:
            held = [
                at.try_grasp(grasp_of(proposals, row, observation), object_id).success
                for row in rows
            ]
            yield Tried(at.scene.seed, proposals.features[rows], np.array(held))


def collect(seeds: Sequence[int]) -> list[Tried]:
    """Return the trials of all scenes."""
    segmenter = load_segmenter()
    tried: list[Tried] = []
    for at in grasp_scenes(seeds[::2]):
        tried += try_scene(at, None)
    for at in grasp_scenes(seeds[1::2], noise=REALSENSE):
        tried += try_scene(at, segmenter)
    return tried


def only_checks(seed: int) -> bool:
    """Return whether a scene takes no part in the fit."""
    return seed // 2 % CHECK_EVERY == CHECK_EVERY - 1


def fit(tried: Sequence[Tried]) -> None:
    """Fit both models on the trials, and let the score use them."""
    features = np.concatenate([each.features for each in tried])
    held = np.concatenate([each.held for each in tried]).astype(np.float64)
    kinds = score.kind(features)
    models = [_logistic(features[kinds == kind], held[kinds == kind]) for kind in range(2)]
    score.BIAS = np.array([model[0] for model in models])
    score.WEIGHTS = np.array([model[1:] for model in models])


def _logistic(features: FloatArray, held: FloatArray) -> FloatArray:
    """Return bias and weights of a logistic regression; all features speak against a grasp."""

    def loss(model: FloatArray) -> tuple[float, FloatArray]:
        log_odds = model[0] + features @ model[1:]
        error = 1.0 / (1.0 + np.exp(-log_odds)) - held
        value = (np.logaddexp(0.0, log_odds) - held * log_odds).mean()
        slope = np.append(error.mean(), features.T @ error / len(held) + 2 * DECAY * model[1:])
        return float(value + DECAY * (model[1:] ** 2).sum()), slope

    count = features.shape[1]
    start = np.append(HAND_BIAS, np.full(count, HAND_WEIGHT))
    bounds = [(None, None)] + [(None, 0.0)] * count
    answer = minimize(loss, start, jac=True, bounds=bounds, method='L-BFGS-B')
    return np.asarray(answer.x)


def check(tried: Sequence[Tried]) -> dict[str, float]:
    """Print how well the score tells what holds, and return the figures in short."""
    scores = [score.probability(each.features) for each in tried]
    flat = np.concatenate(scores)
    held = np.concatenate([each.held for each in tried])
    print('score      trials  held')
    for low, high in pairwise(BINS):
        inside = (flat >= low) & (flat <= high if high == 1 else flat < high)
        share = f'{held[inside].mean():.3f}' if inside.any() else ''
        print(f'{low:.2f}-{high:.2f}  {inside.sum():6d}  {share}')
    best = np.array([one.held[np.argmax(s)] for one, s in zip(tried, scores, strict=True)])
    top = np.array([s.max() for s in scores])
    any_held = np.mean([each.held.any() for each in tried])
    print(
        f'best of the tried holds: {best.mean():.3f} of {len(tried)} targets, where its score is '
        f'at least 0.9: {best[top >= 0.9].mean():.3f} of {(top >= 0.9).sum()}; some one of the '
        f'tried holds: {any_held:.3f}',
        flush=True,
    )
    return {
        'targets': len(tried),
        'best of the tried holds': round(float(best.mean()), 3),
        'some one of the tried holds': round(float(any_held), 3),
    }


def models() -> dict[str, Mapping[str, Any]]:
    """Return the models as score.json holds them."""
    rounded = np.round(score.WEIGHTS, 3) + 0.0  # no negative zeros
    return {
        kind: {
            'bias': round(float(bias), 3),
            'weights': dict(zip(score.names(), weights.tolist(), strict=True)),
        }
        for kind, bias, weights in zip(score.KINDS, score.BIAS, rounded, strict=True)
    }


def main() -> None:
    """Collect trials, fit, check, and write."""
    cv2.setNumThreads(1)
    seeds = DEVELOPMENT_SEEDS[: int(sys.argv[1]) if len(sys.argv) > 1 else SCENES]
    count = len(score.names())
    score.BIAS = np.full(2, HAND_BIAS)
    score.WEIGHTS = np.full((2, count), HAND_WEIGHT)
    learnt: list[Tried] = []
    for number in range(ROUNDS):
        tried = collect(seeds)
        learnt += [each for each in tried if not only_checks(each.seed)]
        print(f'round {number + 1}: {len(learnt)} targets to learn from', flush=True)
        fit(learnt)
        checked = check([each for each in tried if only_checks(each.seed)])
    learnt_from = {each.seed for each in learnt}
    figures = {
        'trials': sum(len(each.held) for each in learnt),
        'scenes': len(learnt_from),
        'scenes that took no part': checked,
    }
    write(TARGET, models(), seeds=learnt_from, figures=figures)


if __name__ == '__main__':
    main()
