# SPDX-License-Identifier: Apache-2.0
"""A mask that was handed over binds: its outline moves only if the image says where to."""

from __future__ import annotations

import cv2
import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.masks import mask_to_box
from sam_common.types import BoolArray, FloatArray, UInt8Array
from sam_segmentation.models.grabcut.cut import cut_rough

# A mask by hand or by a detector is off by about this share of the image's diagonal.
ROUGH_SHARE = 0.01
MIN_ROUGH_PX = 3.0
# Edges are looked for this far to either side of the outline, at most on so many pixels.
REACH_PX = 12
MAX_PIXELS = 300_000
# A gradient of this many Lab units per pixel counts half of the strongest.
HALF_GRADIENT = 8.0
# Offsets at which there is less of an outline than this share of the given one say nothing.
LEAST_OUTLINE = 0.3
# An outline is exact this near to the sharpest edges. Edges far from it must be so much sharper
# than those on it before the whole mask is moved there: a shifted one finds them on one side.
# On simulated scenes (seeds 0 to 35) 1.0 to 1.5 are within 0.0015 of IoU of each other: of these
# the one that moves least what was given.
EXACT_PX, FAR_PX, FAR_SHARPER = 1, 3, 1.5
# No cut is better than an outline this sharp.
SHARP = 2.2
# An outline that lies on the image's edges stays, unless another one lies on them this much
# better; one that was moved inwards or outwards as a whole goes sooner.
BETTER_THAN_GIVEN, BETTER_THAN_SHIFTED = 1.7, 1.3


def settle_mask(image_rgb: UInt8Array, mask: BoolArray, limit: BoxXyxy | None) -> BoolArray:
    """Return a mask with its outline on the edges of the image, where those can be told.

    How strong the image's edges are at each distance from the outline says how good a mask is. If
    they peak at its outline, it is exact and comes back as it is. If they peak inside or outside,
    as in a mask that is too large or too small, it shrinks or grows by that much. If they peak
    nowhere, as in a scribble, GrabCut moves the outline within a narrow band.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    mask : array of bool, shape (H, W)
        Not empty.
    limit : tuple of 4 floats, or None
        Box that the cut cannot leave [px].

    """
    edges = _Edges(image_rgb, mask)
    offset, given = edges.best_offset(mask)
    stays = abs(offset) <= EXACT_PX
    settled = mask if stays else edges.shifted(mask, offset)
    if not settled.any():
        settled, stays = mask, True
    if given > SHARP:
        return settled
    none: FloatArray = np.zeros((0, 2))
    band_px = max(MIN_ROUGH_PX, ROUGH_SHARE * float(np.hypot(mask.shape[0], mask.shape[1])))
    cut = cut_rough(image_rgb, mask, none, none, limit, band_px=band_px)
    if not cut.any():
        return settled
    better = BETTER_THAN_GIVEN if stays else BETTER_THAN_SHIFTED
    return cut if edges.sharpness(cut) > better * given else settled


class _Edges:
    """How strong the edges are round a mask, on a crop that is shrunk if it is large."""

    def __init__(self, image_rgb: UInt8Array, mask: BoolArray) -> None:
        box = mask_to_box(mask) or (0.0, 0.0, 0.0, 0.0)
        height, width = mask.shape
        reach = 2 * REACH_PX * max(1.0, float(np.hypot(width, height)) / 800.0)
        x0, y0 = (int(max(0.0, low - reach)) for low in box[:2])
        x1, y1 = (
            int(min(size, high + reach + 1.0))
            for high, size in zip(box[2:], (width, height), strict=True)
        )
        self._crop = slice(y0, y1), slice(x0, x1)
        factor = min(1.0, float(np.sqrt(MAX_PIXELS / ((x1 - x0) * (y1 - y0)))))
        self._factor = factor
        self._size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
        part = cv2.resize(image_rgb[self._crop], self._size, interpolation=cv2.INTER_AREA)
        smooth = cv2.GaussianBlur(part, (0, 0), 1.0).astype(np.float32) / np.float32(255)
        lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2Lab)
        squared = np.zeros(lab.shape[:2], np.float32)
        for channel in cv2.split(lab):
            for dx, dy in ((1, 0), (0, 1)):
                slope = cv2.Scharr(channel, cv2.CV_32F, dx, dy, scale=1 / 32)
                squared += slope.reshape(squared.shape) ** 2
        gradient = np.sqrt(squared)
        self._strength = gradient / (gradient + HALF_GRADIENT)

    def best_offset(self, mask: BoolArray) -> tuple[int, float]:
        """Return how far outside the outline the sharpest edges run, and how sharp they are.

        Pixels of the crop, less than 0: inside; 0 where nothing can be told.
        """
        sharp = self._profile(mask)
        if not np.isfinite(sharp).any():
            return 0, 0.0
        best = int(np.nanargmax(sharp))
        near = sharp[REACH_PX - EXACT_PX : REACH_PX + EXACT_PX + 1]
        own = float(np.nanmax(near)) if np.isfinite(near).any() else 0.0
        far = abs(best - REACH_PX) > FAR_PX
        if far and sharp[best] < FAR_SHARPER * own:  # it lies on edges here and there
            return 0, own
        return best - REACH_PX, float(sharp[best])

    def sharpness(self, mask: BoolArray) -> float:
        """Return how much stronger edges are on the outline than beside it; 0: cannot be told."""
        near = self._profile(mask)[REACH_PX - EXACT_PX : REACH_PX + EXACT_PX + 1]
        return float(np.nanmax(near)) if np.isfinite(near).any() else 0.0

    def shifted(self, mask: BoolArray, offset: int) -> BoolArray:
        """Return a mask grown by an offset of the crop's pixels; less than 0: shrunk."""
        by = abs(offset) / self._factor
        side = (~mask if offset > 0 else mask).astype(np.uint8)
        depth = cv2.distanceTransform(side, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        depth = depth.reshape(mask.shape)
        return np.asarray(depth < by + 0.5 if offset > 0 else depth > by + 0.5)

    def _profile(self, mask: BoolArray) -> FloatArray:
        """Return the sharpness at each offset, NaN where there is too little, (2 REACH + 1,)."""
        small = cv2.resize(
            mask[self._crop].astype(np.float32), self._size, interpolation=cv2.INTER_AREA
        )
        held = (small > 0.5).astype(np.uint8)
        sharp = np.full(2 * REACH_PX + 1, np.nan)
        if held.all() or not held.any():
            return sharp
        depth, distance = (
            cv2.distanceTransform(side, cv2.DIST_L2, 5).reshape(held.shape)
            for side in (held, 1 - held)
        )
        # Half a pixel each, so that the outline runs between two pixels.
        signed = np.where(held > 0, 0.5 - depth, distance - 0.5)
        side_px = REACH_PX + 5
        index = np.floor(signed + 0.5).astype(int) + side_px
        near = (index >= 0) & (index <= 2 * side_px)
        total = np.bincount(index[near], self._strength[near], 2 * side_px + 1)
        count = np.bincount(index[near], minlength=2 * side_px + 1).astype(np.float64)
        least = LEAST_OUTLINE * count[side_px - 1 : side_px + 2].mean()
        mean = np.where(count >= max(1.0, least), total / np.maximum(count, 1.0), np.nan)
        for i in range(2 * REACH_PX + 1):
            at = i + 5
            beside = mean[[at - 5, at - 4, at - 3, at + 3, at + 4, at + 5]]
            known = beside[np.isfinite(beside)]
            if len(known) >= 3:
                sharp[i] = mean[at - 1 : at + 2].mean() / (known.mean() + 1e-3)
        return sharp
