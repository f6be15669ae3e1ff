# SPDX-License-Identifier: Apache-2.0
"""How a camera maps points to pixels, and back with depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_grasping.core.transform import Floats


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

        """
        raise NotImplementedError

    def project(self, points_camera: Floats) -> Floats:
        """Return the pixels (..., 2) of points (..., 3) [m]; NaN behind the camera."""
        raise NotImplementedError
