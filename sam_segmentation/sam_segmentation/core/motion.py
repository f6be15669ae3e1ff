# SPDX-License-Identifier: Apache-2.0
"""Where a tracked object's box should be next."""

from __future__ import annotations

import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.types import FloatArray

# Standard deviations as shares of the box's size, per frame: the usual ones of SORT's successors.
_POSITION_STD, _VELOCITY_STD = 1 / 20, 1 / 160
# A box that is not seen slows down: nothing on a table moves on for long behind another thing.
_COASTING = 0.9
_STEADY_AFTER = 3
_SIZES = 4


class BoxMotion:
    """A Kalman filter of constant velocity over a box's centre and size, one step per frame.

    As in SORT (Bewley et al., ICIP 2016), with width and height in place of area and aspect.

    Parameters
    ----------
    box_xyxy : (float, float, float, float)
        Left, top, right, bottom of the first observation [px].

    Attributes
    ----------
    mean : array of float64, shape (8,)
        Centre x, y, width, height [px], and their change per frame.
    covariance : array of float64, shape (8, 8)
    updates : int
        Frames in a row in which the object was seen, up to this one.

    """

    def __init__(self, box_xyxy: BoxXyxy) -> None:
        self.mean: FloatArray = np.concatenate([_measured(box_xyxy), np.zeros(4)])
        scale = self._scale()
        self.covariance: FloatArray = np.diag(
            np.concatenate([2 * _POSITION_STD * scale, 10 * _VELOCITY_STD * scale]) ** 2
        )
        self.updates = 1

    @property
    def box_xyxy(self) -> BoxXyxy:
        """Left, top, right, bottom of the box, in the frame last predicted or updated [px]."""
        x, y, width, height = (float(value) for value in self.mean[:_SIZES])
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2

    @property
    def is_steady(self) -> bool:
        """Whether the object was seen often enough in a row to trust the prediction."""
        return self.updates >= _STEADY_AFTER

    def predict(self) -> BoxXyxy:
        """Go on by one frame and return the box expected there."""
        step = np.eye(2 * _SIZES) + np.eye(2 * _SIZES, k=_SIZES)
        scale = self._scale()
        noise = np.concatenate([_POSITION_STD * scale, _VELOCITY_STD * scale]) ** 2
        self.mean = step @ self.mean
        self.mean[2:_SIZES] = np.maximum(self.mean[2:_SIZES], 1.0)
        self.covariance = step @ self.covariance @ step.T + np.diag(noise)
        return self.box_xyxy

    def update(self, box_xyxy: BoxXyxy | None) -> None:
        """Correct the prediction by what was seen; None: nothing was."""
        if box_xyxy is None:
            self.mean[_SIZES:] *= _COASTING
            self.updates = 0
            return
        noise = np.diag((_POSITION_STD * self._scale()) ** 2)
        seen = self.covariance[:_SIZES, :_SIZES]
        gain = self.covariance[:, :_SIZES] @ np.linalg.inv(seen + noise)
        self.mean = self.mean + gain @ (_measured(box_xyxy) - self.mean[:_SIZES])
        self.covariance = self.covariance - gain @ self.covariance[:_SIZES]
        self.updates += 1

    def share_inside(self, size_wh: tuple[int, int]) -> float:
        """Return how much of the box lies in an image of this size [0-1]."""
        left, top, right, bottom = self.box_xyxy
        width = min(right, size_wh[0] - 0.5) - max(left, -0.5)
        height = min(bottom, size_wh[1] - 0.5) - max(top, -0.5)
        if width <= 0 or height <= 0:
            return 0.0
        return width * height / ((right - left) * (bottom - top))

    def copy(self) -> BoxMotion:
        """Return a filter that goes on from here by itself."""
        other = BoxMotion(self.box_xyxy)
        other.mean, other.covariance = self.mean.copy(), self.covariance.copy()
        other.updates = self.updates
        return other

    def _scale(self) -> FloatArray:
        width, height = self.mean[2:_SIZES]
        return np.array([width, height, width, height])


def _measured(box_xyxy: BoxXyxy) -> FloatArray:
    left, top, right, bottom = box_xyxy
    return np.array([(left + right) / 2, (top + bottom) / 2, right - left, bottom - top])
