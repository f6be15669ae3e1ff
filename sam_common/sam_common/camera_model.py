# SPDX-License-Identifier: Apache-2.0
"""How a camera maps points to pixels, and back with depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod

import cv2
import numpy as np

from sam_common.errors import CameraModelError
from sam_common.image_header import MAX_PIXELS
from sam_common.lens import DISTORTIONS, distort, undistort
from sam_common.types import Float32Array, FloatArray

# Between these lies the focal length of every camera [px], and its principal point, even of a
# window of a sensor. Beyond, float32 could not tell one pixel from the next.
MIN_FOCAL, MAX_FOCAL = 1.0, 1e6
MAX_CENTRE = 1e5
# More than this has no lens's coefficient.
MAX_COEFFICIENT = 1e6


@dataclass(frozen=True, kw_only=True)
class CameraModel:
    """A calibrated camera [px]; (0, 0) is the centre of the top-left pixel.

    Parameters
    ----------
    fx, fy, cx, cy : float
        Focal lengths and principal point [px].
    size_wh : (int, int)
        Width and height of its images [px].
    distortion_model : str
        'plumb_bob', 'rational_polynomial' or 'equidistant' (Kannala-Brandt), as ROS and OpenCV
        define them; '' without distortion.
    distortion : tuple of float
        The coefficients of that model; empty or zero: none.

    Raises
    ------
    CameraModelError
        If no camera has such numbers, the size is empty or above 100 million pixels, or a
        distortion is of a model that is not known.

    Examples
    --------
    >>> import numpy as np
    >>> camera = CameraModel(fx=500, fy=500, cx=320, cy=240, size_wh=(640, 480))
    >>> camera.deproject(np.full((480, 640), 2.0, np.float32))[240, 320].tolist()
    [0.0, 0.0, 2.0]

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
        distortion = tuple(float(d) for d in self.distortion)
        object.__setattr__(self, 'distortion', distortion if any(distortion) else ())
        object.__setattr__(self, 'size_wh', tuple(int(side) for side in self.size_wh))
        for name in ('fx', 'fy', 'cx', 'cy'):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not (MIN_FOCAL <= self.fx <= MAX_FOCAL and MIN_FOCAL <= self.fy <= MAX_FOCAL):
            raise CameraModelError(
                f'the camera has focal lengths {self.fx:g}, {self.fy:g} px; they must be '
                f'{MIN_FOCAL:g} to {MAX_FOCAL:,.0f}: calibrate it'
            )
        if not (abs(self.cx) <= MAX_CENTRE and abs(self.cy) <= MAX_CENTRE):
            raise CameraModelError(
                f'the camera has its principal point at {self.cx:g}, {self.cy:g} px; it must be '
                f'finite and within {MAX_CENTRE:,.0f}: calibrate it'
            )
        if len(self.size_wh) != 2 or min(self.size_wh) < 1 or prod(self.size_wh) > MAX_PIXELS:
            raise CameraModelError(
                f'the size_wh of the camera is {self.size_wh} px; it must be the size of the '
                f'image, at most {MAX_PIXELS:,} pixels'
            )
        self._check_distortion()

    def _check_distortion(self) -> None:
        if not self.distortion:
            return
        if self.distortion_model not in DISTORTIONS:
            raise CameraModelError(
                f'distortion model {self.distortion_model[:80]!r} is not supported; rectify the '
                f'image, or use one of {", ".join(DISTORTIONS)}'
            )
        counts = DISTORTIONS[self.distortion_model]
        if len(self.distortion) not in counts:
            raise CameraModelError(
                f'the camera has {len(self.distortion)} coefficients of distortion; '
                f'{self.distortion_model} has {" or ".join(str(count) for count in counts)}'
            )
        if not all(abs(d) <= MAX_COEFFICIENT for d in self.distortion):
            raise CameraModelError(
                f'the camera has the distortion {self.distortion}; all must be finite and '
                f'within {MAX_COEFFICIENT:,.0f}: calibrate it'
            )

    @classmethod
    def from_fovy(cls, size_wh: tuple[int, int], *, fovy_deg: float) -> CameraModel:
        """Return square pixels with this vertical field of view, centred on the image."""
        width, height = size_wh
        focal = float(0.5 * height / np.tan(np.radians(fovy_deg) / 2))
        cx, cy = (width - 1) / 2, (height - 1) / 2
        return cls(fx=focal, fy=focal, cx=cx, cy=cy, size_wh=size_wh)

    @property
    def rays_xy(self) -> tuple[Float32Array, Float32Array]:
        """Each pixel's point at depth 1 m, as x and y: float32 (H, W) each, kept, read-only.

        NaN where a distortion cannot be undone.
        """
        return _rays_xy(self)

    def deproject(
        self, depth_m: Float32Array, *, origin_xy: tuple[int, int] | None = None
    ) -> Float32Array:
        """Return each pixel's point in the optical frame.

        Parameters
        ----------
        depth_m : array of float32, shape (H, W)
            Along z [m]; NaN: no reading.
        origin_xy : (int, int) or None
            First pixel of a window of the image; None: depth_m is the whole image.

        Returns
        -------
        array of float32, shape (H, W, 3)
            [m]; NaN where there is no reading.

        Raises
        ------
        CameraModelError
            If the depth image is not of the camera's size, or the window not inside it.

        """
        (left, top), (width, height) = origin_xy or (0, 0), self.size_wh
        bottom, right = top + depth_m.shape[0], left + depth_m.shape[1]
        is_whole = (bottom, right) == (height, width)
        is_inside = min(left, top) >= 0 and bottom <= height and right <= width
        if not (is_inside if origin_xy else is_whole):
            raise CameraModelError(
                f'the depth image has shape {depth_m.shape}, the camera {self.size_wh[::-1]}; '
                'give depth of this camera at its resolution'
            )
        x, y = (axis[top:bottom, left:right] for axis in self.rays_xy)
        z = np.asarray(depth_m, np.float32)
        points = cv2.merge([x * z, y * z, z])
        return np.asarray(points, np.float32)

    def project(self, points_camera: FloatArray) -> FloatArray:
        """Return the pixels (..., 2) of points (..., 3) [m].

        NaN behind the camera, and so far to the side that the distortion model no longer holds:
        there it would fold points back into the image.
        """
        points = np.asarray(points_camera, np.float64)
        z = np.where(points[..., 2] > 0, points[..., 2], np.nan)
        with np.errstate(over='ignore', invalid='ignore'):
            xy = points[..., :2] / z[..., None]
            if self.distortion:
                return distort(self, xy)
            pixels: FloatArray = xy * [self.fx, self.fy] + [self.cx, self.cy]
        pixels[~np.isfinite(pixels).all(axis=-1)] = np.nan
        return pixels


# Few: one of 100 million pixels that is distorted takes 800 MB.
@lru_cache(maxsize=2)
def _rays_xy(camera: CameraModel) -> tuple[Float32Array, Float32Array]:
    width, height = camera.size_wh
    if camera.distortion:
        return _distorted_rays(camera)
    x = ((np.arange(width) - camera.cx) / camera.fx).astype(np.float32)
    y = ((np.arange(height) - camera.cy) / camera.fy).astype(np.float32)
    # Views of one row and of one column.
    return np.broadcast_to(x, (height, width)), np.broadcast_to(y[:, None], (height, width))


def _distorted_rays(
    camera: CameraModel,
) -> tuple[Float32Array, Float32Array]:
    width, height = camera.size_wh
    rays = np.empty((2, height, width), np.float32)
    # Row by row, nearly: what is computed in float64 on the way would take six times the memory.
    rows = max(1, 100_000 // width)
    for first in range(0, height, rows):
        row, column = np.mgrid[first : min(first + rows, height), :width].astype(np.float64)
        xy = undistort(camera, np.stack([column, row], axis=-1))
        rays[:, first : first + rows] = np.moveaxis(xy, -1, 0)
    rays.flags.writeable = False
    return rays[0], rays[1]
