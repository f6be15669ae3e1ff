# SPDX-License-Identifier: Apache-2.0
"""`grasp_node` with planners for tests and benchmarks: instant, slow, reluctant, broken."""

import time

import numpy as np

from sam_grasping import Grasp, Plan, Plane, Planner
from sam_grasping.core import registry
from sam_grasping.ros.grasp_node import main

SLOW_S = 0.3
GRASPS = 20


class Instant(Planner):
    """Grasps the mean of what is seen, along the camera's view."""

    def plan(self, view, *, limits=None, max_grasps=None):
        rows, columns = np.nonzero(view.mask & np.isfinite(view.depth_m))
        z = float(view.depth_m[rows, columns].mean()) if len(rows) else 1.0
        camera = view.camera
        pose = np.eye(4)
        if len(rows):
            pose[:3, 3] = (
                (columns.mean() - camera.cx) / camera.fx * z,
                (rows.mean() - camera.cy) / camera.fy * z,
                z,
            )
        grasp = Grasp(
            pose=pose, pre_grasp=pose, lift=pose, width_m=0.03, opening_m=0.06, score=0.7
        )
        return Plan(
            grasps=(grasp,) * min(GRASPS, max_grasps or GRASPS),
            object_points=np.tile(pose[:3, 3], (1000, 1)),
            plane=Plane(np.array([0.0, 0.0, -1.0]), 1.0),
        )


class Slow(Instant):
    """Takes 300 ms."""

    def plan(self, view, *, limits=None, max_grasps=None):
        time.sleep(SLOW_S)
        return super().plan(view, limits=limits, max_grasps=max_grasps)


class Broken(Planner):
    """Has a bug."""

    def plan(self, view, *, limits=None, max_grasps=None):
        raise ZeroDivisionError('a bug')


if __name__ == '__main__':
    for planner in (Instant, Slow, Broken):
        registry.register(planner.__name__.lower(), f'odd_planners_node:{planner.__name__}')
    main()
