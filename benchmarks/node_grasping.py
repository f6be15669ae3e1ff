# SPDX-License-Identifier: Apache-2.0
"""How much `grasp_node` adds to its planner, from a mask to grasps."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
TESTS = ROOT / 'sam_grasping' / 'test'
sys.path += [str(ROOT), str(TESTS), str(TESTS / 'ros')]

from geometry_msgs.msg import PoseArray  # noqa: E402
from report import Figure, at_most, write  # noqa: E402
from sensor_msgs.msg import PointCloud2  # noqa: E402
from shapes_in_depth import Box, Ground, look_at, pinhole, placed, render  # noqa: E402
from tabletop_camera import (  # noqa: E402
    TabletopCamera,
    camera_info,
    depth_image,
    mask_image,
)
from visualization_msgs.msg import MarkerArray  # noqa: E402

from conftest import own_domain  # noqa: E402
from sam_grasping import View, load_planner  # noqa: E402
from sam_interfaces.msg import GraspArray  # noqa: E402
from sam_interfaces.srv import PlanGrasps  # noqa: E402

NODE = (sys.executable, '-m', 'sam_grasping.ros.grasp_node')
ODD_PLANNERS = (sys.executable, TESTS / 'ros' / 'odd_planners_node.py')
CALLS = 200
GOAL_MS = 30.0
CAMERA = pinhole((640, 480))
DEPTH_M, IDS = render(
    [Ground(), Box((0.06, 0.04, 0.1), pose=placed(z=0.05, yaw=0.3))],
    CAMERA,
    look_at((0.5, 0.1, 0.5), (0, 0, 0.04)),
)
BOX = 2
TOPICS = (
    (GraspArray, 'grasps'),
    (PoseArray, 'grasp_poses'),
    (PointCloud2, 'object_points'),
    (MarkerArray, 'markers'),
)


def main() -> None:
    """Run all."""
    write('node_grasping', [*overhead(), *against_the_planner()])


@contextmanager
def running(*command: Any) -> Iterator[TabletopCamera]:
    """Yield a camera before a node whose every topic somebody hears."""
    with own_domain() as ros:
        ros.start(*command)
        camera = TabletopCamera(ros)
        for kind, topic in TOPICS:
            ros.listen(kind, f'/sam_grasping/{topic}')
        yield camera


def fresh(camera: TabletopCamera) -> Any:
    """Send a depth image that the node has not decoded yet; return its header."""
    header = camera.next_header()
    info = camera_info(CAMERA, header)
    message = depth_image(DEPTH_M, header, encoding='16UC1')
    return camera.send(header=header, info=info, message=message)


def milliseconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    function()
    return 1e3 * (time.perf_counter() - begin)


def ask(camera: TabletopCamera, **fields: Any) -> None:
    """Call ~/plan, and take nothing but grasps for an answer."""
    answer = camera.ros.call(camera.client, PlanGrasps.Request(**fields))
    if not answer.success:
        raise RuntimeError(answer.message)


def overhead() -> list[Figure]:
    """A round trip with a planner that takes no time, by mask and by id."""
    figures = []
    with running(*ODD_PLANNERS, '--ros-args', '-p', 'planner:=instant') as camera:
        fresh(camera)
        for what in ('mask', 'id'):
            times = []
            for _ in range(CALLS):
                header = fresh(camera)
                fields = {'mask': mask_image(IDS == BOX, header.stamp)}
                if what == 'id':
                    camera.track(header, (BOX,), labels=IDS)
                    fields = {'object_id': BOX}
                times.append(milliseconds(lambda f=fields: ask(camera, **f)))
            detail = (
                f'640x480, 16UC1, by {what}, 20 grasps, every topic heard, a planner that takes '
                f'no time, {CALLS} images'
            )
            p50, p95 = np.percentile(times, [50, 95])
            figures += [
                at_most(f'node overhead by {what} p50', float(p50), 'ms', GOAL_MS, detail),
                Figure(f'node overhead by {what} p95', float(p95), 'ms'),
            ]
    return figures


def against_the_planner() -> list[Figure]:
    """The default planner through the node and without it, in turns."""
    planner = load_planner()
    planner.warm_up()
    view = View(depth_m=DEPTH_M, mask=IDS == BOX, camera=CAMERA)
    ours, bare = [], []
    with running(*NODE) as camera:
        for number in range(CALLS // 4):
            mask = mask_image(IDS == BOX, fresh(camera).stamp)
            through = milliseconds(lambda m=mask: ask(camera, mask=m))
            alone = milliseconds(lambda: planner.plan(view))
            if number >= 5:  # both are warm
                ours.append(through)
                bare.append(alone)
    p50, alone_p50 = float(np.median(ours)), float(np.median(bare))
    return [
        at_most(
            'mask to grasps, node - planner p50',
            p50 - alone_p50,
            'ms',
            GOAL_MS,
            f'{p50:.1f} ms through the node, {alone_p50:.1f} ms in the planner alone, in turns, '
            f'{len(ours)} each',
        )
    ]


if __name__ == '__main__':
    main()
