# SPDX-License-Identifier: Apache-2.0
"""The planner of docs/extending.md, from a package of its own."""

import numpy as np
import pytest
from tabletop_camera import BOX, CAMERA, DEPTH_M, IDS, NODE, TabletopCamera, mask_image

from sam_grasping import Gripper, Limits, Plane, PlannerOptions, View

VIEW = View(depth_m=DEPTH_M.astype(np.float32), mask=IDS == BOX, camera=CAMERA)


def test_the_node_plans_with_it(ros, documented_package):
    folder = documented_package('along_view')
    ros.start_node(NODE, first_on_path=folder, planner='along_view')
    camera = TabletopCamera(ros)
    camera.send()
    answer = camera.ask(mask=mask_image(IDS == BOX))
    assert answer.success, answer.message
    (grasp,) = answer.grasps.grasps
    assert grasp.score == pytest.approx(0.5)


@pytest.fixture
def plan(documented_package, monkeypatch):
    """Return a function that plans with it in this process."""
    monkeypatch.syspath_prepend(documented_package('along_view'))
    from along_view import AlongView

    def plan(*, gripper=None, plane=None, **limits):
        planner = AlongView(gripper or Gripper(), PlannerOptions())
        view = View(depth_m=VIEW.depth_m, mask=VIEW.mask, camera=CAMERA, plane=plane)
        return planner.plan(view, limits=Limits(**limits))

    return plan


def test_its_fingers_close_across_the_narrow_side(plan):
    found = plan()
    (grasp,) = found.grasps
    across = found.object_points @ grasp.pose[:3, 1]
    assert grasp.width_m == pytest.approx(np.ptp(across))
    assert np.ptp(across) < np.ptp(found.object_points @ grasp.pose[:3, 0])
    assert grasp.pre_grasp[2, 3] < grasp.pose[2, 3]
    assert grasp.lift[2, 3] < grasp.pose[2, 3]


@pytest.mark.parametrize(
    ('given', 'cause'),
    [
        ({'gripper': Gripper(max_width_m=0.01)}, 'too_wide'),
        ({'plane': Plane(np.array([0.0, -1.0, 0.0]), 0.1)}, 'outside_approach_cone'),
        ({'high_m': (0.0, 0.0, 0.1)}, 'outside_workspace'),
        ({'reachable': lambda grasp: False}, 'unreachable'),
    ],
)
def test_it_applies_options_and_limits(plan, given, cause):
    found = plan(**given)
    assert not found.grasps
    assert found.rejections == {cause: 1}
