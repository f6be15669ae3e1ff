# SPDX-License-Identifier: Apache-2.0
"""What a camera is shown for as long as it runs: a still life, or a video there and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sam_simulation.camera.viewpoint import Pose, orbit
from sam_simulation.scene.tabletop import Tabletop
from sam_simulation.video.video import Video


@dataclass(frozen=True, eq=False)
class Showing:
    """A scene at any time from 0 on [s].

    Parameters
    ----------
    scene : Tabletop
    camera : callable
        The pose `tf_world_camera` at a time, shape (4, 4).
    motions : callable
        By object id how it was moved until a time, for `Renderer.render`.

    """

    scene: Tabletop
    camera: Callable[[float], Pose]
    motions: Callable[[float], Mapping[int, Pose]]


def still_life(seed: int, *, object_count: int | None = None) -> Showing:
    """Return things that stand still, round which the camera swings."""
    scene = Tabletop(seed, object_count=object_count)
    return Showing(scene, lambda time_s: orbit(seed, time_s), lambda _: {})


def there_and_back(video: Video) -> Showing:
    """Return a video without end: at its end it runs backwards, so that nothing jumps."""

    def folded(time_s: float) -> float:
        return video.duration_s - abs(video.duration_s - time_s % (2 * video.duration_s))

    return Showing(
        video.scene,
        lambda time_s: video.camera(folded(time_s)),
        lambda time_s: video.motions(folded(time_s)),
    )
