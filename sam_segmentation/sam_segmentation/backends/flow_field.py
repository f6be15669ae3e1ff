# SPDX-License-Identifier: Apache-2.0
"""Where each pixel of a frame was in the frame before, by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

Grey = npt.NDArray[np.uint8]
Soft = npt.NDArray[np.float32]

# Longer side of the images that flow is computed on: at twice this, flow takes four times as long
# and masks follow no better.
FLOW_SIDE_PX = 320
# Going there and back may miss by this, plus a share of the way; Sundaram et al. (ECCV 2010).
_MISS_PX, _MISS_SHARE = 1.0, 0.1


@dataclass(frozen=True, eq=False)
class FlowField:
    """Dense optical flow between two frames, by DIS (Kroeger et al., ECCV 2016).

    Parameters
    ----------
    back : array of float32, shape (h, w, 2)
        From each pixel of the new frame to where it was in the one before [px of the small image].
    sure : array of float32, shape (h, w)
        Whether the flow forth leads back to where it began [0-1].

    """

    back: Soft
    sure: Soft

    def carry(self, mask: npt.NDArray[np.bool_]) -> Soft:
        """Return a mask of the frame before, moved into the new one.

        Parameters
        ----------
        mask : array of bool, shape (H, W)

        Returns
        -------
        array of float32, shape (H, W)
            Share of the object in each pixel [0-1].

        """
        height, width = mask.shape
        small_height, small_width = self.back.shape[:2]
        full = cv2.resize(self.back, (width, height), interpolation=cv2.INTER_LINEAR)
        at = np.asarray(full, np.float32) * np.float32(
            [width / small_width, height / small_height]
        )
        at[..., 0] += np.arange(width, dtype=np.float32)
        at[..., 1] += np.arange(height, dtype=np.float32)[:, None]
        moved = cv2.remap(mask.astype(np.float32), at[..., 0], at[..., 1], cv2.INTER_LINEAR)
        return np.asarray(moved, np.float32)


def shrink_grey(image_rgb: npt.NDArray[np.uint8]) -> Grey:
    """Return the small grey image that flow is computed on, shape (h, w), uint8."""
    height, width = image_rgb.shape[:2]
    factor = min(1.0, FLOW_SIDE_PX / max(height, width))
    # DIS refuses images smaller than its coarsest patches.
    size = max(16, round(width * factor)), max(16, round(height * factor))
    small = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def find_flow(before: Grey, now: Grey) -> FlowField:
    """Return the flow between two small grey images of one size."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    back = np.asarray(dis.calc(now, before, None), np.float32)
    forth = np.asarray(dis.calc(before, now, None), np.float32)
    height, width = now.shape
    at = back + np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    returned = np.asarray(cv2.remap(forth, at[..., 0], at[..., 1], cv2.INTER_LINEAR), np.float32)
    miss = np.hypot(*np.moveaxis(back + returned, -1, 0))
    way = np.hypot(*np.moveaxis(back, -1, 0))
    return FlowField(back, (miss < _MISS_PX + _MISS_SHARE * way).astype(np.float32))
