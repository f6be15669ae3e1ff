# SPDX-License-Identifier: Apache-2.0
"""Where a depth image jumps, and which of its pixels lie on a surface.

A plane's inverse depth is linear over the image. So a second difference of inverse depth is 0 on
every plane, however steeply it is seen, and large only where the depth jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sam_common.types import BoolArray, Float32Array

# More than the curvature of graspable things, less than a jump that matters [m].
JUMP_M = 0.006
# Depth per width of a pixel on the most slanted surface that counts as one. An even step over
# three pixels bends nowhere, but it is steeper.
STEEP = 8.0


@dataclass(frozen=True, eq=False)
class Smoothness:
    """Where three pixels in a row lie on one surface.

    Parameters
    ----------
    along_x, along_y : array of bool, shape (H, W)
        Of a pixel and its two neighbours.

    """

    along_x: BoolArray
    along_y: BoolArray

    @property
    def on_surface(self) -> BoolArray:
        """Pixels (H, W) that continue a surface to some side along x, and along y too.

        The others are flying pixels, between a thing and what is behind it, or have no depth.
        """
        return _either_side(self.along_x) & _either_side(self.along_y.T).T


def smoothness(depth_m: Float32Array, focal_px: float) -> Smoothness:
    """Return where a depth image (H, W) [m] of this focal length [px] does not jump."""
    inverse = 1 / depth_m
    bend = JUMP_M * inverse * inverse
    slope = bend + (2 * STEEP / focal_px) * inverse
    return Smoothness(_smooth(inverse, bend, slope), _smooth(inverse.T, bend.T, slope.T).T)


def bodies(kept: BoolArray, smooth: Smoothness) -> tuple[int, npt.NDArray[np.int32]]:
    """Return how many bodies without a jump in depth the kept pixels form, and which is where.

    Parameters
    ----------
    kept : array of bool, shape (H, W)
    smooth : Smoothness
        Of the same pixels.

    Returns
    -------
    count : int
    labels : array of int32, shape (H, W)
        From 1; 0: not kept.

    """
    height, width = kept.shape
    # Between each two pixels there is a cell that says whether they are one surface.
    grid = np.zeros((2 * height - 1, 2 * width - 1), np.uint8)
    grid[::2, ::2] = kept
    grid[::2, 1::2] = kept[:, :-1] & kept[:, 1:] & (smooth.along_x[:, :-1] | smooth.along_x[:, 1:])
    grid[1::2, ::2] = kept[:-1] & kept[1:] & (smooth.along_y[:-1] | smooth.along_y[1:])
    count, labels = cv2.connectedComponents(grid, connectivity=4, ltype=cv2.CV_32S)
    return count - 1, np.asarray(labels[::2, ::2], np.int32)


def _smooth(inverse: Float32Array, most_bend: Float32Array, most_slope: Float32Array) -> BoolArray:
    result = np.zeros(inverse.shape, bool)
    before, after = inverse[:, :-2], inverse[:, 2:]
    bend = np.abs(before + after - 2 * inverse[:, 1:-1])
    # NaN is not below anything: no reading, no surface.
    result[:, 1:-1] = (bend < most_bend[:, 1:-1]) & (np.abs(after - before) < most_slope[:, 1:-1])
    return result


def _either_side(smooth: BoolArray) -> BoolArray:
    result = smooth.copy()
    result[:, 1:] |= smooth[:, :-1]
    result[:, :-1] |= smooth[:, 1:]
    return result
