# SPDX-License-Identifier: Apache-2.0
"""How each pixel of a frame moved, by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import BoolArray, Float32Array, FloatArray, UInt8Array
from sam_segmentation.models.optical_flow.window import Window

# Longer side of the images that flow is computed on: at twice this it takes four times as long,
# and masks follow no better.
FLOW_SIDE_PX = 320
# Going back and forth may miss by this, plus a share of the way: Sundaram et al. (ECCV 2010).
_MISS_PX, _MISS_SHARE = 1.0, 0.1
# A motion is fitted to no more points than this.
_POINTS = 200
_LEAST_POINTS = 6
# How far a point may lie from the fitted motion [small px].
_FIT_PX = 1.0
_LEAST_SIDE_PX = 16


@dataclass(frozen=True, eq=False)
class FlowField:
    """Dense optical flow between two frames, by DIS (Kroeger et al., ECCV 2016).

    Parameters
    ----------
    back : array of float32, shape (h, w, 2)
        From each pixel of the new frame to where it was in the one before [small px].
    forth : array of float32, shape (h, w, 2)
        From each pixel of the frame before to where it is in the new one [small px].
    sure : array of float32, shape (h, w)
        1 where the flow forth leads back to where the flow back began, else 0; in the new frame.
    scale_xy : array of float64, shape (2,)
        Image pixels per small pixel.

    """

    back: Float32Array
    forth: Float32Array
    sure: Float32Array
    scale_xy: FloatArray

    def carry(self, mask: BoolArray, window: Window) -> tuple[Float32Array, Float32Array]:
        """Return a mask of the frame before as it lies in a window of the new one.

        Parameters
        ----------
        mask : array of bool, shape (H, W)
        window : Window

        Returns
        -------
        soft, sure : array of float32, shape (h, w)
            Share of the object in each pixel of the window, and how sure the flow is there [0-1].

        """
        at = window.sample(self.back) * self.scale_xy.astype(np.float32)
        at[..., 0] += np.arange(window.left, window.right, dtype=np.float32)
        at[..., 1] += np.arange(window.top, window.bottom, dtype=np.float32)[:, None]
        soft = cv2.remap(mask.astype(np.float32), at[..., 0], at[..., 1], cv2.INTER_LINEAR)
        return np.asarray(soft, np.float32), window.sample(self.sure)

    def motion_of(self, mask: BoolArray | None) -> tuple[FloatArray, float] | None:
        """Return how a mask of the frame before moved: turned, scaled and shifted.

        Parameters
        ----------
        mask : array of bool, shape (H, W), or None
            None: the whole image, which gives the camera's motion if little else moves.

        Returns
        -------
        motion : array of float64, shape (2, 3)
            Maps homogeneous pixels of the frame before to the new one.
        share : float
            How much of the mask moved so [0-1]; the rest is hidden now, or moved otherwise.

        None where too little is seen.

        """
        height, width = self.forth.shape[:2]
        if mask is None:
            ys, xs = (axis.ravel() for axis in np.mgrid[4:height:12, 4:width:12])
        else:
            small = cv2.resize(
                mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_AREA
            )
            ys, xs = np.nonzero(small)
            step = max(1, len(ys) // _POINTS)
            ys, xs = ys[::step], xs[::step]
        start = np.stack([xs, ys], 1).astype(np.float64)
        end = start + self.forth[ys, xs]
        at = np.clip(np.rint(end), 0, (width - 1, height - 1)).astype(int)
        kept = self.sure[at[:, 1], at[:, 0]] > 0
        start, end = start[kept], end[kept]
        if len(start) < _LEAST_POINTS:
            return None
        motion, fits = cv2.estimateAffinePartial2D(
            (start + 0.5) * self.scale_xy - 0.5,
            (end + 0.5) * self.scale_xy - 0.5,
            ransacReprojThreshold=_FIT_PX * float(self.scale_xy.max()),
        )
        if motion is None:
            return None
        return np.asarray(motion, np.float64), float(np.count_nonzero(fits)) / len(kept)


def shrink_grey(image_rgb: UInt8Array) -> UInt8Array:
    """Return the small grey image that flow is computed on, shape (h, w), uint8."""
    height, width = image_rgb.shape[:2]
    factor = min(1.0, FLOW_SIDE_PX / max(height, width))
    # DIS refuses images smaller than its coarsest patches.
    size = (
        max(_LEAST_SIDE_PX, round(width * factor)),
        max(_LEAST_SIDE_PX, round(height * factor)),
    )
    small = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def find_flow(before: UInt8Array, now: UInt8Array, size_wh: tuple[int, int]) -> FlowField:
    """Return the flow between the small grey images of two frames of this size [px]."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = now.shape
    still = np.zeros((height, width, 2), np.float32)
    back = np.asarray(dis.calc(now, before, still.copy()), np.float32)
    forth = np.asarray(dis.calc(before, now, still), np.float32)
    at = back + np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    returned = np.asarray(cv2.remap(forth, at[..., 0], at[..., 1], cv2.INTER_LINEAR), np.float32)
    miss = np.hypot(*np.moveaxis(back + returned, -1, 0))
    way = np.hypot(*np.moveaxis(back, -1, 0))
    sure = (miss < _MISS_PX + _MISS_SHARE * way).astype(np.float32)
    return FlowField(back, forth, sure, np.array([size_wh[0] / width, size_wh[1] / height]))
