# SPDX-License-Identifier: Apache-2.0
"""What happens in a simulated video, arranged from a seed until all of it is really seen."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from sam_simulation.core.actor import (
    Actor,
    area,
    box_surface,
    in_view,
    out_of_view,
    overlap,
    random_surface,
)
from sam_simulation.core.camera import Pose, orbit_pose
from sam_simulation.core.mesh import Floats
from sam_simulation.core.paths import Path, around, through
from sam_simulation.core.tabletop import apart
from sam_simulation.core.textures import Rng

RATE_HZ = 12.0
MIN_TARGET_PX = 900  # in 640x480
_GAP_PX = 3.0  # between a target and its neighbours at first
_MIN_HIDDEN_SHARE = 0.35
_TARGET_POINT = (0.0, 0.0, 0.04)


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


class _ImpossibleError(Exception):
    """What was drawn at random does not fit together."""


class _Stage(NamedTuple):
    """The table as the camera first sees it: unit vectors on it, and which side is whose."""

    right: Floats
    away: Floats
    side: float
    camera: Callable[[float], Pose]
    duration_s: float

    def at(self, right_m: float, away_m: float) -> Floats:
        """Return the point of the table this far to the right and away from its middle [m]."""
        return np.asarray(right_m * self.right + away_m * self.away)


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
        except _ImpossibleError:
            continue


def _arrange(rng: Rng, kinds: set[EventKind]) -> Script:
    duration = float(rng.integers(84, 109)) / RATE_HZ
    stage = _make_stage(rng, duration, moving=EventKind.CAMERA in kinds)
    actors: list[Actor] = []
    occluders: list[Actor] = []
    events: list[Event] = []
    if EventKind.CROSSING in kinds:
        pair, event = _crossing(rng, stage, alike=EventKind.LOOK_ALIKE in kinds)
        actors += pair
        events.append(event)
        if EventKind.LOOK_ALIKE in kinds:
            events.append(Event(EventKind.LOOK_ALIKE, (1, 2), 0.0, duration))
    else:
        actors.append(_wandering(rng, stage, 0.0))
    if EventKind.COVERED in kinds:
        covered = _wandering(rng, stage, -stage.side * rng.uniform(0.24, 0.28), reach_m=0.015)
        actors.append(covered)
        occluder, start, end = _occluder(rng, stage, covered)
        occluders.append(occluder)
        events.append(Event(EventKind.COVERED, (len(actors),), start, end))
    if EventKind.LEAVING in kinds:
        leaving, start, end = _leaving(rng, stage)
        actors.append(leaving)
        events.append(Event(EventKind.LEAVING, (len(actors),), start, end))
    if len(actors) == 1:
        actors.append(_wandering(rng, stage, stage.side * 0.25))
    targets = tuple(range(1, len(actors) + 1))
    if EventKind.CAMERA in kinds:
        events.append(Event(EventKind.CAMERA, targets, 0.0, duration))
    others = [_standing(rng, stage) for _ in range(rng.integers(1, 4))]
    script = Script(
        (*actors, *others, *occluders), len(actors), stage.camera, tuple(events), duration
    )
    _check(script, occluders)
    return script


def _make_stage(rng: Rng, duration_s: float, *, moving: bool) -> _Stage:
    start = rng.uniform(0, 2 * np.pi)
    elevation, distance = np.radians(rng.uniform(26, 38)), rng.uniform(0.74, 0.86)
    swing = rng.uniform(0.15, 0.3) * rng.choice([-1.0, 1.0]) if moving else 0.0
    nod, dolly = (rng.uniform(0.03, 0.07), rng.uniform(0.02, 0.05)) if moving else (0.0, 0.0)
    periods = rng.uniform([6.0, 5.0, 4.0], [10.0, 9.0, 8.0])

    def camera(time_s: float) -> Pose:
        waves = np.sin(2 * np.pi * time_s / periods)
        return orbit_pose(
            start + swing * waves[0],
            elevation + nod * waves[1],
            distance + dolly * waves[2],
            _TARGET_POINT,
        )

    pose = camera(0.0)
    away = pose[:2, 2] / np.linalg.norm(pose[:2, 2])
    return _Stage(pose[:2, 0], away, float(rng.choice([-1.0, 1.0])), camera, duration_s)


def _crossing(rng: Rng, stage: _Stage, *, alike: bool) -> tuple[list[Actor], Event]:
    """Return two actors that go round each other, so that each hides the other in turn."""
    first = random_surface(rng, slim=True)
    second = first if alike else random_surface(rng, slim=True)
    pair = [Actor(name, surface, through([0.0], [[0.0] * 4])) for name, surface in (first, second)]
    near = (pair[0].radius_m + pair[1].radius_m) / 2 + rng.uniform(0.006, 0.012)
    half_axes = np.stack(
        [stage.right * max(near, rng.uniform(0.09, 0.12)), stage.away * rng.choice([-near, near])]
    )
    start = rng.uniform(0.7, 1.3)
    end = start + rng.uniform(4.0, 5.5)
    turn = np.pi * rng.choice([1.0, 2.0, 3.0])
    centre = stage.at(rng.uniform(-0.02, 0.02), rng.uniform(-0.02, 0.02))
    angle = through([start, end], [[0.0], [turn]])
    actors = [
        replace(
            actor,
            path=around(centre, sign * half_axes, angle, yaw_rad=rng.uniform(0, 2 * np.pi)),
        )
        for actor, sign in zip(pair, (1.0, -1.0), strict=True)
    ]
    return actors, Event(EventKind.CROSSING, (1, 2), start, end)


def _wandering(rng: Rng, stage: _Stage, right_m: float, *, reach_m: float = 0.04) -> Actor:
    """Return an actor that is pushed about a little, round a place."""
    count = 5
    times = np.linspace(0.3, stage.duration_s - 0.5, count)
    away = rng.uniform(-0.04, 0.06)
    offsets = rng.uniform(-reach_m, reach_m, (count, 2))
    places = [
        [*stage.at(right_m + right, away + behind), 0.0, yaw]
        for (right, behind), yaw in zip(offsets, rng.uniform(0.0, 1.2, count), strict=True)
    ]
    return Actor(*random_surface(rng), through(list(times), places))


def _standing(rng: Rng, stage: _Stage) -> Actor:
    place = [*stage.at(rng.uniform(-0.4, 0.4), rng.uniform(0.05, 0.35)), 0.0, 0.0]
    return Actor(*random_surface(rng), through([0.0], [place]))


def _leaving(rng: Rng, stage: _Stage) -> tuple[Actor, float, float]:
    """Return an actor that leaves the image sideways and returns, and when it is outside."""
    home = np.array([*stage.at(stage.side * rng.uniform(0.22, 0.28), rng.uniform(-0.05, 0.08))])
    back = np.array([*stage.at(stage.side * rng.uniform(0.22, 0.28), rng.uniform(-0.05, 0.08))])
    left = rng.uniform(0.8, 2.8)
    gone = left + rng.uniform(1.0, 1.6)
    returns = gone + rng.uniform(0.5, 1.5)
    arrives = returns + rng.uniform(1.0, 1.6)
    yaws = np.cumsum(rng.uniform(-0.5, 0.5, 3))
    name, surface = random_surface(rng)

    def make_path(distance_m: float) -> Path:
        outside = home + stage.side * distance_m * stage.camera((gone + returns) / 2)[:2, 0]
        return through(
            [left, gone, returns, arrives],
            [
                [*home, 0.0, 0.0],
                [*outside, 0.0, yaws[0]],
                [*outside, 0.0, yaws[1]],
                [*back, 0.0, yaws[2]],
            ],
        )

    actor = _moved_out(Actor(name, surface, make_path(0.2)), make_path, stage, (gone, returns))
    return actor, gone, returns


def _occluder(rng: Rng, stage: _Stage, covered: Actor) -> tuple[Actor, float, float]:
    """Return what covers an actor for a while, and when."""
    start = rng.uniform(1.8, 3.6)
    end = start + rng.uniform(0.5, 1.9)
    times = [start - rng.uniform(0.8, 1.3), start, end, end + rng.uniform(0.8, 1.3)]
    make = _board if rng.random() < 0.5 else _lid
    return make(rng, stage, covered, times), start, end


def _board(rng: Rng, stage: _Stage, covered: Actor, times: list[float]) -> Actor:
    """Return a board that is pushed before an actor from the side, and back again."""
    view = stage.camera((times[1] + times[2]) / 2)
    right, forward = view[:2, 0], view[:3, 2]
    away = forward[:2] / np.linalg.norm(forward[:2])
    behind = 2 * covered.radius_m + 0.06
    height = covered.height_m + behind * -forward[2] / np.linalg.norm(forward[:2]) + 0.03
    size = [2 * covered.radius_m + rng.uniform(0.06, 0.09), 0.015, height]
    place = covered.path((times[1] + times[2]) / 2)[:2] - away * (covered.radius_m + 0.035)
    yaw = float(np.arctan2(right[1], right[0]))

    def make_path(distance_m: float) -> Path:
        aside = [*(place - stage.side * distance_m * right), 0.0, yaw]
        front = [*place, 0.0, yaw]
        return through(times, [aside, front, front, aside])

    board = Actor('board', box_surface(size, rng), make_path(0.2))
    return _moved_out(board, make_path, stage, (0.0, times[0]))


def _lid(rng: Rng, stage: _Stage, covered: Actor, times: list[float]) -> Actor:
    """Return a box that is put over an actor from above, goes with it, and is lifted again."""
    side = 2 * covered.radius_m + 0.012
    surface = box_surface([side, side, covered.height_m + 0.012], rng)

    def make_path(height_m: float) -> Path:
        lifted = through(times, [[height_m], [0.0], [0.0], [height_m]])
        return lambda time_s: covered.path(time_s) * [1, 1, 0, 1] + [0, 0, lifted(time_s)[0], 0]

    return _moved_out(Actor('box', surface, make_path(0.2)), make_path, stage, (0.0, times[0]))


def _moved_out(
    actor: Actor,
    make_path: Callable[[float], Path],
    stage: _Stage,
    between_s: tuple[float, float],
) -> Actor:
    """Return the actor on the shortest of the paths that has it outside the image then."""
    times = np.linspace(*between_s, 8)
    for distance_m in np.arange(0.2, 1.0, 0.05):
        actor = replace(actor, path=make_path(float(distance_m)))
        if all(out_of_view(actor.silhouette(t, stage.camera(t))) for t in times):
            return actor
    raise _ImpossibleError


def _check(script: Script, occluders: list[Actor]) -> None:
    """Raise _ImpossibleError unless all is seen, nothing collides and every target begins well."""
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
            raise _ImpossibleError
    grounded = [a for a in script.actors if a not in occluders or a.class_name == 'board']
    for event in script.events:
        actors = [targets[object_id - 1] for object_id in event.object_ids]
        during = times[(times >= event.start_s) & (times <= event.end_s)]
        if event.kind is EventKind.CROSSING and not _hides(script, actors, during):
            raise _ImpossibleError
        if event.kind is EventKind.COVERED and occluders[0].class_name == 'board':
            for time_s in during:
                view = script.camera(time_s)
                cover, inner = (a.silhouette(time_s, view) for a in (occluders[0], actors[0]))
                if overlap(cover, inner) < 0.9999 * area(inner):
                    raise _ImpossibleError
    for time_s in times:
        for index, actor in enumerate(grounded):
            if any(actor.touches(other, time_s) for other in grounded[:index]):
                raise _ImpossibleError


def _hides(script: Script, pair: list[Actor], times: Floats) -> bool:
    """Return whether one of a pair is at some time hidden by the other to a good part."""
    for time_s in times:
        view = script.camera(time_s)
        outlines = [actor.silhouette(time_s, view) for actor in pair]
        if overlap(*outlines) > _MIN_HIDDEN_SHARE * min(map(area, outlines)):
            return True
    return False
