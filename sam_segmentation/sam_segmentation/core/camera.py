# SPDX-License-Identifier: Apache-2.0
"""Where a point in front of the camera lies in its image."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.core.errors import PromptError

# With coefficients in the order that OpenCV takes them (REP 104 and image_geometry).
DISTORTION_MODELS = ('', 'plumb_bob', 'rational_polynomial')


def moved(
    point: npt.ArrayLike, translation: npt.ArrayLike, quaternion_xyzw: npt.ArrayLike
) -> tuple[float, float, float]:
    """Return a point after a rotation, by a quaternion of unit length, and a translation [m]."""
    v, q = np.asarray(point, np.float64), np.asarray(quaternion_xyzw, np.float64)
    axis, w = q[:3], q[3]
    turned = v + 2 * np.cross(axis, np.cross(axis, v) + w * v)
    x, y, z = map(float, turned + np.asarray(translation, np.float64))
    return x, y, z


def project(
    point_camera: npt.ArrayLike,
    camera_matrix: npt.ArrayLike,
    distortion: npt.ArrayLike = (),
    *,
    distortion_model: str = '',
) -> tuple[float, float]:
    """Project a point into the image.

    Parameters
    ----------
    point_camera : array_like of float, shape (3,)
        In the camera's optical frame [m].
    camera_matrix : array_like of float, shape (9,) or (3, 3)
        K of CameraInfo.
    distortion : array_like of float
        D of CameraInfo; empty or zero: none.
    distortion_model : str
        As CameraInfo names it.

    Returns
    -------
    (x, y) : float
        In pixels, the origin at the centre of the top-left pixel.

    Raises
    ------
    PromptError
        If the point is not in front of the camera, or the calibration cannot be used.

    """
    point = np.asarray(point_camera, np.float64)
    matrix = np.asarray(camera_matrix, np.float64).reshape(3, 3)
    coefficients = np.asarray(distortion, np.float64)
    if not np.isfinite(point).all() or point[2] <= 0:
        raise PromptError(
            f'point {tuple(point.tolist())} is not in front of the camera; its z must be above 0'
        )
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise PromptError(
            f'camera_info has focal lengths {matrix[0, 0]:g}, {matrix[1, 1]:g}; calibrate it'
        )
    if coefficients.any() and distortion_model not in DISTORTION_MODELS:
        raise PromptError(
            f'distortion model {distortion_model!r} is not supported; rectify the image, or use '
            'plumb_bob or rational_polynomial'
        )
    pixels, _ = cv2.projectPoints(
        point.reshape(1, 1, 3), np.zeros(3), np.zeros(3), matrix, coefficients
    )
    return float(pixels[0, 0, 0]), float(pixels[0, 0, 1])
