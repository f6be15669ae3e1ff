# SPDX-License-Identifier: Apache-2.0
"""An image as regions of one surface each, and what is measured on them and between them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import Float32Array, FloatArray, IntArray, UInt8Array

# Grey levels added before the logarithm, so that a sensor's noise in the dark stays small.
LOG_OFFSET = 12.0
# Puts log-colours on a scale comparable to Lab.
LOG_UNIT = 60.0
# Commonness is judged against about this many regions.
SAMPLES = 160


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of an image of (h, w) pixels, and which of them touch.

    Parameters
    ----------
    labels : array of int64, shape (h, w)
        Region of every pixel, 0 to n - 1.
    area : array of float64, shape (n,)
    rim : array of float64, shape (n,)
        How many of its pixels' sides are the image's border.
    traits : array of float64, shape (n, 14)
        Means over its pixels; the columns are named below.
    pairs : array of int64, shape (m, 2)
        Regions that touch.
    length : array of float64, shape (m,)
        How many pixel sides they share.
    edges : array of float64, shape (m, 5)
        Mean gradients along those sides: lightness, colour, shadow-free colour, log intensity,
        and the larger of the first two.

    """

    labels: IntArray
    area: FloatArray
    rim: FloatArray
    traits: FloatArray
    pairs: IntArray
    length: FloatArray
    edges: FloatArray

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.area)


# Columns of `Regions.traits`. Chroma is log RGB less its mean, which a shadow leaves as it is.
CENTRE, LAB, CHROMA = slice(0, 2), slice(2, 5), slice(5, 8)
INTENSITY, TEXTURE, COMMON = 8, 9, slice(10, 14)


def find_superpixels(small_rgb: UInt8Array, cell_px: int) -> Regions:
    """Flood an image from the calmest pixel of every cell of a grid.

    Parameters
    ----------
    small_rgb : array of uint8, shape (h, w, 3)
    cell_px : int
        Side of a cell [px].

    """
    smooth = np.asarray(cv2.bilateralFilter(small_rgb, 5, 20.0, 2.0), np.uint8)
    levels = smooth.astype(np.float32)
    lab = np.asarray(cv2.cvtColor(levels / 255.0, cv2.COLOR_RGB2Lab), np.float32)
    logs = cv2.log(levels + LOG_OFFSET).reshape(levels.shape)
    intensity = (logs[..., 0] + logs[..., 1] + logs[..., 2]) / np.float32(3)
    chroma = logs - intensity[..., None]
    light = _gradient(lab[..., 0].copy())
    colour = _gradient(lab[..., 1].copy(), lab[..., 2].copy())
    maps = (
        light,
        colour,
        _gradient(*(chroma[..., i].copy() for i in range(3))) * LOG_UNIT,
        _gradient(intensity) * LOG_UNIT,
        np.maximum(0.5 * light, colour),
    )
    labels = _flood(smooth, maps[-1], cell_px)
    flat = labels.ravel()
    area = np.bincount(flat).astype(np.float64)
    height, width = labels.shape
    channels = (
        np.tile(np.arange(width), height),
        np.repeat(np.arange(height), width),
        *(lab[..., i].ravel() for i in range(3)),
        *(chroma[..., i].ravel() for i in range(3)),
        intensity.ravel(),
        lab[..., 0].ravel() ** 2,
    )
    means = np.stack([np.bincount(flat, values) for values in channels], axis=1) / area[:, None]
    means[:, TEXTURE] = np.sqrt(np.maximum(means[:, TEXTURE] - means[:, LAB.start] ** 2, 0.0))
    common = np.concatenate(
        [
            _commonness(means[:, LAB] * (0.5, 1.0, 1.0), area, widths=(3.0, 8.0)),
            _commonness(means[:, CHROMA] * LOG_UNIT, area, widths=(2.0, 5.0)),
        ],
        axis=1,
    )
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    pairs, length, edges = _touching(labels, maps, len(area))
    return Regions(
        labels=labels,
        area=area,
        rim=np.bincount(border, minlength=len(area)).astype(np.float64),
        traits=np.concatenate([means, common], axis=1),
        pairs=pairs,
        length=length,
        edges=edges,
    )


