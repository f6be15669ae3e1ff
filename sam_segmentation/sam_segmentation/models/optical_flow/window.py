# SPDX-License-Identifier: Apache-2.0
"""The part of an image that an object needs, so that a frame costs what its objects are large."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.types import BoolArray, Float32Array


@dataclass(frozen=True)
class Window:
    """A part of an image [px], right and bottom exclusive; never empty.

    Parameters
    ----------
    left, top, right, bottom : int
    size_wh : (int, int)
        Of the image.

    """

    left: int
    top: int
    right: int
    bottom: int
    size_wh: tuple[int, int]

    @classmethod
    def around(cls, box_xyxy: BoxXyxy, margin_px: float, size_wh: tuple[int, int]) -> Window:
        """Return the pixels of an image that lie in a box or this near to it."""
        left, top = (
            int(np.clip(np.floor(low - margin_px), 0, size - 1))
            for low, size in zip(box_xyxy[:2], size_wh, strict=True)
        )
        right, bottom = (
            int(np.clip(np.ceil(high + margin_px), start + 1, size))
            for high, start, size in zip(box_xyxy[2:], (left, top), size_wh, strict=True)
        )
        return cls(left, top, right, bottom, size_wh)

    @property
    def rows_columns(self) -> tuple[slice, slice]:
        """Index of the window's pixels in an array of the image's."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def sample(self, small: Float32Array) -> Float32Array:
        """Return what an array of the whole image, at any scale, says on the window's pixels.

        Parameters
        ----------
        small : array of float32, shape (h, w) or (h, w, c)

        """
        height, width = small.shape[:2]
        step_x, step_y = width / self.size_wh[0], height / self.size_wh[1]
        warp = np.array(
            [
                [step_x, 0.0, (self.left + 0.5) * step_x - 0.5],
                [0.0, step_y, (self.top + 0.5) * step_y - 0.5],
            ]
        )
        size = self.right - self.left, self.bottom - self.top
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        sampled = cv2.warpAffine(small, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(sampled, np.float32)

    def paste(self, part: BoolArray) -> BoolArray:
        """Return a mask of the window as one of the image, False outside the window."""
        whole = np.zeros(self.size_wh[::-1], bool)
        whole[self.rows_columns] = part
        return whole


def shrink_mask(mask: BoolArray, size_wh: tuple[int, int]) -> BoolArray:
    """Return a mask at another size; pixels that are half covered count."""
    small = cv2.resize(mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA)
    return np.asarray(small >= 0.5)


def ring_around(part: BoolArray, margin_px: int) -> BoolArray:
    """Return what lies round a mask, this near, without the mask itself."""
    side = 2 * margin_px + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(part.astype(np.uint8), kernel), bool) & ~part
