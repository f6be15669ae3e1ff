# SPDX-License-Identifier: Apache-2.0
"""Rigid transforms as (4, 4) matrices, `tf_A_B` from frame B to frame A."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam_common.errors import OptionError
from sam_common.types import FloatArray


def inverse(tf_a_b: FloatArray) -> FloatArray:
    """Return `tf_b_a` (4, 4).

    Examples
    --------
    >>> tf_base_camera = np.eye(4)
    >>> tf_base_camera[:3, 3] = 1.0, 0.0, 0.5
    >>> apply(inverse(tf_base_camera), np.array([[1.0, 0.0, 2.5]])).tolist()
    [[0.0, 0.0, 2.0]]

    """
    result = np.eye(4)
    result[:3, :3] = tf_a_b[:3, :3].T
    result[:3, 3] = -tf_a_b[:3, :3].T @ tf_a_b[:3, 3]
    return result


def apply(tf_a_b: FloatArray, points_b: FloatArray) -> FloatArray:
    """Return points (..., 3) of frame B in frame A.

    Examples
    --------
    >>> tf_base_camera = np.eye(4)
    >>> tf_base_camera[:3, 3] = 1.0, 0.0, 0.5
    >>> apply(tf_base_camera, np.array([[0.0, 0.0, 2.0]])).tolist()
    [[1.0, 0.0, 2.5]]

    """
    points_a: FloatArray = points_b @ tf_a_b[:3, :3].T + tf_a_b[:3, 3]
    return points_a


def checked(matrix: npt.ArrayLike, name: str) -> FloatArray:
    """Return a float64 copy (4, 4); raises OptionError if it is no rigid transform."""
    tf = np.array(matrix, np.float64)
    if tf.shape != (4, 4) or not np.isfinite(tf).all():
        raise OptionError(f'{name} is {matrix!r}; give a finite (4, 4) transform')
    rotation = tf[:3, :3]
    if (
        not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-6)
        or np.linalg.det(rotation) < 0
        or not np.array_equal(tf[3], [0, 0, 0, 1])
    ):
        raise OptionError(f'{name} is no rigid transform; its rotation must be right-handed')
    return tf