def merged(regions: Regions, groups: IntArray) -> Regions:
    """Return coarser regions: those of one group, numbered from 0, become one."""
    count = int(groups.max()) + 1
    area = counted(groups, regions.area, count)
    ends = np.sort(groups[regions.pairs], axis=1)
    apart = ends[:, 0] != ends[:, 1]
    keys, inverse = np.unique(ends[apart, 0] * count + ends[apart, 1], return_inverse=True)
    shared = regions.length[apart]
    length = counted(inverse, shared, len(keys))
    rim = counted(groups, regions.rim, count)
    return Regions(
        labels=groups[regions.labels],
        area=area,
        rim=rim,
        traits=grouped_mean(regions.traits, regions.area, groups, count),
        pairs=np.stack([keys // count, keys % count], axis=1),
        length=length,
        edges=grouped_mean(regions.edges[apart], shared, inverse, len(keys)),
    )


def counted(groups: IntArray, weights: FloatArray, count: int) -> FloatArray:
    """Return the sum of each group's weights, shape (count,)."""
    return np.bincount(groups, weights, count).astype(np.float64)


def grouped_mean(
    values: FloatArray, weights: FloatArray, groups: IntArray, count: int
) -> FloatArray:
    """Return the weighted mean of each group's rows, shape (count, columns)."""
    total = np.bincount(groups, weights, count)
    columns = [np.bincount(groups, column * weights, count) / total for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((count, 0))


def pair_features(regions: Regions) -> FloatArray:
    """Return how two regions that touch differ, shape (m, 22)."""
    traits = regions.traits
    one, other = traits[regions.pairs[:, 0]], traits[regions.pairs[:, 1]]
    gap = np.abs(one - other)
    common_one, common_other = one[:, COMMON], other[:, COMMON]
    differences = np.stack(
        [
            gap[:, LAB.start],
            np.hypot(gap[:, LAB.start + 1], gap[:, LAB.start + 2]),
            gap[:, INTENSITY] * LOG_UNIT,
            np.sqrt((gap[:, CHROMA] ** 2).sum(axis=1)) * LOG_UNIT,
            gap[:, TEXTURE],
        ],
        axis=1,
    )
    return np.concatenate(
        [
            np.log(np.concatenate([regions.edges, differences], axis=1) + 0.3),
            gap[:, COMMON],
            np.maximum(common_one, common_other),
            np.minimum(common_one, common_other),
        ],
        axis=1,
    )


def _gradient(*channels: Float32Array) -> Float32Array:
    """Return the length of the gradients of all channels together, each (h, w)."""
    squared = np.zeros_like(channels[0])
    for channel in channels:
        for dx, dy in ((1, 0), (0, 1)):
            slope = cv2.Scharr(channel, cv2.CV_32F, dx, dy, scale=1 / 32).reshape(channel.shape)
            squared += slope * slope
    return np.sqrt(squared)


def _flood(smooth: UInt8Array, gradient: Float32Array, cell_px: int) -> IntArray:
    height, width = gradient.shape
    rows, columns = -(-height // cell_px), -(-width // cell_px)
    padded = np.full((rows * cell_px, columns * cell_px), np.inf, np.float32)
    padded[:height, :width] = gradient
    cells = padded.reshape(rows, cell_px, columns, cell_px).swapaxes(1, 2)
    calmest = cells.reshape(rows, columns, -1).argmin(axis=2)
    y = np.arange(rows)[:, None] * cell_px + calmest // cell_px
    x = np.arange(columns)[None] * cell_px + calmest % cell_px
    # Watershed keeps a frame of one pixel for itself, and draws lines of -1 between its basins.
    markers = np.zeros((height + 2, width + 2), np.int32)
    markers[y.ravel() + 1, x.ravel() + 1] = np.arange(1, rows * columns + 1)
    framed = cv2.copyMakeBorder(smooth, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    cv2.watershed(framed, markers)
    labels = markers[1:-1, 1:-1].astype(np.float32)
    while (labels < 1).any():
        grown = cv2.dilate(labels, np.ones((3, 3), np.uint8)).reshape(labels.shape)
        labels = np.where(labels < 1, grown, labels)
    # Every basin holds its own seed, so the numbers have no gaps.
    return labels.astype(np.int64) - 1


def _commonness(colours: FloatArray, area: FloatArray, *, widths: tuple[float, ...]) -> FloatArray:
    """Return the log share of the image that has about a region's colour, per width."""
    step = max(1, len(area) // SAMPLES)
    weights = (area[::step] / area[::step].sum()).astype(np.float32)
    every = colours.astype(np.float32)
    squared = np.zeros((len(every), len(weights)), np.float32)
    for channel in every.T:
        squared += (channel[:, None] - channel[None, ::step]) ** 2
    shares = [
        np.einsum('ns,s->n', np.exp(squared * np.float32(-0.5 / width**2)), weights)
        for width in widths
    ]
    return np.asarray(np.log(np.stack(shares, axis=1).astype(np.float64) + 1e-3))


def _touching(
    labels: IntArray, maps: tuple[Float32Array, ...], count: int
) -> tuple[IntArray, FloatArray, FloatArray]:
    width = labels.shape[1]
    flat, levels = labels.ravel(), [level.ravel() for level in maps]
    rows, columns = np.nonzero(labels[:, :-1] != labels[:, 1:])
    beside = rows * width + columns
    below = np.flatnonzero(labels[:-1] != labels[1:])
    one = np.concatenate([beside, below])
    other = np.concatenate([beside + 1, below + width])
    low, high = np.minimum(flat[one], flat[other]), np.maximum(flat[one], flat[other])
    unique, inverse = np.unique(low * count + high, return_inverse=True)
    length = np.bincount(inverse, minlength=len(unique)).astype(np.float64)
    values = [
        np.bincount(inverse, np.maximum(level[one], level[other]), len(unique)) / length
        for level in levels
    ]
    pairs = np.stack([unique // count, unique % count], axis=1)
    return pairs, length, np.stack(values, axis=1)
