# SPDX-License-Identifier: Apache-2.0
"""How fast a grasp is planned, against what tutorials do with a mask and a depth image.

    PYTHONPATH=sam_common:sam_segmentation:sam_grasping:sam_simulation \\
        python benchmarks/grasp_speed.py

One core. The scenes are those that planners may be tuned on: speed does not depend on it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from statistics import median
from typing import TypeVar

# Read when NumPy is first imported.
os.environ['OMP_NUM_THREADS'] = os.environ['OPENBLAS_NUM_THREADS'] = '1'

import cv2
import numpy as np
from report import Figure, at_least, at_most, write

from sam_grasping import CameraModel, Gripper, View, load_planner
from sam_grasping.core.observe.observe import observe
from sam_simulation.camera.dataset import DEVELOPMENT_SEEDS
from sam_simulation.physics.grasp_trials import grasp_scenes

T = TypeVar('T')


def timed_ms(function: Callable[[], T]) -> tuple[float, T]:
    """Return how long a call takes [ms], and what it returns."""
    begin = time.perf_counter()
    result = function()
    return (time.perf_counter() - begin) * 1e3, result


def loop_points(view: View) -> list[list[float]]:
    """Return the mask's points as tutorials compute them: pixel by pixel."""
    camera, points = view.camera, []
    rows, columns = np.where(view.mask)
    for v, u in zip(rows, columns, strict=True):
        z = view.depth_m[v, u]
        if np.isnan(z):
            continue
        x = (u - camera.cx) * z / camera.fx
        y = (v - camera.cy) * z / camera.fy
        points.append([x, y, z])
    return points


def loop_centroid(view: View) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the mean of the mask's points, the tutorials' grasp point."""
    return np.mean(loop_points(view), axis=0)


def our_centroid(view: View) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the same by array operations."""
    at = np.flatnonzero(view.mask)
    z = view.depth_m.ravel()[at]
    at, z = at[z > 0], z[z > 0]
    x, y = (axis.ravel()[at] for axis in view.camera.rays_xy)
    return np.array([x @ z, y @ z, z.sum()]) / len(z)


def deprojection(views: list[View], repeats: int) -> list[Figure]:
    """Whole images and centroids of masks, by us and by the loop, in turns."""
    ours, loops, centroids, loop_centroids = [], [], [], []
    for number in range(repeats):
        view = views[number % len(views)]
        whole = View(
            depth_m=view.depth_m, mask=np.ones_like(view.mask, dtype=bool), camera=view.camera
        )
        loop_ms, expected = timed_ms(lambda of=whole: loop_points(of))
        for _ in range(5):
            ms, points = timed_ms(lambda of=whole: of.camera.deproject(of.depth_m))
            ours.append(ms)
        loops.append(loop_ms)
        same(points[np.isfinite(points[..., 2])], np.array(expected))
        ms, middle = timed_ms(lambda of=view: our_centroid(of))
        loop_ms, expected_middle = timed_ms(lambda of=view: loop_centroid(of))
        centroids.append(ms)
        loop_centroids.append(loop_ms)
        same(middle, expected_middle)
    area = median(int(view.mask.sum()) for view in views)
    width, height = views[0].camera.size_wh
    size = f'{width}x{height}'
    return [
        at_most(f'deprojection of {size}', median(ours), 'ms', 2.0, 'median, every pixel'),
        at_least(
            'deprojection, times a per-pixel loop',
            median(loops) / median(ours),
            'x',
            200,
            f'the same {size} pixels; the loop takes {median(loops):.0f} ms',
        ),
        Figure(
            "centroid of a mask, times the tutorials' loop",
            median(loop_centroids) / median(centroids),
            'x',
            detail=f'masks of {area:.0f} px at the median: {median(centroids):.2f} ms against '
            f'{median(loop_centroids):.1f} ms',
        ),
    ]


def same(ours: np.ndarray, theirs: np.ndarray) -> None:  # type: ignore[type-arg]
    """Raise RuntimeError if both sides did not compute the same."""
    if not np.allclose(ours, theirs, atol=1e-5):
        raise RuntimeError('the loop and we disagree; the ratio would mean nothing')


def planning(views: list[View]) -> list[Figure]:
    """The whole plan for each object, and the observing part of it, in turns."""
    planner, gripper = load_planner(), Gripper()
    planner.warm_up()
    planner.plan(views[0])
    observed, planned = [], []
    for view in views:
        observed.append(timed_ms(lambda of=view: observe(of, gripper))[0])
        planned.append(timed_ms(lambda of=view: planner.plan(of))[0])
    rest = [whole - part for whole, part in zip(planned, observed, strict=True)]
    where = f'{len(views)} objects in simulated scenes, after the first call'
    return [
        at_most('plan for one object, p50', float(np.percentile(planned, 50)), 'ms', 150, where),
        at_most('plan for one object, p95', float(np.percentile(planned, 95)), 'ms', 400, where),
        *(
            Figure(f'{name}, p{rank}', float(np.percentile(values, rank)), 'ms', detail=detail)
            for name, values, detail in (
                ('observing', observed, 'of that: table, clean surface, completion, obstacles'),
                ('planning on it', rest, 'the rest'),
            )
            for rank in (50, 95)
        ),
    ]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--scenes', type=int, default=25, help='how many scenes to plan in')
    parser.add_argument('--repeats', type=int, default=9, help='how often the loop is run')
    options = parser.parse_args()
    cv2.setNumThreads(1)
    seeds = DEVELOPMENT_SEEDS[: options.scenes]
    views = [at.view(target) for at in grasp_scenes(seeds) for target in at.targets]
    first: CameraModel = views[0].camera
    first.deproject(views[0].depth_m)  # prepares the rays, as a node does once
    write('grasp_speed', deprojection(views, options.repeats) + planning(views))


if __name__ == '__main__':
    main()
