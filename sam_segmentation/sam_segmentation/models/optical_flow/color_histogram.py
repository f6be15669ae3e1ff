# SPDX-License-Identifier: Apache-2.0
"""What an object looks like: how often each colour occurs in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import BoolArray, Float32Array, UInt8Array, UInt16Array

# Longer side of the images that colours are counted in.
LOOK_SIDE_PX = 320
# UInt16Array for lightness, and for each of the two colour axes of CIELAB.
_LIGHT, _COLOUR = 16, 16
BIN_COUNT = _LIGHT * _COLOUR * _COLOUR
# Any colour may turn up anywhere, this likely: spread over all bins.
_SURPRISE = 0.02
# No colour alone says more than this [log-odds].
_MOST_ODDS = 4.0


def find_bins(image_rgb: UInt8Array) -> UInt16Array:
    """Return the colour bin of each pixel of the image made small, shape (h, w), uint16."""
    height, width = image_rgb.shape[:2]
    factor = min(1.0, LOOK_SIDE_PX / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA)
    light, red, blue = cv2.split(np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2LAB), np.uint8))
    bins = _LIGHT_OF[light] * (_COLOUR * _COLOUR) + _COLOUR_OF[red] * _COLOUR + _COLOUR_OF[blue]
    return np.asarray(bins, np.uint16)


@dataclass(frozen=True, eq=False)
class ColorHistogram:
    """How often each colour occurs in an object.

    Parameters
    ----------
    shares : array of float32, shape (BIN_COUNT,)
        They add up to 1.

    """

    shares: Float32Array

    @classmethod
    def of(cls, bins: UInt16Array, mask: BoolArray) -> ColorHistogram | None:
        """Return the histogram of a small mask, shape (h, w); None of an empty one."""
        counts = np.bincount(bins[mask], minlength=BIN_COUNT).astype(np.float32)
        total = float(counts.sum())
        if not total:
            return None
        cube = (counts / total).reshape(_LIGHT, _COLOUR, _COLOUR)
        # Noise and light move colours to the bins beside.
        for axis in range(3):
            padded = np.pad(cube, [(int(axis == i),) * 2 for i in range(3)], 'edge')
            low, high = (np.take(padded, np.arange(start, start + 16), axis) for start in (0, 2))
            cube = 0.5 * cube + 0.25 * (low + high)
        return cls(np.asarray(cube.ravel(), np.float32))

    def likeness(self, other: ColorHistogram) -> float:
        """Return the Bhattacharyya coefficient of two histograms [0-1]."""
        return float(np.sqrt(self.shares * other.shares).sum())

    def mixed(self, other: ColorHistogram, share: float) -> ColorHistogram:
        """Return this histogram with a share of another one [0-1]."""
        return ColorHistogram(
            np.asarray((1 - share) * self.shares + share * other.shares, np.float32)
        )

    def against(self, around: ColorHistogram) -> Float32Array:
        """Return the log-odds that each colour is the object's and not of what is around it.

        Returns
        -------
        array of float32, shape (BIN_COUNT,)

        """
        floor = np.float32(_SURPRISE / BIN_COUNT)
        odds = np.log((self.shares + floor) / (around.shares + floor))
        return np.asarray(np.clip(odds, -_MOST_ODDS, _MOST_ODDS), np.float32)


def _colour_bins() -> UInt16Array:
    """Fine near grey, where most things are, and coarse far off."""
    offset = np.arange(256) - 128.0
    level = np.sign(offset) * np.sqrt(np.abs(offset) / 80.0)
    return np.asarray(np.clip((level + 1.0) * _COLOUR / 2, 0, _COLOUR - 1), np.uint16)


_COLOUR_OF = _colour_bins()
_LIGHT_OF = (np.arange(256) * _LIGHT // 256).astype(np.uint16)
