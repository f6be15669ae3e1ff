# SPDX-License-Identifier: Apache-2.0
"""How a lens bends what a pinhole camera would see, and back: the models of camera_info."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from sam_common.errors import CameraModelError
from sam_common.types import FloatArray

EQUIDISTANT = 'equidistant'
# Numbers of coefficients, in the order that OpenCV takes them (REP 104 and image_geometry).
DISTORTIONS = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    EQUIDISTANT: (4,),
}
# Undistortion is iterative; where it is off by more than this the model has no inverse.
TOLERANCE_PX = 0.01


class Camera(Protocol):
    """What is needed of a camera with distortion; hashable."""

    @property
    def fx(self) -> float:
        """Focal length [px]."""

    @property
    def fy(self) -> float:
        """Focal length [px]."""

    @property
    def cx(self) -> float:
        """Of the principal point [px]."""

    @property
    def cy(self) -> float:
        """Of the principal point [px]."""

    @property
    def distortion_model(self) -> str:
        """One of DISTORTIONS."""

    @property
    def distortion(self) -> tuple[float, ...]:
        """As many coefficients as the model has."""


def distort(camera: Camera, xy: FloatArray) -> FloatArray:
    """Return the pixels (..., 2) of points (..., 2) at depth 1; NaN where the model ends."""
    if not xy.size:
        return xy
    flat = xy.reshape(-1, 1, 2)
    points = np.concatenate([flat, np.ones((len(flat), 1, 1))], axis=-1)
    radius = np.hypot(flat[..., 0], flat[..., 1])
    points[~(radius < max_radius(camera.distortion_model, camera.distortion))[:, 0]] = np.nan
    project = (
        cv2.fisheye.projectPoints if camera.distortion_model == EQUIDISTANT else cv2.projectPoints
    )
    coefficients = np.array(camera.distortion)
    try:
        pixels, _ = project(points, np.zeros(3), np.zeros(3), _matrix(camera), coefficients)
    except cv2.error as error:
        raise CameraModelError(f'the distortion {camera.distortion} fails: {error}') from error
    result: FloatArray = np.asarray(pixels, np.float64).reshape(xy.shape)
    result[~np.isfinite(result).all(axis=-1)] = np.nan
    return result


def undistort(camera: Camera, pixels: FloatArray) -> FloatArray:
    """Return the points (..., 2) at depth 1 of pixels (..., 2); NaN where there is none."""
    flat = pixels.reshape(-1, 1, 2)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    coefficients, matrix = np.array(camera.distortion), _matrix(camera)
    try:
        if camera.distortion_model == EQUIDISTANT:
            xy = cv2.fisheye.undistortPoints(flat, matrix, coefficients, criteria=criteria)
        else:
            xy = cv2.undistortPointsIter(
                flat, matrix, coefficients, np.eye(3), np.eye(3), criteria
            )
    except cv2.error as error:
        raise CameraModelError(f'the distortion {camera.distortion} fails: {error}') from error
    rays: FloatArray = np.asarray(xy, np.float64).reshape(pixels.shape)
    with np.errstate(invalid='ignore', over='ignore'):
        # As the rays are kept, so that what is rounded is checked, too.
        kept = rays.astype(np.float32).astype(np.float64)
        miss = np.linalg.norm(distort(camera, kept) - pixels, axis=-1)
    rays[~(miss < TOLERANCE_PX)] = np.nan
    return rays


@lru_cache(maxsize=8)
def max_radius(model: str, distortion: tuple[float, ...]) -> float:
    """Return up to where, at depth 1, a point further out has its pixel further out.

    Beyond it the polynomial turns back, or has a pole; a lens does not. The part of the model
    that is not radial is left out of account.
    """
    if model == EQUIDISTANT:
        # theta (1 + k1 theta^2 + ...); by s = theta^2, its derivative is
        k1, k2, k3, k4 = distortion
        angle = np.array([1, 3 * k1, 5 * k2, 7 * k3, 9 * k4])
        return float(np.tan(min(np.sqrt(_first_root(angle)), np.pi / 2)))
    k1, k2, _, _, k3, k4, k5, k6 = (*distortion, *(0.0,) * 4)[:8]
    above, below = np.array([1, k1, k2, k3]), np.array([1, k4, k5, k6])
    # r above(s) / below(s) with s = r^2; of its derivative the sign alone matters.
    powers = np.arange(4)
    slope = np.convolve((1 + 2 * powers) * above, below) - np.convolve(above, 2 * powers * below)
    return float(np.sqrt(min(_first_root(slope), _first_root(below))))


def _first_root(coefficients: FloatArray) -> float:
    """Return a polynomial's first root above 0, infinity if there is none; lowest power first."""
    roots: npt.NDArray[np.complex128] = np.roots(coefficients[::-1]).astype(np.complex128)
    is_real = np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots))
    return float(roots.real[is_real & (roots.real > 0)].min(initial=np.inf))


def _matrix(camera: Camera) -> FloatArray:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64)
