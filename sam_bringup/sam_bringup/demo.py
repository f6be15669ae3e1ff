# SPDX-License-Identifier: Apache-2.0
"""The demo: plays the recorded scene, segments its objects through ROS, and checks the result."""

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

import cv2
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
from sam_interfaces.msg import ObjectMask
from sam_segmentation.core.masks import BoxXyxy, mask_to_box
from sam_segmentation.core.metrics import iou
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.ros.conversions import mask_from_msg

# What the demo must reach, mean over the objects of the recorded scene.
GOALS = {'click': 0.75, 'box': 0.85, 'everything': 0.5, 'live click': 0.6, 'sequence': 0.8}
MIN_AREA_PX = 400
SHOTS = 50
GIF_STEP = 2
GIF_WIDTH_PX = 480


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
    """Segment by click, by box, everything, live, and through the sequence."""
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
    rows += sequence(client, shots[::GIF_STEP], output)
    return rows


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
    truth = client.truth(result.header.stamp)
    if truth is None:
        raise DemoError('a streamed mask carries a stamp that no camera frame has')
    [obj] = result.objects or [ObjectMask()]
    value = iou(labels_of(result) == 1, labels_of(truth) == object_id)
    return Row(shots[0].names[object_id], 'live click', value, obj.score, 1e3 * seconds)


def sequence(client: DemoClient, shots: list[Shot], output: Path) -> list[Row]:
    """Segment every object by its box in every frame; write the animated overlay."""
    rows, pictures = [], []
    for shot in shots:
        objects = targets(shot)
        boxes = [mask_to_box(truth) for truth in objects.values()]
        prompts = [box_prompt(box) for box in boxes if box is not None]
        answers, seconds = client.segment(shot, prompts, send_image=True)
        masks = [mask_from_msg(answer.mask) for answer in answers]
        for object_id, mask, answer in zip(objects, masks, answers, strict=True):
            share = seconds / len(objects)
            rows.append(row(shot, object_id, 'sequence', mask, answer.score, share))
        texts = names(shot, objects)
        pictures.append(draw_overlay(shot.image_rgb, masks, list(objects), texts=texts))
    write_gif(output / 'sequence.gif', pictures)
    return rows


def targets(shot: Shot) -> dict[int, npt.NDArray[np.bool_]]:
    """Return the mask of each object that is large enough to be asked for."""
    masks = {object_id: shot.labels == object_id for object_id in shot.names}
    return {i: mask for i, mask in masks.items() if np.count_nonzero(mask) >= MIN_AREA_PX}


def deepest_point(mask: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Return the pixel farthest from the mask's border: where a person would click."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x - 1), float(y - 1)


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


def draw_marks(
    image_rgb: npt.NDArray[np.uint8], marks: list[tuple[float, float] | BoxXyxy | None]
) -> npt.NDArray[np.uint8]:
    """Draw clicks as dots and boxes as rectangles, white on black."""
    for colour, width in (((0, 0, 0), 2), ((255, 255, 255), 1)):
        for mark in marks:
            if mark is None:
                continue
            corners = [tuple(int(v) for v in np.round(xy)) for xy in (mark[:2], mark[-2:])]
            if len(mark) == 2:
                cv2.circle(image_rgb, corners[0], 2 + width, colour, -1, lineType=cv2.LINE_AA)
            else:
                cv2.rectangle(image_rgb, corners[0], corners[1], colour, width)
    return image_rgb


def write_png(path: Path, image_rgb: npt.NDArray[np.uint8]) -> None:
    """Write a picture."""
    cv2.imwrite(str(path), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))


def write_gif(path: Path, images_rgb: list[npt.NDArray[np.uint8]]) -> None:
    """Write an animation at 5 pictures per second."""
    from PIL import Image

    height = round(images_rgb[0].shape[0] * GIF_WIDTH_PX / images_rgb[0].shape[1])
    size = (GIF_WIDTH_PX, height)
    frames = [Image.fromarray(image).resize(size).quantize(128) for image in images_rgb]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=200, loop=0)


def report(rows: list[Row], output: Path, model: str) -> int:
    """Print the table, write summary.json, and return the exit status."""
    print(f'\n{"object":<10} {"prompt":<12} {"IoU":>5} {"score":>6} {"ms":>7}')
    for line in rows:
        if line.prompt != 'sequence':
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
