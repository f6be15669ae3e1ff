# SPDX-License-Identifier: Apache-2.0
"""From a depth image and a mask to an object on a table."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.errors import DepthError
from sam_common.transforms import apply, inverse
from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_grasping.core.errors import NoTableError, TargetError
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.observe.completion import complete
from sam_grasping.core.observe.crop import Crop, crop
from sam_grasping.core.observe.depth_edges import Smoothness, smoothness
from sam_grasping.core.observe.downsampling import VOXEL_M, voxel_means, without_specks
from sam_grasping.core.observe.normals import estimate_normals
from sam_grasping.core.observe.observation import Observation, Surface
from sam_grasping.core.observe.obstacles import beside_object, outside_footprint
from sam_grasping.core.observe.outliers import main_body
from sam_grasping.core.observe.plane_fit import MIN_AREA_M2, REMEDY, find_table, table_area_m2
from sam_grasping.core.plane import Plane
from sam_grasping.core.view import View

MIN_POINTS = 30
# Lower than this is the table, as far as depth can tell [m].
TABLE_M = 0.004
# Pixels that the table is looked for in.
TABLE_SAMPLES = 5000
# Fewer points than this, alone, are a sensor's fancy and no obstacle.
SPECK = 3
# Further behind what is measured than this is out of sight [m].
BEHIND_M = 0.005


def observe(view: View, gripper: Gripper, *, approach_m: float = 0.1) -> Observation:
    """Return what a view shows of its object, and what stands round it.

    Parameters
    ----------
    view : View
    gripper : Gripper
        Its size decides how far round the object is looked for obstacles.
    approach_m : float
        So does how far before the grasp the approach begins [m].

    Raises
    ------
    DepthError
        If there is no depth at all, or none on the object.
    TargetError
        If the mask is empty, or leaves too few points.
    NoTableError
        If there is no table that the object stands on.

    """
    if not view.mask.any():
        raise TargetError('the mask is empty; choose an object that the camera sees')
    reach_m = _reach_m(gripper, approach_m)
    near = crop(view, reach_m)
    measured = np.isfinite(near.depth_m)
    if not (near.mask & measured).any():
        raise DepthError(
            f'none of the {int(near.mask.sum())} pixels of the mask has depth; the object may be '
            'transparent, shiny, or too close to the camera'
        )
    smooth = smoothness(near.depth_m, view.camera.fx)
    on_surface = smooth.on_surface & measured
    plane = view.plane or table_of(near, on_surface)
    if plane.offset_m <= 0:
        raise NoTableError(
            f'the camera is {-plane.offset_m:.3f} m below the given table; give the plane with '
            'its normal upwards, in the frame of the camera'
        )
    heights = near.points @ plane.normal.astype(np.float32) + np.float32(plane.offset_m)
    obj, dropped = _object(near, smooth, measured, on_surface, heights)
    points = near.points[obj].astype(np.float64)
    tf_camera_table = _table_frame(points, plane)
    tf_table_camera = inverse(tf_camera_table)
    viewpoint = tf_table_camera[:3, 3]
    points = apply(tf_table_camera, points)
    thinned = voxel_means(points, points)
    seen = Surface(thinned, estimate_normals(thinned, viewpoint))

    def occluded(candidates: FloatArray) -> BoolArray:
        return near.occluded(apply(tf_camera_table, candidates), behind_m=BEHIND_M)

    around = on_surface & (heights > TABLE_M) & ~beside_object(near.depth_m, obj)
    return Observation(
        tf_camera_table=tf_camera_table,
        viewpoint=viewpoint,
        seen=seen,
        unseen=complete(points, seen, occluded),
        obstacles=_obstacles(near, around, tf_table_camera, points, reach_m),
        dropped=dropped,
    )


def _reach_m(gripper: Gripper, approach_m: float) -> float:
    """Return how far from the object the gripper may be, at most, when it grasps it."""
    along = gripper.finger_length_m + gripper.palm_size_xyz_m[2] + approach_m
    return along + max(gripper.palm_size_xyz_m[:2]) / 2


def table_of(near: Crop, on_surface: BoolArray) -> Plane:
    """Return the plane that the masked object stands on, from the pixels (H, W) of surfaces.

    Raises
    ------
    NoTableError
        If too little of it is seen, or nothing of the object.

    """
    stride = max(1, round((on_surface.sum() / TABLE_SAMPLES) ** 0.5))
    part = np.zeros_like(on_surface)
    part[::stride, ::stride] = True
    rows, columns = np.nonzero(part & on_surface & ~near.mask)
    inner = cv2.erode(near.mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    inner &= on_surface
    obj = near.points[inner if inner.sum() >= MIN_POINTS else near.mask & on_surface]
    if not len(obj):
        obj = near.points[near.mask & np.isfinite(near.depth_m)]
    points = near.points[rows, columns].astype(np.float64)
    pixel = np.stack([rows, columns], axis=1) // stride
    plane = find_table(points, pixel, obj.astype(np.float64))
    area = table_area_m2(points, plane, stride**2, near.camera.fx * near.camera.fy)
    if area < MIN_AREA_M2:
        raise NoTableError(
            f'the largest plane below the object is {area * 1e4:.0f} cm^2; at least '
            f'{MIN_AREA_M2 * 1e4:.0f} cm^2 of the table must be seen; {REMEDY}'
        )
    return plane


def _object(
    near: Crop,
    smooth: Smoothness,
    measured: BoolArray,
    on_surface: BoolArray,
    heights: Float32Array,
) -> tuple[BoolArray, dict[str, int]]:
    """Return the object's pixels, and how many of the mask's were dropped by cause."""
    with_depth = near.mask & measured
    steady = with_depth & on_surface
    above = steady & (heights > TABLE_M)
    obj = main_body(above, smooth, near.points)
    stages = [near.mask, with_depth, steady, above, obj]
    counts = [int(stage.sum()) for stage in stages]
    causes = ('no_depth', 'depth_edge', 'on_table', 'outlier')
    dropped = {
        cause: before - after
        for cause, before, after in zip(causes, counts[:-1], counts[1:], strict=True)
        if before > after
    }
    if counts[-1] < MIN_POINTS:
        why = ', '.join(f'{count} {cause}' for cause, count in dropped.items()) or 'none dropped'
        raise TargetError(
            f'{counts[-1]} of the {counts[0]} pixels of the mask show the object, {MIN_POINTS} '
            f'are needed ({why}); go closer, or choose a larger mask'
        )
    return obj, dropped


def _table_frame(points: FloatArray, plane: Plane) -> FloatArray:
    """Return tf_camera_table, from the object's points in the camera's frame."""
    z = plane.normal
    foot = -plane.offset_m * z
    # Away from the camera; seen from right above, that is up in the image.
    flat = points.mean(axis=0) - foot
    flat -= (flat @ z) * z
    if np.linalg.norm(flat) < 0.01:
        flat = np.array([0.0, -1.0, 0.0]) - (-z[1]) * z
    x = flat / np.linalg.norm(flat)
    y = np.cross(z, x)
    along = np.stack([(points - foot) @ x, (points - foot) @ y], axis=1).astype(np.float32)
    middle, _, _ = cv2.minAreaRect(along)
    tf = np.eye(4)
    tf[:3, :3] = np.stack([x, y, z], axis=1)
    tf[:3, 3] = foot + middle[0] * x + middle[1] * y
    return tf


def _obstacles(
    near: Crop, around: BoolArray, tf_table_camera: FloatArray, obj: FloatArray, reach_m: float
) -> FloatArray:
    # Pixels that are closer together than the voxels add nothing.
    distance_m = float(np.nanmedian(near.depth_m[near.mask]))
    stride = max(1, int(VOXEL_M * near.camera.fx / distance_m))
    thin = near.points[::stride, ::stride][around[::stride, ::stride]].astype(np.float64)
    points = apply(tf_table_camera, thin)
    low, high = obj[:, :2].min(axis=0) - reach_m, obj[:, :2].max(axis=0) + reach_m
    points = points[((points[:, :2] >= low) & (points[:, :2] <= high)).all(axis=1)]
    points = points[outside_footprint(points, obj)]
    points = without_specks(points, at_least=SPECK, voxel_m=4 * VOXEL_M)
    return voxel_means(points, points)
