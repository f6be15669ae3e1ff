# SPDX-License-Identifier: Apache-2.0
"""The demo: segments and tracks in a recorded scene, grasps in simulated ones, checks it all."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np
import rclpy
from rclpy.utilities import remove_ros_args

from sam_bringup.demo_client import (
    DemoClient,
    DemoError,
    Shot,
    labels_of,
)
from sam_bringup.demo_grasping import GraspRow, grasp_scene, print_grasps
from sam_bringup.demo_pictures import deepest_point, draw_marks, write_png
from sam_bringup.demo_tracking import track
from sam_common.errors import SamError
from sam_common.masks import mask_to_box
from sam_common.types import BoolArray
from sam_interfaces.msg import ObjectMask
from sam_segmentation import draw_overlay, mask_iou
from sam_simulation import GraspEvaluator, RenderingError, Tabletop, make_context

# What the demo must reach, mean over the objects of the recorded scene.
GOALS = {'click': 0.75, 'box': 0.85, 'everything': 0.5, 'live click': 0.6, 'tracking': 0.8}
MIN_AREA_PX = 400
SHOTS = 50
# The simulated scenes in which grasps are tried, and the share of objects that must be held.
GRASP_SEEDS = (109, 57)
GRASP_GOAL = 0.6


@dataclass(frozen=True)
class Row:
    """One line of the table: an object, how it was prompted, and how well that went."""

    name: str
    prompt: str
    iou: float
    score: float
    milliseconds: float


def main() -> int:
    """Run the demo; return 0 only if what it shows is right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output', type=Path, default=Path('demo_output'))
    parser.add_argument('--bag', help='a bag recorded by sam_simulation; default: the one shipped')
    parser.add_argument('--model', default='grabcut')
    parser.add_argument(
        '--no-evaluator',
        dest='evaluator',
        action='store_false',
        help='plan grasps in the bag instead of trying them in simulated scenes',
    )
    arguments = parser.parse_args(remove_ros_args(sys.argv)[1:])
    arguments.output.mkdir(parents=True, exist_ok=True)
    # Its own domain unless one is chosen, so that no other camera or node takes part.
    os.environ.setdefault('ROS_DOMAIN_ID', str(os.getpid() % 90 + 10))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    launch = ['ros2', 'launch', 'sam_bringup', 'demo.launch.xml', f'model:={arguments.model}']
    bag = [f'bag:={Path(arguments.bag).resolve()}'] if arguments.bag else []
    reason = why_no_rendering() if arguments.evaluator else 'it was not asked for'
    try:
        with connected(launch + bag, arguments.output / 'launch.log') as client:
            rows = play(client, arguments.output)
            grasps = grasp_in_bag(client, arguments.output) if reason else []
        if reason:
            print(f'demo: grasps are planned in the bag and not judged: {reason}')
        for seed in () if reason else GRASP_SEEDS:
            scene = [*launch, 'simulate:=true', f'seed:={seed}']
            with connected(scene, arguments.output / f'launch_{seed}.log') as client:
                grasps += grasp_simulated(client, seed, arguments.output)
    except SamError as error:
        print(f'demo: {error}\ndemo: what the nodes said is in {arguments.output}/launch*.log')
        return 1
    return report(rows, grasps, arguments.output, arguments.model)


def why_no_rendering() -> str:
    """Return why scenes cannot be rendered here; empty: they can."""
    try:
        make_context((64, 64)).free()
    except RenderingError as error:
        return str(error)
    return ''


@contextmanager
def connected(launch: list[str], log: Path) -> Iterator[DemoClient]:
    """Run a launch file for as long as the block lasts, with a client in its ROS domain."""
    print('demo: ' + ' '.join(launch), flush=True)
    with running(launch, log):
        rclpy.init()
        client = DemoClient()
        try:
            client.wait_for_node()
            yield client
        finally:
            client.close()
            rclpy.try_shutdown()


