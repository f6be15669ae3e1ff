# SPDX-License-Identifier: Apache-2.0
"""Points are moved as a rotation and a translation move them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sam_common.transforms import moved

PLACES = st.tuples(*[st.floats(-5, 5)] * 3)


@given(PLACES, PLACES, PLACES)
def test_a_point_is_turned_and_then_moved(point, translation, rotvec):
    rotation = Rotation.from_rotvec(rotvec)
    found = moved(point, translation, rotation.as_quat())
    np.testing.assert_allclose(found, rotation.apply(point) + translation, atol=1e-9)
