# SPDX-License-Identifier: Apache-2.0
"""How a camera maps points to pixels, and back with depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sam_grasping.core.errors import CameraModelError
from sam_grasping.core.transform import Floats

# Numbers of coefficients, in the order that OpenCV takes them (REP 104 and image_geometry).
DISTORTIONS = {
    'plumb_bob': (4, 5),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
# Undistortion is iterative; where it is off by more than this the model has no inverse.
TOLERANCE_PX = 0.01


@dataclass(frozen=True, kw_only=True)
class CameraModel:
    """A calibrated camera [px]; (0, 0) is the centre of the top-left pixel.

    Parameters
    ----------
    fx, fy, cx, cy : float
        K of camera_info.
    size_wh : (int, int)
    distortion_model : str
        As camera_info names it.
    distortion : tuple of float
        D of camera_info; empty or zero: none.

    Raises
    ------
    CameraModelError
        If a focal length is not positive, a number is not finite, the size is empty, or a
        distortion is of a model that is not known.

    """

    fx: float
    fy: float
    cx: float
    cy: float
    size_wh: tuple[int, int]
    distortion_model: str = ''
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        # Hashable, so that the rays are found again.
        object.__setattr__(self, 'distortion', tuple(float(d) for d in self.distortion))
        object.__setattr__(self, 'size_wh', tuple(int(side) for side in self.size_wh))
        if not (0 < self.fx < np.inf and 0 < self.fy < np.inf):
            raise CameraModelError(
                f'camera_info has focal lengths {self.fx}, {self.fy}; they must be above 0: '
                'calibrate the camera, or publish its calibration'
            )
        if not np.isfinite([self.cx, self.cy, *self.distortion]).all():
            raise CameraModelError(
                f'camera_info has centre {self.cx}, {self.cy} and distortion {self.distortion}; '
                'all must be finite: calibrate the camera'
            )
        if len(self.size_wh) != 2 or min(self.size_wh) < 1:
            raise CameraModelError(
                f'camera_info says the image is {self.size_wh} px; its width and height must be '
                'those of the depth image'
            )
        self._check_distortion()

    def _check_distortion(self) -> None:
        if not any(self.distortion):
            return
        if self.distortion_model not in DISTORTIONS:
            raise CameraModelError(
                f'distortion model {self.distortion_model!r} is not supported; rectify the '
                f'depth image, or use one of {", ".join(DISTORTIONS)}'
            )
        counts = DISTORTIONS[self.distortion_model]
        if len(self.distortion) not in counts:
            raise CameraModelError(
                f'camera_info has {len(self.distortion)} coefficients of distortion; '
                f'{self.distortion_model} has {" or ".join(str(count) for count in counts)}'
            )

    @classmethod
    def from_calibration(
        cls,
        k: Sequence[float],
        d: Sequence[float] = (),
        *,
        distortion_model: str = '',
        size_wh: tuple[int, int],
    ) -> CameraModel:
        """Return the camera of a camera_info's fields.

        Parameters
        ----------
        k : sequence of float
            The 9 numbers of K, row by row [px].
        d : sequence of float
        distortion_model : str
        size_wh : (int, int)

        Raises
        ------
        CameraModelError
            If K has not 9 numbers, or as for the class.

        """
        if len(k) != 9:
            raise CameraModelError(
                f'K of camera_info has {len(k)} numbers; it must have 9: calibrate the camera'
            )
        return cls(
            fx=float(k[0]),
            fy=float(k[4]),
            cx=float(k[2]),
            cy=float(k[5]),
            size_wh=size_wh,
            distortion_model=distortion_model,
            distortion=tuple(d),
        )

    @property
    def rays_xy(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Each pixel's point at depth 1 m, as x and y: float32 (H, W) each, kept, read-only.

        NaN where a distortion cannot be undone.
        """
        return _rays_xy(self)

    def deproject(self, depth_m: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return each pixel's point in the optical frame.

        Parameters
        ----------
        depth_m : array of float32, shape (H, W)
            Along z [m]; NaN: no reading.

        Returns
        -------
        array of float32, shape (H, W, 3)
            [m]; NaN where there is no reading.

        Raises
        ------
        CameraModelError
            If the depth image is not of the camera's size.

        """
        if depth_m.shape != self.size_wh[::-1]:
            raise CameraModelError(
                f'the depth image has shape {depth_m.shape}, the camera {self.size_wh[::-1]}; '
                'give depth of this camera at its resolution'
            )
        x, y = self.rays_xy
        z = np.asarray(depth_m, np.float32)
        points = cv2.merge([x * z, y * z, z])
        return np.asarray(points, np.float32)

    def project(self, points_camera: Floats) -> Floats:
        """Return the pixels (..., 2) of points (..., 3) [m]; NaN behind the camera."""
        points = np.asarray(points_camera, np.float64)
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        xy = points[..., :2] / z[..., None]
        if any(self.distortion):
            return _distorted(self, xy)
        pixels: Floats = xy * [self.fx, self.fy] + [self.cx, self.cy]
        return pixels


def _matrix(camera: CameraModel) -> Floats:
    return np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]], np.float64)


def _distorted(camera: CameraModel, xy: Floats) -> Floats:
    """Return the pixels (..., 2) of points (..., 2) at depth 1; NaN stays NaN."""
    flat = xy.reshape(-1, 1, 2)
    if not len(flat):
        return xy
    points = np.concatenate([flat, np.ones((len(flat), 1, 1))], axis=-1)
    points[~np.isfinite(points).all(axis=(1, 2))] = np.nan
    project = (
        cv2.fisheye.projectPoints
        if camera.distortion_model == 'equidistant'
        else cv2.projectPoints
    )
    pixels, _ = project(
        points, np.zeros(3), np.zeros(3), _matrix(camera), np.array(camera.distortion)
    )
    result: Floats = np.asarray(pixels, np.float64).reshape(xy.shape)
    return result


@lru_cache(maxsize=8)
def _rays_xy(camera: CameraModel) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    width, height = camera.size_wh
    columns, rows = np.meshgrid(np.arange(width, dtype=float), np.arange(height, dtype=float))
    if any(camera.distortion):
        x, y = _undistorted(camera, np.stack([columns, rows], axis=-1))
    else:
        x, y = (columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy
    rays = x.astype(np.float32), y.astype(np.float32)
    for axis in rays:
        axis.flags.writeable = False
    return rays


def _undistorted(camera: CameraModel, pixels: Floats) -> tuple[Floats, Floats]:
    """Return x and y, each (H, W), at depth 1 of pixels (H, W, 2)."""
    flat = pixels.reshape(-1, 1, 2)
    criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
    coefficients = np.array(camera.distortion)
    if camera.distortion_model == 'equidistant':
        xy = cv2.fisheye.undistortPoints(flat, _matrix(camera), coefficients, criteria=criteria)
    else:
        xy = cv2.undistortPointsIter(
            flat, _matrix(camera), coefficients, np.eye(3), np.eye(3), criteria
        )
    rays: Floats = np.asarray(xy, np.float64).reshape(pixels.shape)
    miss = np.linalg.norm(_distorted(camera, rays) - pixels, axis=-1)
    rays[~(miss < TOLERANCE_PX)] = np.nan
    return rays[..., 0], rays[..., 1]
