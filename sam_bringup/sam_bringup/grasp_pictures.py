# SPDX-License-Identifier: Apache-2.0
"""Pictures of grasps: the gripper drawn into the camera's image and into the cloud."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_common.camera_model import CameraModel
from sam_common.transforms import apply, inverse
from sam_common.types import Float32Array, FloatArray, UInt8Array
from sam_grasping import Grasp, Gripper

STEP_M = 0.0007
PALM_M = 0.012  # of the palm's depth only so much is drawn: it would hide what it is over
LIGHT = np.array([0.3, -0.5, 0.81])


def score_colour(score: float) -> tuple[int, int, int]:
    """Return red for a score of 0, green for 1, RGB."""
    return round(255 * min(1.0, 2 - 2 * score)), round(230 * min(1.0, 2 * score)), 40


def draw_grasps(
    image_rgb: UInt8Array,
    depth_m: Float32Array,
    grasps: Sequence[Grasp],
    camera: CameraModel,
    gripper: Gripper,
) -> UInt8Array:
    """Return the camera's image with the gripper where each grasp of its frame has it.

    What the gripper is behind of hides it; where there is no depth nothing does.
    """
    points, colours = _gripper_clouds(grasps, gripper)
    drawn = image_rgb.copy()
    far = np.where(np.isnan(depth_m), np.inf, depth_m)
    _splat(drawn, points, colours, camera, nearest_m=far, radius_px=1)
    return (0.25 * image_rgb + 0.75 * drawn).astype(np.uint8)


def draw_cloud(
    image_rgb: UInt8Array,
    depth_m: Float32Array,
    grasps: Sequence[Grasp],
    camera: CameraModel,
    gripper: Gripper,
    *,
    turn_rad: float = 0.6,
) -> UInt8Array:
    """Return the coloured cloud with the gripper, as a camera beside the real one would see it.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    depth_m : array of float32, shape (H, W)
        NaN: no reading.
    grasps : sequence of Grasp
        In the camera's optical frame.
    camera : CameraModel
    gripper : Gripper
    turn_rad : float
        How far the view is turned about the image's vertical, round the middle of the cloud.

    """
    cloud = camera.deproject(depth_m).astype(np.float64).reshape(-1, 3)
    near = np.isfinite(cloud).all(axis=1) & (cloud[:, 2] < 1.5)
    middle = np.median(cloud[near], axis=0)
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    turn = np.eye(4)
    turn[:3, :3] = [[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]
    turn[:3, 3] = middle - turn[:3, :3] @ middle
    points, colours = _gripper_clouds(grasps, gripper)
    points = np.concatenate([cloud[near], points])
    colours = np.concatenate([image_rgb.reshape(-1, 3)[near], colours])
    picture = np.full_like(image_rgb, 24)
    _splat(picture, apply(inverse(turn), points), colours, camera, radius_px=1)
    return picture


def _gripper_clouds(grasps: Sequence[Grasp], gripper: Gripper) -> tuple[FloatArray, UInt8Array]:
    """Return points (N, 3) all over the gripper at each grasp, and their colours (N, 3)."""
    points, colours = [np.zeros((0, 3))], [np.zeros((0, 3), np.uint8)]
    for grasp in grasps:
        for low, high in zip(*gripper.boxes(grasp.opening_m), strict=True):
            low[2] = max(low[2], high[2] - PALM_M) if high[2] < 0 else low[2]
            surface, normals = _box_surface(low, high)
            points.append(apply(grasp.pose, surface))
            light = 0.65 + 0.35 * (normals @ LIGHT)
            shaded = light[:, None] * np.array(score_colour(grasp.score))
            colours.append(np.clip(shaded, 0, 255).astype(np.uint8))
    return np.concatenate(points), np.concatenate(colours)


def _box_surface(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return points (N, 3) all over a box, and the normal (N, 3) of each."""
    points, normals = [], []
    for axis in range(3):
        across, up = (other for other in range(3) if other != axis)
        u = np.arange(low[across], high[across] + STEP_M, STEP_M)
        v = np.arange(low[up], high[up] + STEP_M, STEP_M)
        for sign, side in ((-1.0, low[axis]), (1.0, high[axis])):
            face = np.empty((len(u), len(v), 3))
            face[..., axis], face[..., across], face[..., up] = side, u[:, None], v
            points.append(face.reshape(-1, 3))
            normals.append(np.tile(sign * np.eye(3)[axis], (face.size // 3, 1)))
    return np.concatenate(points), np.concatenate(normals)


def _splat(
    image_rgb: UInt8Array,
    points_camera: FloatArray,
    colours: UInt8Array,
    camera: CameraModel,
    *,
    nearest_m: Float32Array | None = None,
    radius_px: int,
) -> None:
    """Draw points into an image, near ones over far ones, each as a small square."""
    height, width = image_rgb.shape[:2]
    ahead = points_camera[:, 2] > 0.01
    points, colours = points_camera[ahead], colours[ahead]
    order = np.argsort(-points[:, 2])
    points, colours = points[order], colours[order]
    xy = np.rint(camera.project(points))
    for dy in range(-radius_px, radius_px + 1):
        for dx in range(-radius_px, radius_px + 1):
            x, y = xy[:, 0] + dx, xy[:, 1] + dy
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            column, row = x[inside].astype(int), y[inside].astype(int)
            colour, z = colours[inside], points[inside, 2]
            if nearest_m is not None:
                shown = z < nearest_m[row, column]
                column, row, colour = column[shown], row[shown], colour[shown]
            # Of several at one pixel the last, hence nearest, stays; but a neighbour's square may
            # cover it, by a pixel at most.
            image_rgb[row, column] = colour
