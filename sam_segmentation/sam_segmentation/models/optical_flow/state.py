# SPDX-License-Identifier: Apache-2.0
"""What the flow tracker knows of one object after one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sam_common.masks import mask_to_box
from sam_common.types import BoolArray, FloatArray, UInt8Array
from sam_segmentation.models.optical_flow.color_histogram import ColorHistogram


@dataclass(frozen=True, eq=False)
class Bits:
    """A mask kept small: its box, one bit per pixel.

    Parameters
    ----------
    size_wh : (int, int)
        Of the image [px].
    left, top, width, height : int
        Of the part that is kept [px]; 0 by 0: the mask is empty.
    bits : array of uint8, shape (n,)
        Rows one after the other, as `numpy.packbits` packs them.

    """

    size_wh: tuple[int, int]
    left: int
    top: int
    width: int
    height: int
    bits: UInt8Array

    @classmethod
    def of(cls, mask: BoolArray) -> Bits:
        """Return a mask of bool, shape (H, W), kept small."""
        size_wh = (mask.shape[1], mask.shape[0])
        box = mask_to_box(mask)
        if box is None:
            return cls(size_wh, 0, 0, 0, 0, np.zeros(0, np.uint8))
        left, top, right, bottom = (round(edge + 0.5) for edge in box)
        bits = np.packbits(mask[top:bottom, left:right])
        return cls(size_wh, left, top, right - left, bottom - top, bits)

    @property
    def mask(self) -> BoolArray:
        """The mask of bool, shape (H, W)."""
        mask = np.zeros(self.size_wh[::-1], bool)
        count = self.width * self.height
        part = np.unpackbits(self.bits, count=count).reshape(self.height, self.width)
        mask[self.top : self.top + self.height, self.left : self.left + self.width] = part
        return mask

    def packed(self) -> dict[str, Any]:
        """Return it as a dict of lists and arrays."""
        window = [self.left, self.top, self.width, self.height]
        return {'size_wh': list(self.size_wh), 'window': window, 'bits': self.bits}

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> Bits:
        """Return the mask that was packed."""
        width, height = (int(side) for side in packed['size_wh'])
        left, top, across, down = (int(value) for value in packed['window'])
        bits = np.asarray(packed['bits'], np.uint8)
        return cls((width, height), left, top, across, down, bits)


@dataclass(frozen=True, eq=False)
class FlowState:
    """What the flow tracker knows of one object after one frame; never changed.

    Parameters
    ----------
    bits : Bits
        What is seen of the object in that frame; empty while it is hidden.
    shape : array of bool, shape (h, w)
        The object's whole outline when it was last seen in full, cut out.
    place : array of float64, shape (2, 3)
        Takes homogeneous pixels of the shape to where they should be in that frame.
    histogram : ColorHistogram
        How the object looks when it is seen.
    around : ColorHistogram
        How what is around it looked when it was last seen.
    drift_xy : (float, float)
        How it moves beside what the camera's motion makes of it [px per frame].
    contrast : float
        How clearly its colours set it apart when it was last seen in full [0-1].
    score : float
        What the segmenter expected of its mask [0-1].
    presence : float
        How sure it is that the object is seen [0-1].
    hidden : int
        Frames in a row in which it was not seen.
    age : int
        Frames since the shape was taken.

    """

    bits: Bits
    shape: BoolArray
    place: FloatArray
    histogram: ColorHistogram
    around: ColorHistogram
    drift_xy: tuple[float, float]
    contrast: float
    score: float
    presence: float
    hidden: int
    age: int

    def packed(self) -> dict[str, Any]:
        """Return the state as a dict of dicts, arrays, lists and numbers."""
        return {
            'bits': self.bits.packed(),
            'shape': self.shape,
            'place': self.place,
            'histogram': self.histogram.shares,
            'around': self.around.shares,
            'drift_xy': list(self.drift_xy),
            'contrast': self.contrast,
            'score': self.score,
            'presence': self.presence,
            'hidden': self.hidden,
            'age': self.age,
        }

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> FlowState:
        """Return the state that was packed."""
        drift_x, drift_y = (float(value) for value in packed['drift_xy'])
        return cls(
            bits=Bits.unpacked(packed['bits']),
            shape=np.asarray(packed['shape'], bool),
            place=np.asarray(packed['place'], np.float64),
            histogram=ColorHistogram(np.asarray(packed['histogram'], np.float32)),
            around=ColorHistogram(np.asarray(packed['around'], np.float32)),
            drift_xy=(drift_x, drift_y),
            contrast=float(packed['contrast']),
            score=float(packed['score']),
            presence=float(packed['presence']),
            hidden=int(packed['hidden']),
            age=int(packed['age']),
        )


def empty_like(bits: Bits) -> Bits:
    """Return an empty mask of the same image."""
    return Bits(bits.size_wh, 0, 0, 0, 0, np.zeros(0, np.uint8))
