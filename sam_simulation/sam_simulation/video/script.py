# SPDX-License-Identifier: Apache-2.0
"""What happens in a simulated video, arranged from a seed until all of it is really seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum

import numpy as np

from sam_common.types import FloatArray
from sam_simulation.camera.viewpoint import Pose
from sam_simulation.scene.tabletop import apart
from sam_simulation.scene.textures import Rng
from sam_simulation.video.actor import Actor, area, in_view, overlap
from sam_simulation.video.roles import (
    ImpossibleError,
    crossing_pair,
    leaving,
    make_stage,
    occluder_of,
    standing,
    wandering,
)

RATE_HZ = 12.0
MIN_TARGET_PX = 900  # in 640x480
_GAP_PX = 3.0  # between a target and its neighbours at first
_MIN_HIDDEN_SHARE = 0.55


class EventKind(Enum):
    """What can happen to an object."""

    CROSSING = 'crossing'
    LOOK_ALIKE = 'look_alike'
    COVERED = 'covered'
    LEAVING = 'leaving'
    CAMERA = 'camera'


# Any five seeds in a row have all of them; a look-alike pair always crosses.
RECIPES = (
    (EventKind.CROSSING, EventKind.COVERED),
    (EventKind.CROSSING, EventKind.LOOK_ALIKE, EventKind.LEAVING),
    (EventKind.COVERED, EventKind.LEAVING, EventKind.CAMERA),
    (EventKind.CROSSING, EventKind.COVERED, EventKind.CAMERA),
    tuple(EventKind),
)


@dataclass(frozen=True)
class Event:
    """Something that happens.

    Parameters
    ----------
    kind : EventKind
    object_ids : tuple of int
        To whom.
    start_s, end_s : float
        COVERED: wholly hidden; LEAVING: wholly outside the image; CROSSING: going round each
        other; LOOK_ALIKE and CAMERA: the whole video.

    """

    kind: EventKind
    object_ids: tuple[int, ...]
    start_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Script:
    """A video's actors, camera and events.

    Parameters
    ----------
    actors : tuple of Actor
        The one at index i has object id i + 1; the targets come first.
    target_count : int
        How many of them are to be tracked.
    camera : callable
        The pose `tf_world_camera` at a time [s].
    events : tuple of Event
    duration_s : float

    """

    actors: tuple[Actor, ...]
    target_count: int
    camera: Callable[[float], Pose]
    events: tuple[Event, ...]
    duration_s: float


def write_script(seed: int, kinds: Collection[EventKind] | None = None) -> Script:
    """Return what happens in the video of a seed.

    Parameters
    ----------
    seed : int
    kinds : collection of EventKind or None
        What has to happen; None: as the seed has it, by turns.

    """
    wanted = set(RECIPES[seed % len(RECIPES)] if kinds is None else kinds)
    if EventKind.LOOK_ALIKE in wanted:
        wanted.add(EventKind.CROSSING)
    rng = np.random.default_rng([seed, 4])
    while True:  # a few tries on average
        try:
            return _arrange(rng, wanted)
        except ImpossibleError:
            continue


def _arrange(rng: Rng, kinds: set[EventKind]) -> Script:
    duration = float(rng.integers(84, 109)) / RATE_HZ
    stage = make_stage(rng, duration, moving=EventKind.CAMERA in kinds)
    actors: list[Actor] = []
    occluders: list[Actor] = []
    events: list[Event] = []
    if EventKind.CROSSING in kinds:
        pair, start, end = crossing_pair(rng, stage, alike=EventKind.LOOK_ALIKE in kinds)
        actors += pair
        events.append(Event(EventKind.CROSSING, (1, 2), start, end))
        if EventKind.LOOK_ALIKE in kinds:
            events.append(Event(EventKind.LOOK_ALIKE, (1, 2), 0.0, duration))
    else:
        actors.append(wandering(rng, stage, 0.0))
    if EventKind.COVERED in kinds:
        covered = wandering(rng, stage, -stage.side * rng.uniform(0.24, 0.28), reach_m=0.015)
        actors.append(covered)
        occluder, start, end = occluder_of(rng, stage, covered)
        occluders.append(occluder)
        events.append(Event(EventKind.COVERED, (len(actors),), start, end))
    if EventKind.LEAVING in kinds:
        leaver, start, end = leaving(rng, stage)
        actors.append(leaver)
        events.append(Event(EventKind.LEAVING, (len(actors),), start, end))
    if len(actors) == 1:
        actors.append(wandering(rng, stage, stage.side * 0.25))
    targets = tuple(range(1, len(actors) + 1))
    if EventKind.CAMERA in kinds:
        events.append(Event(EventKind.CAMERA, targets, 0.0, duration))
    others = [standing(rng, stage) for _ in range(rng.integers(1, 4))]
    script = Script(
        (*actors, *others, *occluders), len(actors), stage.camera, tuple(events), duration
    )
    _check(script, occluders)
    return script


def _check(script: Script, occluders: list[Actor]) -> None:
    """Raise ImpossibleError unless all is seen, nothing collides and every target begins well."""
    times = np.arange(round(script.duration_s * RATE_HZ)) / RATE_HZ
    targets = script.actors[: script.target_count]
    outlines = [actor.silhouette(0.0, script.camera(0.0)) for actor in script.actors]
    for index in range(script.target_count):
        others = outlines[:index] + outlines[index + 1 :]
        if (
            not in_view(outlines[index], margin_px=8.0)
            or area(outlines[index]) < MIN_TARGET_PX
            or not all(apart(outlines[index], other, gap=_GAP_PX) for other in others)
        ):
            raise ImpossibleError
    grounded = [a for a in script.actors if a not in occluders or a.class_name == 'board']
    for event in script.events:
        actors = [targets[object_id - 1] for object_id in event.object_ids]
        during = times[(times >= event.start_s) & (times <= event.end_s)]
        if event.kind is EventKind.CROSSING and not _hides(script, actors, during):
            raise ImpossibleError
        if event.kind is EventKind.COVERED and occluders[0].class_name == 'board':
            for time_s in during:
                view = script.camera(time_s)
                cover, inner = (a.silhouette(time_s, view) for a in (occluders[0], actors[0]))
                if overlap(cover, inner) < 0.9999 * area(inner):
                    raise ImpossibleError
    for time_s in times:
        for index, actor in enumerate(grounded):
            if any(actor.touches(other, time_s) for other in grounded[:index]):
                raise ImpossibleError


def _hides(script: Script, pair: list[Actor], times: FloatArray) -> bool:
    """Return whether one of a pair is at some time hidden by the other to a good part."""
    for time_s in times:
        view = script.camera(time_s)
        outlines = [actor.silhouette(time_s, view) for actor in pair]
        if overlap(*outlines) > _MIN_HIDDEN_SHARE * min(map(area, outlines)):
            return True
    return False
