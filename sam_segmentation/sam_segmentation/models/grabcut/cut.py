# SPDX-License-Identifier: Apache-2.0
"""GrabCut in a window round a rough mask, as fine as the window's size allows."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.boxes import BoxXyxy
from sam_common.masks import mask_to_box
from sam_common.types import BoolArray, FloatArray, IntArray, UInt8Array

# A cut takes about 1.5 us per pixel of its window.
MAX_WINDOW_PX = 20000
MIN_MARGIN_PX = 6.0
# Round a rough mask, which may be too small; and round a box, which is not.
ROUGH_MARGIN, BOX_MARGIN = 0.2, 0.06
# What may still change lies this near the rough outline, in units of the root of its area.
OUTER_SHARE, INNER_SHARE = 0.15, 0.1
MIN_BAND_PX = 4.0
# A band of a given width leaves the core of a thin mask.
DEEPEST_SHARE = 0.6
# OpenCV fits five colours to either side and refuses fewer pixels than that.
MIN_SIDE_PX = 5
# Loose pieces of a mask stay if they are at least this share of the largest.
PIECE_SHARE = 0.15


@dataclass(frozen=True, eq=False)
class CutWindow:
    """A part of an image on a grid of its own.

    Parameters
    ----------
    left, top, right, bottom : int
        In the image [px], the last two exclusive.
    size_wh : (int, int)
        Of the window's grid.

    """

    left: int
    top: int
    right: int
    bottom: int
    size_wh: tuple[int, int]

    @property
    def scale_xy(self) -> FloatArray:
        """CutWindow pixels per image pixel, shape (2,)."""
        size = (self.right - self.left, self.bottom - self.top)
        return np.array(self.size_wh, float) / size

    def to_window(self, points_xy: FloatArray) -> FloatArray:
        """Return image points in window pixels, shape (..., 2)."""
        return np.asarray((points_xy + 0.5 - (self.left, self.top)) * self.scale_xy - 0.5)

    def crop(self, image: UInt8Array) -> UInt8Array:
        """Return the window's pixels of an image (H, W, 3)."""
        part = image[self.top : self.bottom, self.left : self.right]
        return np.asarray(cv2.resize(part, self.size_wh, interpolation=cv2.INTER_AREA), np.uint8)

    def sample(self, mask: BoolArray, image_wh: tuple[int, int]) -> BoolArray:
        """Return what a mask of the whole image, at any scale, says on the window's grid."""
        per_pixel = np.array(mask.shape[::-1]) / image_wh
        step = per_pixel / self.scale_xy
        start = (np.array([self.left, self.top]) + 0.5 / self.scale_xy) * per_pixel - 0.5
        warp = np.array([[step[0], 0.0, start[0]], [0.0, step[1], start[1]]])
        sampled = cv2.warpAffine(
            mask.astype(np.float32),
            warp,
            self.size_wh,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(sampled > 0.5)

    def paste(self, mask: BoolArray, image_wh: tuple[int, int]) -> BoolArray:
        """Return a mask of the window as one of the image, False outside the window."""
        whole = np.zeros(image_wh[::-1], bool)
        size = (self.right - self.left, self.bottom - self.top)
        part = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
        whole[self.top : self.bottom, self.left : self.right] = part > 0.5
        return whole


def window_around(box_xyxy: BoxXyxy, image_wh: tuple[int, int], margin_share: float) -> CutWindow:
    """Return a window that holds a box (pixel edges) and a share of it more, in the image."""
    left, top, right, bottom = box_xyxy
    margin = max(MIN_MARGIN_PX, margin_share * max(right - left, bottom - top))
    x0, y0 = (
        int(np.clip(low - margin, 0, size - 1))
        for low, size in zip((left, top), image_wh, strict=True)
    )
    x1 = int(np.clip(right + margin + 1.0, x0 + 1, image_wh[0]))
    y1 = int(np.clip(bottom + margin + 1.0, y0 + 1, image_wh[1]))
    factor = min(1.0, float(np.sqrt(MAX_WINDOW_PX / ((x1 - x0) * (y1 - y0)))))
    size = max(1, round((x1 - x0) * factor)), max(1, round((y1 - y0) * factor))
    return CutWindow(x0, y0, x1, y1, size)


def cut_rough(
    image_rgb: UInt8Array,
    rough: BoolArray,
    inside_xy: FloatArray,
    outside_xy: FloatArray,
    limit: BoxXyxy | None,
    *,
    band_px: float | None = None,
) -> BoolArray:
    """Return a rough mask with its outline moved to where the colours part.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    rough : array of bool, shape (h, w)
        Of the whole image, at any scale; not empty.
    inside_xy, outside_xy : array of float64, shape (n, 2)
        Points that are, and are not, on the object [px].
    limit : tuple of 4 floats, or None
        Box that the mask cannot leave [px].
    band_px : float, or None
        How far the outline may move [px]; None: by the size of the mask.

    Returns
    -------
    array of bool, shape (H, W)

    """
    image_wh = image_rgb.shape[1], image_rgb.shape[0]
    scale = np.array(image_wh * 2) / (rough.shape[::-1] * 2)
    box = (np.array(mask_to_box(rough)) + 0.5) * scale - 0.5
    window = window_around(_with_points(box, inside_xy), image_wh, ROUGH_MARGIN)
    guess = window.sample(rough, image_wh)
    size = np.sqrt(max(1, np.count_nonzero(guess)))
    scale_min = float(window.scale_xy.min())
    least = MIN_BAND_PX * scale_min
    outer_px, inner_px = max(least, OUTER_SHARE * size), max(least, INNER_SHARE * size)
    if band_px is not None:
        depth = cv2.distanceTransform(guess.astype(np.uint8), cv2.DIST_L2, 3)
        outer_px = max(2.0, band_px * scale_min)
        inner_px = max(1.5, min(band_px * scale_min, DEEPEST_SHARE * float(depth.max())))
    trimap = _band(guess, outer_px=outer_px, inner_px=inner_px)
    if limit is not None:
        trimap[~_box_mask(window, limit)] = cv2.GC_BGD
    return _cut(image_rgb, window, trimap, inside_xy, outside_xy, rounds=1)


def cut_box(
    image_rgb: UInt8Array,
    box_xyxy: BoxXyxy,
    inside_xy: FloatArray,
    outside_xy: FloatArray,
    *,
    slack_px: float,
    barred: BoolArray | None = None,
) -> BoolArray:
    """Return what fills a box.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    box_xyxy : tuple of 4 floats
        Edges [px].
    inside_xy, outside_xy : array of float64, shape (n, 2)
        Points that are, and are not, on the object [px].
    slack_px : float
        How far the object may reach over the box.
    barred : array of bool, shape (H, W), or None
        What is not the object.

    Returns
    -------
    array of bool, shape (H, W)

    """
    image_wh = image_rgb.shape[1], image_rgb.shape[0]
    window = window_around(_with_points(np.array(box_xyxy), inside_xy), image_wh, BOX_MARGIN)
    left, top, right, bottom = box_xyxy
    loose = left - slack_px, top - slack_px, right + slack_px, bottom + slack_px
    trimap = np.full(window.size_wh[::-1], cv2.GC_BGD, np.uint8)
    trimap[_box_mask(window, loose)] = cv2.GC_PR_BGD
    trimap[_box_mask(window, box_xyxy)] = cv2.GC_PR_FGD
    if barred is not None:
        trimap[window.sample(barred, image_wh)] = cv2.GC_BGD
    return _cut(image_rgb, window, trimap, inside_xy, outside_xy, rounds=2)


def _with_points(box: FloatArray, points_xy: FloatArray) -> BoxXyxy:
    low = np.min([box[:2], *points_xy], axis=0)
    high = np.max([box[2:], *points_xy], axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _box_mask(window: CutWindow, box_xyxy: BoxXyxy) -> BoolArray:
    width, height = window.size_wh
    low, high = window.to_window(np.array(box_xyxy).reshape(2, 2))
    columns, rows = np.arange(width), np.arange(height)
    across = (columns > low[0]) & (columns < high[0])
    down = (rows > low[1]) & (rows < high[1])
    return np.asarray(down[:, None] & across[None])


def _band(guess: BoolArray, *, outer_px: float, inner_px: float) -> UInt8Array:
    """Return a trimap that may change only near the guess's outline."""
    inside = guess.astype(np.uint8)
    trimap = np.where(guess, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    if guess.any() and not guess.all():
        depth = cv2.distanceTransform(inside, cv2.DIST_L2, 3).reshape(guess.shape)
        distance = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 3).reshape(guess.shape)
        trimap[depth > inner_px] = cv2.GC_FGD
        trimap[distance > outer_px] = cv2.GC_BGD
    return trimap


def _cut(
    image_rgb: UInt8Array,
    window: CutWindow,
    trimap: UInt8Array,
    inside_xy: FloatArray,
    outside_xy: FloatArray,
    *,
    rounds: int,
) -> BoolArray:
    width, height = window.size_wh
    seeds = []
    for points, value in ((outside_xy, cv2.GC_BGD), (inside_xy, cv2.GC_FGD)):
        at = np.floor(window.to_window(points) + 0.5).astype(int)
        kept = ((at >= 0) & (at < (width, height))).all(axis=1)
        trimap[at[kept, 1], at[kept, 0]] = value
        seeds.append(at[kept])
    cut = _grab(window.crop(image_rgb), trimap, rounds)
    image_wh = image_rgb.shape[1], image_rgb.shape[0]
    whole = window.paste(_without_crumbs(cut, seeds[1]), image_wh)
    for points, value in ((outside_xy, False), (inside_xy, True)):
        at = np.clip(np.floor(points + 0.5).astype(int), 0, np.array(image_wh) - 1)
        whole[at[:, 1], at[:, 0]] = value
    return whole


def _grab(crop: UInt8Array, trimap: UInt8Array, rounds: int) -> BoolArray:
    """Run GrabCut; the same in gives the same out."""
    votes = np.bincount(trimap.ravel(), minlength=4)
    if min(votes[0] + votes[2], votes[1] + votes[3]) < MIN_SIDE_PX or not votes[2:].any():
        return np.asarray(trimap & 1, bool)
    cv2.setRNGSeed(0)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(crop, trimap, (0, 0, 0, 0), *models, rounds, cv2.GC_INIT_WITH_MASK)
    return np.asarray(trimap & 1, bool)


def _without_crumbs(cut: BoolArray, clicked: IntArray) -> BoolArray:
    """Return the pieces that were clicked on, and others of a size that matters."""
    count, pieces, stats, _ = cv2.connectedComponentsWithStats(
        cut.astype(np.uint8), connectivity=4
    )
    if count <= 2:
        return cut
    area = stats[:, cv2.CC_STAT_AREA].copy()
    area[0] = 0
    kept = area >= PIECE_SHARE * area.max()
    kept[pieces[clicked[:, 1], clicked[:, 0]]] = True
    kept[0] = False
    return np.asarray(kept[pieces])
