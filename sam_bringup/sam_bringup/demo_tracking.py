# SPDX-License-Identifier: Apache-2.0
"""The demo's tracking: three objects through the sequence, then one goes, one comes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from sam_bringup.demo_client import (
    DemoClient,
    DemoError,
    Shot,
    labels_of,
)
from sam_bringup.demo_pictures import deepest_point, write_gif, write_png
from sam_common.masks import mask_to_box
from sam_common.ros.client import ServiceError
from sam_common.ros.conversions import stamp_to_ns
from sam_common.types import UInt8Array
from sam_interfaces.msg import ObjectMaskArray
from sam_segmentation import draw_overlay, mask_iou

TRACKED = 3
# Where in the sequence the objects change, as shares of it.
CHANGE_AT, REFINE_AT, END_AT = 0.35, 0.6, 0.9
ATTEMPTS = 4


@dataclass
class Tracked:
    """An object that was followed, and how well.

    Parameters
    ----------
    name : str
    truth_id : int
        Its id in the ground truth.
    ious : list of float
        One per frame that the node answered for.
    score : float
        What the node said of it last [0-1].

    """

    name: str
    truth_id: int
    score: float = 0.0
    ious: list[float] = field(default_factory=list)


@dataclass
class Tour:
    """What the demo tracked, by the ids that the node gave."""

    objects: dict[int, Tracked] = field(default_factory=dict)
    removed: int = 0
    frames: int = 0
    milliseconds: float = 0.0


def track(client: DemoClient, shots: list[Shot], output: Path) -> Tour:
    """Follow objects through one pass of the bag; write the animated overlay.

    Raises
    ------
    DemoError
        If the node refuses something, loses an id, or goes on with one that was removed.

    """
    largest = sorted(
        (i for i in shots[0].names if (shots[0].labels == i).any()),
        key=lambda i: -min(int(np.count_nonzero(shot.labels == i)) for shot in shots),
    )
    if len(largest) <= TRACKED:
        raise DemoError(f'the scene has {len(largest)} objects; tracking shows {TRACKED + 1}')
    stamps = [stamp_to_ns(shot.header.stamp) for shot in shots]
    for attempt in range(ATTEMPTS):
        try:
            tour, results = _pass(client, largest, stamps[0], stamps[-1])
        except (DemoError, ServiceError) as error:
            # On a busy machine a frame is lost, or the bag begins anew before the end is reached.
            print(f'tracking, attempt {attempt + 1}: {error}', flush=True)
            if attempt + 1 == ATTEMPTS:
                raise
        else:
            _judge(client, tour, results, output)
            break
    return tour


def _pass(
    client: DemoClient, largest: list[int], begin: int, end: int
) -> tuple[Tour, list[ObjectMaskArray]]:
    """Track through the bag, from one beginning to just before the next."""
    tour = Tour()
    first = client.next_pass()
    passes = client.passes
    client.sam.reset()
    client.streamed.clear()
    boxes = {i: mask_to_box(first.labels == i) for i in largest[:TRACKED]}
    _add(client, tour, first, {i: {'box_xyxy': box} for i, box in boxes.items()})

    def passed(share: float) -> bool:
        if client.passes != passes:
            raise DemoError('the bag began anew before its end was tracked')
        newest = client.streamed[-1].header.stamp if client.streamed else first.header.stamp
        return stamp_to_ns(newest) >= begin + share * (end - begin)

    client.until(lambda: passed(CHANGE_AT), 'tracked objects on /sam/objects')
    tour.removed = next(reversed(tour.objects))
    client.sam.remove(tour.removed)
    now = client.newest_shot()
    removed_ns = stamp_to_ns(now.header.stamp)
    newcomer = largest[TRACKED]
    _add(client, tour, now, {newcomer: {'points_xy': [deepest_point(now.labels == newcomer)]}})

    client.until(lambda: passed(REFINE_AT), 'tracked objects on /sam/objects')
    now = client.newest_shot()
    refined = next(iter(tour.objects))
    truth = now.labels == tour.objects[refined].truth_id
    stamp_ns = stamp_to_ns(now.header.stamp)
    client.sam.refine(refined, stamp_ns=stamp_ns, points_xy=[deepest_point(truth)])
    client.until(lambda: passed(END_AT), 'tracked objects on /sam/objects')

    client.sam.reset()
    results = [result for result in client.streamed if result.objects]
    for result in results:
        late = stamp_to_ns(result.header.stamp) > removed_ns
        if late and any(obj.id == tour.removed for obj in result.objects):
            raise DemoError(f'object {tour.removed} is still published after it was removed')
    return tour, results


def _add(client: DemoClient, tour: Tour, shot: Shot, prompts: dict[int, dict[str, Any]]) -> None:
    """Track one object per prompt, on the frame that it was made on."""
    stamp_ns = stamp_to_ns(shot.header.stamp)
    for truth_id, prompt in prompts.items():
        obj = client.sam.add(stamp_ns=stamp_ns, **prompt)
        if obj.object_id in tour.objects:
            raise DemoError(f'id {obj.object_id} was given out twice')
        tour.objects[obj.object_id] = Tracked(shot.names[truth_id], truth_id)


def _judge(client: DemoClient, tour: Tour, results: list[ObjectMaskArray], output: Path) -> None:
    """Compare every published frame with the truth, and draw it."""
    pictures: list[UInt8Array] = []
    stamps = []
    # A frame is published anew when something was changed in it; the last word counts.
    for result in {stamp_to_ns(result.header.stamp): result for result in results}.values():
        shot = client.shot_at(result.header.stamp)
        if shot is None:
            continue
        labels = labels_of(result)
        stamps.append(stamp_to_ns(result.header.stamp))
        masks = [labels == obj.id for obj in result.objects]
        for obj, mask in zip(result.objects, masks, strict=True):
            if obj.id not in tour.objects:
                raise DemoError(f'id {obj.id} is published, but was never added')
            tracked = tour.objects[obj.id]
            tracked.score = obj.score
            tracked.ious.append(mask_iou(mask, shot.labels == tracked.truth_id))
        ids = [obj.id for obj in result.objects]
        texts = [f'{i} {tour.objects[i].name}' for i in ids]
        pictures.append(draw_overlay(shot.image_rgb, masks, ids, texts=texts))
    for object_id, tracked in tour.objects.items():
        if not tracked.ious:
            raise DemoError(f'object {object_id} ({tracked.name}) was never published')
    tour.frames = len(pictures)
    tour.milliseconds = fmean(np.diff(stamps)) / 1e6
    write_gif(output / 'tracking.gif', pictures)
    write_png(output / 'tracking.png', pictures[-1])
