# SPDX-License-Identifier: Apache-2.0
"""The demo's grasping: every object of a scene is clicked and planned for, the grasp judged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sam_bringup.demo_client import DemoClient, Shot
from sam_bringup.demo_pictures import deepest_point, write_png
from sam_bringup.grasp_pictures import draw_cloud, draw_grasps
from sam_common.ros.answers import PlannedGrasp
from sam_common.types import BoolArray
from sam_grasping import Grasp, Gripper
from sam_segmentation import draw_overlay
from sam_simulation import GraspEvaluator


@dataclass(frozen=True)
class GraspRow:
    """One line of the table: an object, its best grasp, and what became of it.

    Parameters
    ----------
    scene : str
        Its seed, or 'bag'.
    name : str
    grasps : int
        How many were found.
    score : float
        Of the best one [0-1]; 0: there is none.
    width_mm : float
        Of the object between the fingers.
    lean_deg : float or None
        How far the approach leans from straight down; None: which way is down is not known.
    milliseconds : float
        From the click to the answer: segmenting and planning.
    outcome : str
        The evaluator's: 'held', or how it failed; 'no grasp'; 'not judged'.

    """

    scene: str
    name: str
    grasps: int
    score: float
    width_mm: float
    lean_deg: float | None
    milliseconds: float
    outcome: str


def grasp_scene(
    client: DemoClient,
    shot: Shot,
    objects: dict[int, BoolArray],
    *,
    scene: str,
    evaluator: GraspEvaluator | None,
    output: Path,
) -> list[GraspRow]:
    """Click each object of a frame, let grasps be planned, try the best one, draw them all.

    Parameters
    ----------
    client : DemoClient
    shot : Shot
    objects : dict of int to array of bool, shape (H, W)
        The true masks of those to grasp.
    scene : str
        What the picture and the rows are called.
    evaluator : GraspEvaluator or None
        Of the same scene, where grasps come in the world's frame; None: they are not tried.
    output : Path
        Folder for the picture.

    """
    rows, best, masks = [], [], []
    for object_id, truth in objects.items():
        points_xy = [deepest_point(truth)]
        segmented, _ = client.segment(shot, points_xy=points_xy)
        masks.append(segmented.mask)
        plan, seconds = client.plan(shot, points_xy=points_xy)
        grasps = [_grasp(planned) for planned in plan.grasps]
        outcome = 'no grasp'
        if grasps:
            outcome = (
                evaluator.try_grasp(grasps[0], object_id).cause if evaluator else 'not judged'
            )
            best.append(grasps[0].in_frame(client.tf_camera(shot, plan.frame_id)))
        rows.append(
            GraspRow(
                scene,
                shot.names[object_id],
                len(grasps),
                grasps[0].score if grasps else 0.0,
                1e3 * grasps[0].width_m if grasps else 0.0,
                _lean_deg(grasps[0]) if grasps and evaluator else None,
                1e3 * seconds,
                outcome,
            )
        )
    overlay = draw_overlay(
        shot.image_rgb, masks, list(objects), texts=[shot.names[i] for i in objects]
    )
    depth_m, camera, gripper = *client.depth(shot), Gripper()
    picture = np.concatenate(
        [
            draw_grasps(overlay, depth_m, best, camera, gripper),
            draw_cloud(shot.image_rgb, depth_m, best, camera, gripper),
        ],
        axis=1,
    )
    write_png(output / f'grasps_{scene}.png', picture)
    return rows


def _grasp(planned: PlannedGrasp) -> Grasp:
    return Grasp(
        pose=planned.pose,
        pre_grasp=planned.pre_grasp,
        lift=planned.lift,
        width_m=planned.width_m,
        opening_m=planned.opening_m,
        score=planned.score,
    )


def _lean_deg(grasp: Grasp) -> float:
    """Return the angle between a grasp's approach and straight down, in the world's frame."""
    return float(np.degrees(np.arccos(np.clip(-grasp.pose[2, 2], -1, 1))))


def print_grasps(rows: list[GraspRow]) -> None:
    """Print the table."""
    print(
        f'\n{"scene":<6} {"object":<10} {"grasps":>6} {"score":>6} {"width mm":>9} '
        f'{"lean deg":>9} {"ms":>6}  outcome'
    )
    for line in rows:
        lean = '' if line.lean_deg is None else f'{line.lean_deg:.0f}'
        print(
            f'{line.scene:<6} {line.name:<10} {line.grasps:6d} {line.score:6.2f} '
            f'{line.width_mm:9.0f} {lean:>9} {line.milliseconds:6.0f}  {line.outcome}'
        )
