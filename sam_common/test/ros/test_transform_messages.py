# SPDX-License-Identifier: Apache-2.0
"""A transform's message moves points as its rotation and its translation do."""

import numpy as np
from geometry_msgs.msg import Quaternion, Transform, Vector3
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sam_common.ros.conversions import matrix_from_msg
from sam_common.transforms import apply

PLACES = st.tuples(*[st.floats(-5, 5)] * 3)


@given(PLACES, PLACES, PLACES)
def test_a_point_is_turned_and_then_moved(point, translation, rotvec):
    rotation = Rotation.from_rotvec(rotvec)
    msg = Transform(
        translation=Vector3(**dict(zip('xyz', translation, strict=True))),
        rotation=Quaternion(**dict(zip('xyzw', rotation.as_quat().tolist(), strict=True))),
    )
    found = apply(matrix_from_msg(msg), np.array(point))
    np.testing.assert_allclose(found, rotation.apply(point) + translation, atol=1e-9)