@contextmanager
def running(command: list[str], log: Path) -> Iterator[None]:
    """Run a launch file for as long as the block lasts."""
    with log.open('w') as output:
        process = subprocess.Popen(  # noqa: S603  (a fixed command, no shell)
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def play(client: DemoClient, output: Path) -> list[Row]:
    """Segment by click, by box, everything at once, live; and track through the sequence."""
    shots = client.shots(SHOTS)
    shot = max(shots, key=lambda shot: len(targets(shot)))
    objects = targets(shot)
    rows = []
    for kind in ('click', 'box'):
        masks, marks = [], []
        for object_id, truth in objects.items():
            point, box = deepest_point(truth), mask_to_box(truth)
            prompt = {'points_xy': [point]} if kind == 'click' else {'box_xyxy': box}
            answer, seconds = client.segment(shot, **prompt)
            masks.append(answer.mask)
            marks.append(point if kind == 'click' else box)
            rows.append(row(shot, object_id, kind, masks[-1], answer.score, seconds))
        overlay = draw_overlay(shot.image_rgb, masks, list(objects), texts=names(shot, objects))
        write_png(output / f'{kind}.png', draw_marks(overlay, marks))
    rows += everything(client, shot, output)
    rows.append(live_click(client, shots))
    return rows + tracking(client, shots, output)


def everything(client: DemoClient, shot: Shot, output: Path) -> list[Row]:
    """Segment without prompts; each object is credited with the best mask."""
    result, seconds = client.segment_everything(shot)
    found = {obj.object_id: obj.mask for obj in result}
    overlay = draw_overlay(shot.image_rgb, list(found.values()), list(found))
    write_png(output / 'everything.png', overlay)
    scores = {obj.object_id: obj.score for obj in result}
    rows = []
    for object_id, truth in targets(shot).items():
        best = max(found, key=lambda i: mask_iou(found[i], truth), default=0)
        mask = found.get(best, np.zeros_like(truth))
        rows.append(row(shot, object_id, 'everything', mask, scores.get(best, 0.0), seconds))
    return rows


def live_click(client: DemoClient, shots: list[Shot]) -> Row:
    """Click the largest object on the live stream, as a person would in rqt_image_view."""
    sizes = {i: int(np.count_nonzero(mask)) for i, mask in targets(shots[0]).items()}
    object_id = max(sizes, key=lambda i: sizes[i])
    # Where the object is seen in most of the sequence: the camera moves on while one clicks.
    often = np.mean([shot.labels == object_id for shot in shots], axis=0) > 0.5
    result, seconds = client.click(*deepest_point(often))
    shot = client.shot_at(result.header.stamp)
    if shot is None:
        raise DemoError('a streamed mask carries a stamp that no camera frame has')
    [obj] = result.objects or [ObjectMask()]
    return row(shot, object_id, 'live click', labels_of(result) == obj.id, obj.score, seconds)


def tracking(client: DemoClient, shots: list[Shot], output: Path) -> list[Row]:
    """Follow objects through the sequence, while one leaves, one joins and one is refined."""
    tour = track(client, shots, output)
    print(
        f'tracked {len(tour.objects)} objects in {tour.frames} frames, one every '
        f'{tour.milliseconds:.0f} ms; object {tour.removed} was removed on the way'
    )
    return [
        Row(each.name, 'tracking', fmean(each.ious), each.score, tour.milliseconds)
        for each in tour.objects.values()
    ]


def grasp_in_bag(client: DemoClient, output: Path) -> list[GraspRow]:
    """Plan grasps of all objects in a frame of the bag."""
    shot = client.newest_shot()
    return grasp_scene(client, shot, targets(shot), scene='bag', evaluator=None, output=output)


def grasp_simulated(client: DemoClient, seed: int, output: Path) -> list[GraspRow]:
    """Plan grasps of all objects in a simulated scene, and try the best of each."""
    evaluator = GraspEvaluator(Tabletop(seed))
    [shot, *_] = client.shots(1)
    objects = {i: mask for i, mask in targets(shot).items() if i in evaluator.targets}
    return grasp_scene(client, shot, objects, scene=str(seed), evaluator=evaluator, output=output)


def targets(shot: Shot) -> dict[int, BoolArray]:
    """Return the mask of each object that is large enough to be asked for."""
    masks = {object_id: shot.labels == object_id for object_id in shot.names}
    return {i: mask for i, mask in masks.items() if np.count_nonzero(mask) >= MIN_AREA_PX}


def row(
    shot: Shot,
    object_id: int,
    kind: str,
    mask: BoolArray,
    score: float,
    seconds: float,
) -> Row:
    """Return the line for one object."""
    value = mask_iou(mask, shot.labels == object_id)
    return Row(shot.names[object_id], kind, value, score, 1e3 * seconds)


def names(shot: Shot, ids: dict[int, BoolArray]) -> list[str]:
    """Return what the objects are called."""
    return [shot.names[object_id] for object_id in ids]


def report(rows: list[Row], grasps: list[GraspRow], output: Path, model: str) -> int:
    """Print the tables, write summary.json, and return the exit status."""
    print(f'\n{"object":<10} {"prompt":<12} {"IoU":>5} {"score":>6} {"ms":>7}')
    for line in rows:
        print(
            f'{line.name:<10} {line.prompt:<12} {line.iou:5.2f} {line.score:6.2f} '
            f'{line.milliseconds:7.0f}'
        )
    print_grasps(grasps)
    figures = {
        f'mean IoU, {kind}': (fmean(line.iou for line in rows if line.prompt == kind), goal)
        for kind, goal in GOALS.items()
    }
    judged = [line for line in grasps if line.outcome != 'not judged']
    if judged:
        held = fmean(line.outcome == 'held' for line in judged)
        figures['objects held'] = held, GRASP_GOAL
    else:
        found = fmean(line.grasps > 0 for line in grasps)
        figures['objects with a grasp'] = found, GRASP_GOAL
    print()
    for name, (value, goal) in figures.items():
        outcome = 'ok' if value >= goal else 'MISSED'
        print(f'{name:<21} {value:.3f}  (at least {goal:.2f}: {outcome})')
    summary = {
        'model': model,
        'ok': all(value >= goal for value, goal in figures.values()),
        'figures': {name: {'value': v, 'goal': goal} for name, (v, goal) in figures.items()},
        'rows': [asdict(line) for line in rows],
        'grasps': [asdict(line) for line in grasps],
    }
    (output / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    print(f'\npictures: {", ".join(str(p) for p in sorted(output.glob("*.[pg][ni][gf]")))}')
    print(f'summary:  {output / "summary.json"}')
    return 0 if summary['ok'] else 1


if __name__ == '__main__':
    sys.exit(main())
