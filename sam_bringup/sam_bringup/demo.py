# SPDX-License-Identifier: Apache-2.0
"""The demo: plays the recorded scene, segments and tracks its objects through ROS, checks it."""

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
import numpy.typing as npt
import rclpy
from rclpy.utilities import remove_ros_args

from sam_bringup.demo_client import (
    DemoClient,
    DemoError,
    Shot,
    box_prompt,
    click_prompt,
    labels_of,
)
from sam_bringup.demo_pictures import deepest_point, draw_marks, write_png
from sam_bringup.demo_tracking import track
from sam_interfaces.msg import ObjectMask
from sam_segmentation.core.masks import mask_to_box
from sam_segmentation.core.metrics import iou
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.ros.conversions import mask_from_msg

# What the demo must reach, mean over the objects of the recorded scene.
GOALS = {'click': 0.75, 'box': 0.85, 'everything': 0.5, 'live click': 0.6, 'tracking': 0.8}
MIN_AREA_PX = 400
SHOTS = 50


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
    arguments = parser.parse_args(remove_ros_args(sys.argv)[1:])
    arguments.output.mkdir(parents=True, exist_ok=True)
    # Its own domain unless one is chosen, so that no other camera or node takes part.
    os.environ.setdefault('ROS_DOMAIN_ID', str(os.getpid() % 90 + 10))
    os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    launch = ['ros2', 'launch', 'sam_bringup', 'demo.launch.xml', f'model:={arguments.model}']
    launch += [f'bag:={Path(arguments.bag).resolve()}'] if arguments.bag else []
    print('demo: ' + ' '.join(launch), flush=True)
    with running(launch, arguments.output / 'launch.log'):
        rclpy.init()
        client = DemoClient()
        try:
            rows = play(client, arguments.output)
        except DemoError as error:
            print(f'demo: {error}\ndemo: the log is {arguments.output / "launch.log"}')
            return 1
        finally:
            client.close()
            rclpy.try_shutdown()
    return report(rows, arguments.output, arguments.model)


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
    client.wait_for_node()
    shots = client.shots(SHOTS)
    shot = max(shots, key=lambda shot: len(targets(shot)))
    objects = targets(shot)
    rows = []
    for kind in ('click', 'box'):
        masks, marks = [], []
        for object_id, truth in objects.items():
            point, box = deepest_point(truth), mask_to_box(truth)
            prompt = click_prompt(*point) if kind == 'click' or box is None else box_prompt(box)
            [answer], seconds = client.segment(shot, [prompt])
            masks.append(mask_from_msg(answer.mask))
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
    labels = labels_of(result)
    found = {obj.id: labels == obj.id for obj in result.objects}
    overlay = draw_overlay(shot.image_rgb, list(found.values()), list(found))
    write_png(output / 'everything.png', overlay)
    scores = {obj.id: obj.score for obj in result.objects}
    rows = []
    for object_id, truth in targets(shot).items():
        best = max(found, key=lambda i: iou(found[i], truth), default=0)
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


def targets(shot: Shot) -> dict[int, npt.NDArray[np.bool_]]:
    """Return the mask of each object that is large enough to be asked for."""
    masks = {object_id: shot.labels == object_id for object_id in shot.names}
    return {i: mask for i, mask in masks.items() if np.count_nonzero(mask) >= MIN_AREA_PX}


def row(
    shot: Shot,
    object_id: int,
    kind: str,
    mask: npt.NDArray[np.bool_],
    score: float,
    seconds: float,
) -> Row:
    """Return the line for one object."""
    value = iou(mask, shot.labels == object_id)
    return Row(shot.names[object_id], kind, value, score, 1e3 * seconds)


def names(shot: Shot, ids: dict[int, npt.NDArray[np.bool_]]) -> list[str]:
    """Return what the objects are called."""
    return [shot.names[object_id] for object_id in ids]


def report(rows: list[Row], output: Path, model: str) -> int:
    """Print the table, write summary.json, and return the exit status."""
    print(f'\n{"object":<10} {"prompt":<12} {"IoU":>5} {"score":>6} {"ms":>7}')
    for line in rows:
        print(
            f'{line.name:<10} {line.prompt:<12} {line.iou:5.2f} {line.score:6.2f} '
            f'{line.milliseconds:7.0f}'
        )
    means = {kind: fmean(line.iou for line in rows if line.prompt == kind) for kind in GOALS}
    passed = {kind: means[kind] >= goal for kind, goal in GOALS.items()}
    print()
    for kind, goal in GOALS.items():
        verdict = 'ok' if passed[kind] else 'MISSED'
        print(f'mean IoU, {kind:<11} {means[kind]:.3f}  (at least {goal:.2f}: {verdict})')
    summary = {
        'model': model,
        'ok': all(passed.values()),
        'mean_iou': means,
        'goals': GOALS,
        'rows': [asdict(line) for line in rows],
    }
    (output / 'summary.json').write_text(json.dumps(summary, indent=2) + '\n')
    print(f'\npictures: {", ".join(str(p) for p in sorted(output.glob("*.[pg][ni][gf]")))}')
    print(f'summary:  {output / "summary.json"}')
    return 0 if summary['ok'] else 1


if __name__ == '__main__':
    sys.exit(main())
