# SPDX-License-Identifier: Apache-2.0
"""Who does what in a simulated video, drawn at random."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from sam_common.types import FloatArray
from sam_simulation.camera.viewpoint import Pose, orbit_pose
from sam_simulation.scene.textures import Rng
from sam_simulation.video.actor import Actor, box_surface, out_of_view, random_surface
from sam_simulation.video.paths import Path, around, through

_TARGET_POINT = (0.0, 0.0, 0.04)


class ImpossibleError(Exception):
    """What was drawn at random does not fit together; draw again."""


class Stage(NamedTuple):
    """The table as the camera first sees it.

    Parameters
    ----------
    right, away : array of float64, shape (2,)
        Unit vectors on the table, to the right and away from the camera.
    side : float
        On which side one leaves the image: 1 on the right, -1 on the left. Covered is one on the
        other side.
    camera : callable
        The pose `tf_world_camera` at a time [s].
    duration_s : float

    """

    right: FloatArray
    away: FloatArray
    side: float
    camera: Callable[[float], Pose]
    duration_s: float

    def at(self, right_m: float, away_m: float) -> FloatArray:
        """Return the point of the table this far to the right and away from its middle [m]."""
        return np.asarray(right_m * self.right + away_m * self.away)


def make_stage(rng: Rng, duration_s: float, *, moving: bool) -> Stage:
    """Return a camera that looks at the table, and the table as it sees it."""
    start = rng.uniform(0, 2 * np.pi)
    elevation, distance = np.radians(rng.uniform(22, 35)), rng.uniform(0.74, 0.86)
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
    return Stage(pose[:2, 0], away, float(rng.choice([-1.0, 1.0])), camera, duration_s)


def crossing_pair(rng: Rng, stage: Stage, *, alike: bool) -> tuple[list[Actor], float, float]:
    """Return two actors that go round each other half to one and a half times, and when.

    Where it is once or more, each hides the other in turn.
    """
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
    return actors, start, end


def wandering(rng: Rng, stage: Stage, right_m: float, *, reach_m: float = 0.04) -> Actor:
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


def standing(rng: Rng, stage: Stage) -> Actor:
    """Return an actor that stands still, rather at the back."""
    place = [*stage.at(rng.uniform(-0.4, 0.4), rng.uniform(0.05, 0.35)), 0.0, 0.0]
    return Actor(*random_surface(rng), through([0.0], [place]))


def leaving(rng: Rng, stage: Stage) -> tuple[Actor, float, float]:
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


def occluder_of(rng: Rng, stage: Stage, covered: Actor) -> tuple[Actor, float, float]:
    """Return what covers an actor for a while, and when."""
    start = rng.uniform(1.8, 3.6)
    end = start + rng.uniform(0.5, 1.9)
    times = [start - rng.uniform(0.8, 1.3), start, end, end + rng.uniform(0.8, 1.3)]
    make = _board if rng.random() < 0.5 else _lid
    return make(rng, stage, covered, times), start, end


def _board(rng: Rng, stage: Stage, covered: Actor, times: list[float]) -> Actor:
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


def _lid(rng: Rng, stage: Stage, covered: Actor, times: list[float]) -> Actor:
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
    stage: Stage,
    between_s: tuple[float, float],
) -> Actor:
    """Return the actor on the shortest of the paths that has it outside the image then."""
    times = np.linspace(*between_s, 8)
    for distance_m in np.arange(0.2, 1.0, 0.05):
        actor = replace(actor, path=make_path(float(distance_m)))
        if all(out_of_view(actor.silhouette(t, stage.camera(t))) for t in times):
            return actor
    raise ImpossibleError
