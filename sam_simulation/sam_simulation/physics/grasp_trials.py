# SPDX-License-Identifier: Apache-2.0
"""Scenes to plan grasps in, as a camera sees them, each with its evaluator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from sam_common.types import BoolArray
from sam_grasping import Grasp, Gripper, View
from sam_simulation.camera.renderer import Renderer
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.camera.sensor import SensorNoise
from sam_simulation.camera.viewpoint import random_view
from sam_simulation.physics.evaluator import GraspEvaluator
from sam_simulation.physics.outcome import GraspOutcome
from sam_simulation.scene.tabletop import Tabletop

MIN_TARGET_PX = 400


@dataclass(frozen=True, eq=False)
class GraspScene:
    """A scene whose objects have come to rest, and a view of it.

    Parameters
    ----------
    scene : Tabletop
    evaluator : GraspEvaluator
    frame : RgbdFrame
        Of the rested scene.
    targets : tuple of int
        The objects that rest and are seen well enough.

    """

    scene: Tabletop
    evaluator: GraspEvaluator
    frame: RgbdFrame
    targets: tuple[int, ...]

    def view(self, object_id: int, mask: BoolArray | None = None) -> View:
        """Return what a planner looks at: an object by its true mask, or by another one (H, W)."""
        frame = self.frame
        truth = np.asarray(frame.labels == object_id)
        return View(
            depth_m=frame.depth_m, mask=truth if mask is None else mask, camera=frame.camera
        )

    def try_grasp(self, grasp: Grasp, object_id: int) -> GraspOutcome:
        """Return how a grasp in the camera's frame ends."""
        return self.evaluator.try_grasp(grasp.in_frame(self.frame.tf_world_camera), object_id)


def grasp_scenes(
    seeds: Iterable[int],
    *,
    gripper: Gripper | None = None,
    friction: float = 0.8,
    noise: SensorNoise | None = None,
    size_wh: tuple[int, int] = (640, 480),
) -> Iterator[GraspScene]:
    """Yield each seed's scene at rest, with one frame from its random view.

    Parameters
    ----------
    seeds : iterable of int
    gripper : Gripper or None
        None: a usual one of 80 mm.
    friction : float
        Coefficient between the gripper and the objects.
    noise : SensorNoise or None
        None: a usual amount.
    size_wh : (int, int)
        Of the images [px].

    Raises
    ------
    RenderingError
        If there is no OpenGL to render with.

    """
    for seed in seeds:
        scene = Tabletop(seed)
        evaluator = GraspEvaluator(scene, gripper, friction=friction)
        with Renderer(scene, size_wh, noise=noise) as renderer:
            frame = renderer.render(random_view(seed), motions=evaluator.motions)
        counts = np.bincount(frame.labels.ravel(), minlength=len(scene.objects) + 1)
        targets = tuple(i for i in evaluator.targets if counts[i] >= MIN_TARGET_PX)
        yield GraspScene(scene, evaluator, frame, targets)
