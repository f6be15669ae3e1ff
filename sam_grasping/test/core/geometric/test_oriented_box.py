# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapes_in_depth import placed

from sam_grasping.core.errors import TargetError
from sam_grasping.core.geometric.oriented_box import standing_box

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) / 2


@settings(max_examples=50, deadline=None)
@given(
    long=st.floats(0.05, 0.2),
    share=st.floats(0.2, 0.9),
    height=st.floats(0.01, 0.2),
    yaw=st.floats(-4, 4),
)
def test_the_box_of_a_box_is_that_box(long, share, height, yaw):
    size = np.array([long, long * share, height])
    pose = placed(x=0.3, y=-0.2, z=height / 2, yaw=yaw)
    box = standing_box(CORNERS * size @ pose[:3, :3].T + pose[:3, 3])
    assert box.size_xyz_m == pytest.approx(size, abs=1e-6)
    assert box.pose[:3, 3] == pytest.approx(pose[:3, 3], abs=1e-6)
    assert abs(box.pose[:3, 0] @ pose[:3, 0]) == pytest.approx(1, abs=1e-6)
    assert -np.pi / 2 <= box.yaw_rad < np.pi / 2
    assert np.linalg.det(box.pose[:3, :3]) == pytest.approx(1)


def test_nothing_cannot_be_measured():
    with pytest.raises(TargetError, match='no point'):
        standing_box(np.zeros((0, 3)))
