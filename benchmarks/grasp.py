# SPDX-License-Identifier: Apache-2.0
"""How many planned grasps hold in physics, on simulated scenes.

    PYTHONPATH=sam_segmentation:sam_grasping:sam_simulation python benchmarks/grasp.py

From one view of each held-out scene the best grasp of each target is tried: (a) with true masks
and usual noise, (b) with a RealSense's depth and masks that the default segmenter makes of a click
or of a box. `--development` measures scenes that planners may be tuned on, and writes no report.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from accuracy import CLICK, JITTER_PX, click_in, jittered_box
from grasp_figures import Trial, figures, print_tables, rate
from report import Figure, write

from sam_common.errors import SamError
from sam_common.scored_mask import ScoredMask
from sam_grasping.core.geometric.mask_choice import plan_likeliest
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.planner import Planner
from sam_grasping.core.registry import load_planner
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.models.registry import load_segmenter
from sam_simulation.camera.dataset import DEVELOPMENT_SEEDS, HELD_OUT_SEEDS
from sam_simulation.camera.sensor import REALSENSE
from sam_simulation.physics.evaluator import GraspEvaluator
from sam_simulation.physics.grasp_trials import MIN_TARGET_PX, GraspScene, grasp_scenes

GOALS = {'true masks': 0.9, 'click': 0.85, 'box': 0.85}
DETAILS = {
    'true masks': 'one view, usual noise',
    'click': f'RealSense depth, masks by one click: {CLICK}',
    'box': f'RealSense depth, masks by a box, each edge moved by up to {JITTER_PX:g} px',
}
FRICTIONS = (0.5, 0.3)  # beside 0.8

Trials = dict[str, list[Trial]]


def try_best(
    planner: Planner, at: GraspScene, object_id: int, masks: Sequence[ScoredMask] | None = None
) -> tuple[Trial, Grasp | None]:
    """Return how the best grasp of a target ends, and the grasp, in the camera's frame.

    Without masks it is planned for the true one; with several as grasp_node does for a click.
    """
    name = next(item.class_name for item in at.scene.objects if item.id == object_id)
    begin = time.perf_counter()
    try:
        view = at.view(object_id)
        found = masks or [ScoredMask(view.mask, 1.0)]
        plan = plan_likeliest(planner, view, found, max_grasps=1)
    except SamError as error:
        return Trial(name, None, None, type(error).__name__, time.perf_counter() - begin), None
    seconds = time.perf_counter() - begin
    if not plan.grasps:
        most = max(plan.rejections, key=plan.rejections.__getitem__, default='nothing tried')
        return Trial(name, None, None, f'no plan ({most})', seconds), None
    grasp = plan.grasps[0]
    outcome = at.try_grasp(grasp, object_id)
    return Trial(name, grasp.score, outcome, outcome.cause, seconds), grasp


def with_true_masks(planner: Planner, seeds: Sequence[int]) -> Trials:
    """Return the trials of condition (a), also with less friction."""
    trials: Trials = {'true masks': [], **{f'friction {value}': [] for value in FRICTIONS}}
    for at in grasp_scenes(seeds):
        slippery = {value: GraspEvaluator(at.scene, friction=value) for value in FRICTIONS}
        for object_id in at.targets:
            trial, grasp = try_best(planner, at, object_id)
            trials['true masks'].append(trial)
            for value, evaluator in slippery.items():
                again = trial
                if grasp is not None:
                    moved = grasp.in_frame(at.frame.tf_world_camera)
                    outcome = evaluator.try_grasp(moved, object_id)
                    again = Trial(
                        trial.class_name, trial.score, outcome, outcome.cause, trial.plan_s
                    )
                trials[f'friction {value}'].append(again)
    return trials


def with_segmented_masks(planner: Planner, seeds: Sequence[int]) -> Trials:
    """Return the trials of condition (b)."""
    segmenter = load_segmenter()
    trials: Trials = {'click': [], 'box': []}
    for at in grasp_scenes(seeds, noise=REALSENSE):
        embedding = segmenter.embed(at.frame.image_rgb)
        for object_id in at.targets:
            truth = np.asarray(at.frame.labels == object_id)
            rng = np.random.default_rng([at.scene.seed, object_id])
            prompts = {
                'click': Prompt([click_in(truth, rng)], [1]),
                'box': Prompt(box_xyxy=jittered_box(truth, rng)),
            }
            for kind, prompt in prompts.items():
                found = segmenter.segment(embedding, prompt, multimask=kind == 'click')
                trials[kind].append(try_best(planner, at, object_id, found)[0])
    return trials


def measure(seeds: Sequence[int]) -> list[Figure]:
    """Run all trials, print the tables, and return the figures."""
    planner = load_planner()
    planner.warm_up()
    begin = time.perf_counter()
    trials = with_true_masks(planner, seeds)
    trials |= with_segmented_masks(planner, seeds)
    seconds = time.perf_counter() - begin
    where = f'targets of at least {MIN_TARGET_PX} px in {len(seeds)} scenes'
    result: list[Figure] = []
    for condition, goal in GOALS.items():
        print_tables(condition, trials[condition])
        detail = f'{where}, top-1, friction 0.8, no plan is a failure; {DETAILS[condition]}'
        result += figures(condition, trials[condition], goal, detail)
    for value in FRICTIONS:
        print_tables(f'friction {value}', trials[f'friction {value}'])
        result += rate(f'success, friction {value}', trials[f'friction {value}'])
    return result + speeds(trials, seconds)


def speeds(trials: Mapping[str, Sequence[Trial]], seconds: float) -> list[Figure]:
    """Return how long the benchmark took and how long planning took in it."""
    planned = [trial.plan_s for condition in GOALS for trial in trials[condition]]
    return [
        Figure('minutes for all trials', seconds / 60, 'min', detail='one core; no pictures'),
        Figure(
            'ms per plan',
            float(np.median(planned)) * 1e3,
            'ms',
            detail=f'median; 95 % take less than {np.percentile(planned, 95) * 1e3:.0f} ms',
        ),
    ]


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
    cv2.setNumThreads(1)  # one core, so that the times can be compared
    if arguments.development:
        found = measure(DEVELOPMENT_SEEDS[slice(*arguments.development)])
        for figure in found:
            print(f'  {figure.name:<42} {figure.value:.4f} {figure.unit}  {figure.detail}')
    else:
        write('grasp', measure(list(HELD_OUT_SEEDS)))


if __name__ == '__main__':
    main()
