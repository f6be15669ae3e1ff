# SPDX-License-Identifier: Apache-2.0
"""The plane that an object stands on: RANSAC (Fischler and Bolles, 1981), then least squares."""

from __future__ import annotations

import numpy as np

from sam_common.types import FloatArray, IntArray
from sam_grasping.core.errors import NoTableError
from sam_grasping.core.plane import Plane

HYPOTHESES = 240
SAMPLES = 1500
MIN_SAMPLES = 60
INLIER_M, MIN_INLIER_M = 0.006, 0.0015
# A smaller patch is a thing's face, not a table [m^2].
MIN_AREA_M2 = 0.003
# The object may seem to reach this far into the table, and this share of it further.
SINK_M, SINK_SHARE = 0.008, 0.05
# A plane counts for less, the higher the object's lowest part is above it: 1/e for each [m], but
# not below a share, since something in front may hide that part.
FLOAT_M, FLOAT_SHARE = 0.03, 0.5
MAX_FLOAT_M = 0.2
SLANT = 0.3
# Only what is this near to the object's middle tells about its table [m].
NEAR_M = 0.35
# So does one that faces the bottom of the image, such as a wall that the object touches: fully for
# the first y of its normal, by the share for the second.
FACING_Y, FACING_SHARE = (-0.3, 0.1), (1.0, 0.2)
REMEDY = 'give the parameter table_plane, or a view that shows more of the table'


def find_table(points: FloatArray, pixel: IntArray, obj: FloatArray) -> Plane:
    """Return the plane that the object stands on; the same input gives the same answer.

    Parameters
    ----------
    points : array of float64, shape (N, 3)
        What is round the object, in the camera's optical frame [m].
    pixel : array of int, shape (N, 2)
        Of each point; neighbours are tried together.
    obj : array of float64, shape (M, 3)
        The object's points, without its mask's border [m].

    Raises
    ------
    NoTableError
        If no plane is large enough and below the object.

    """
    near = ((points - np.median(obj, axis=0)) ** 2).sum(axis=1) < NEAR_M**2
    points, pixel = points[near], pixel[near]
    if len(points) < MIN_SAMPLES:
        raise NoTableError(
            f'only {len(points)} pixels round the object have depth, {MIN_SAMPLES} are needed '
            f'to find the table; {REMEDY}'
        )
    rng = np.random.default_rng(0)
    normals, offsets = _hypotheses(points, pixel, rng)
    heights = obj[rng.integers(len(obj), size=min(len(obj), 300))] @ normals.T + offsets
    foot = np.quantile(heights, SINK_SHARE, axis=0) if len(heights) else np.zeros(0)
    beside = (foot > -SINK_M) & (foot < MAX_FLOAT_M)
    normals, offsets, foot = normals[beside], offsets[beside], foot[beside]
    some = points[rng.integers(len(points), size=SAMPLES)]
    near = np.abs(some @ normals.T + offsets) < INLIER_M
    # A pixel shows more of a surface that is far or slanted; its share of the area of a plane is
    # z^3 over the plane's distance from the camera. So a wall does not win by facing the camera.
    # Seen at a slant, a plane collects what only crosses it, so that the gain has an end.
    areas = (some[:, 2] ** 3) @ near / np.maximum(offsets, SLANT * np.median(some[:, 2]))
    stands = np.maximum(np.exp(-np.maximum(foot, 0) / FLOAT_M), FLOAT_SHARE)
    rank = areas * stands * np.interp(normals[:, 1], FACING_Y, FACING_SHARE)
    if not len(rank):
        raise NoTableError(f'no plane round the object is just below it; {REMEDY}')
    best = int(rank.argmax())
    return _refined(points, Plane(normals[best], float(offsets[best])))


def table_area_m2(
    points: FloatArray, plane: Plane, pixels_per_point: float, focal2: float
) -> float:
    """Return how much of a plane is seen [m^2]."""
    near = np.abs(plane.height_m(points)) < INLIER_M
    share = float((points[near, 2] ** 3).sum() / max(plane.offset_m, 1e-6))
    return share * pixels_per_point / focal2


def _hypotheses(
    points: FloatArray, pixel: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return unit normals (K, 3) towards the camera and its heights (K,) above the planes.

    Half of them go through points from anywhere, half through points of one neighbourhood, which
    finds planes that few of the points lie on.
    """
    lookup = np.full(pixel.max(axis=0) + 1, -1)
    lookup[pixel[:, 0], pixel[:, 1]] = np.arange(len(points))
    seeds = rng.integers(len(points), size=(2 * HYPOTHESES, 1))
    reach = max(4, min(lookup.shape) // 6)
    beside = pixel[seeds] + rng.integers(-reach, reach + 1, size=(len(seeds), 2, 2))
    beside = np.clip(beside, 0, np.array(lookup.shape) - 1)
    local = np.concatenate([seeds, lookup[beside[..., 0], beside[..., 1]]], axis=1)
    local = local[(local >= 0).all(axis=1)][:HYPOTHESES]
    triples = np.concatenate([local, rng.integers(len(points), size=(HYPOTHESES, 3))])
    a, b, c = points[triples].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    size = np.linalg.norm(normals, axis=1)
    wide = size > 1e-5
    normals, a = normals[wide] / size[wide, None], a[wide]
    offsets = -(normals * a).sum(axis=1)
    flip = np.sign(offsets)
    normals, offsets = normals * flip[:, None], offsets * flip
    # A plane through the camera is seen edge-on.
    facing = offsets > 0.1 * np.linalg.norm(a, axis=1)
    return normals[facing], offsets[facing]


def _refined(points: FloatArray, plane: Plane) -> Plane:
    limit_m = INLIER_M
    for _ in range(4):
        away = np.abs(plane.height_m(points))
        inliers = points[away < limit_m]
        # The feet of what stands there are no table: keep to what the noise explains.
        limit_m = min(INLIER_M, max(MIN_INLIER_M, 4.5 * float(np.median(away[away < limit_m]))))
        centre = inliers.mean(axis=0)
        deviation = inliers - centre
        normal = np.linalg.eigh(deviation.T @ deviation)[1][:, 0]
        normal *= -np.sign(normal @ centre)
        plane = Plane(normal, -float(normal @ centre))
    return plane
