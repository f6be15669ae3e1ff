# SPDX-License-Identifier: Apache-2.0
"""Videos with ground truth: things on a table that move, hide, look alike, leave and return."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from sam_simulation.camera.renderer import Renderer
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.camera.viewpoint import Pose
from sam_simulation.scene import mesh
from sam_simulation.scene.tabletop import SceneObject, Tabletop
from sam_simulation.video.script import RATE_HZ, Event, EventKind, write_script

VIDEO_DEVELOPMENT_SEEDS = range(100)
VIDEO_HELD_OUT_SEEDS = range(2000, 2020)  # nothing is tuned on these
_TABLE_M = (2.2, 1.8)  # so that what leaves the image is still on the table


class Video:
    """A video from a seed: the same seed gives the same video to the bit.

    What it promises to show (`events`, targets that are wholly seen at first) it shows in images
    whose sides are 4 to 3, as 640x480.

    Parameters
    ----------
    seed : int
        0 and up.
    kinds : collection of EventKind or None
        What has to happen; None: as the seed has it, by turns.

    Attributes
    ----------
    scene : Tabletop
        As it is at the beginning; the targets come first, and what covers them last.
    events : tuple of Event
    target_ids : tuple of int
        The objects to be tracked.
    duration_s, rate_hz : float
        Length, and frames per second.

    """

    def __init__(self, seed: int, *, kinds: Collection[EventKind] | None = None) -> None:
        self.seed = seed
        self.rate_hz = RATE_HZ
        self.scene = Tabletop(seed, object_count=1)
        self._script = script = write_script(seed, kinds)
        self.duration_s = script.duration_s
        self.events: tuple[Event, ...] = script.events
        self.target_ids = tuple(range(1, script.target_count + 1))
        self._rest = {
            object_id: actor.pose(0.0) for object_id, actor in enumerate(script.actors, start=1)
        }
        self.scene.objects = tuple(
            SceneObject(object_id, actor.class_name, replace(actor.surface, mesh=placed))
            for object_id, actor in enumerate(script.actors, start=1)
            for pose in [self._rest[object_id]]
            for placed in [actor.surface.mesh.moved(pose[:3, :3], pose[:3, 3])]
        )
        table = mesh.box([*_TABLE_M, 0.03], cells=24, texture_m=0.5)
        self.scene.table = replace(
            self.scene.table, mesh=table.moved(np.eye(3), [0.0, 0.0, -0.015])
        )

    def __len__(self) -> int:
        """Return the number of frames."""
        return round(self.duration_s * self.rate_hz)

    def camera(self, time_s: float) -> Pose:
        """Return the camera's pose `tf_world_camera` at a time [s], shape (4, 4)."""
        return self._script.camera(time_s)

    def motions(self, time_s: float) -> dict[int, Pose]:
        """Return by object id how it was moved since the beginning, for `Renderer.render`."""
        return {
            object_id: actor.pose(time_s) @ np.linalg.inv(self._rest[object_id])
            for object_id, actor in enumerate(self._script.actors, start=1)
        }

    def frames(
        self, size_wh: tuple[int, int] = (640, 480), *, fine: bool = False
    ) -> Iterator[RgbdFrame]:
        """Yield the frames one by one.

        Parameters
        ----------
        size_wh : (int, int)
            Of the images [px].
        fine : bool
            Whether colour is averaged over samples of each pixel; twice the work on a CPU.

        Raises
        ------
        RenderingError
            If there is no OpenGL to render with.

        """
        with Renderer(self.scene, size_wh, fine=fine) as renderer:
            for index in range(len(self)):
                time_s = index / self.rate_hz
                yield renderer.render(
                    self.camera(time_s), time_s=time_s, motions=self.motions(time_s)
                )
