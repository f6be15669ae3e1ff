# SPDX-License-Identifier: Apache-2.0
"""What the flow tracker knows of one object after one frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_segmentation.backends.flow_look import Look
from sam_segmentation.core.masks import BoxXyxy, mask_to_box

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Bits:
    """A mask kept small: its box, one bit per pixel.

    Parameters
    ----------
    size_wh : (int, int)
        Of the image [px].
    left, top, width, height : int
        Of the part that is kept [px]; 0 by 0: the mask is empty.
    bits : bytes
        Rows one after the other, as `numpy.packbits` packs them.

    """

    size_wh: tuple[int, int]
    left: int
    top: int
    width: int
    height: int
    bits: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, mask: Mask) -> Bits:
        """Return a mask of bool, shape (H, W), kept small."""
        size_wh = (mask.shape[1], mask.shape[0])
        box = mask_to_box(mask)
        if box is None:
            return cls(size_wh, 0, 0, 0, 0, np.zeros(0, np.uint8))
        left, top, right, bottom = (round(edge + 0.5) for edge in box)
        bits = np.packbits(mask[top:bottom, left:right])
        return cls(size_wh, left, top, right - left, bottom - top, bits)

    @property
    def mask(self) -> Mask:
        """The mask of bool, shape (H, W)."""
        mask = np.zeros(self.size_wh[::-1], bool)
        count = self.width * self.height
        part = np.unpackbits(self.bits, count=count).reshape(self.height, self.width)
        mask[self.top : self.top + self.height, self.left : self.left + self.width] = part
        return mask


@dataclass(frozen=True, eq=False)
class FlowState:
    """What the flow tracker knows of one object after one frame; never changed.

    Parameters
    ----------
    bits : Bits
        The mask in that frame; empty while the object is hidden.
    look : Look
        How the object looks when it is seen.
    area_px : float
        How large it is when it is seen in full.
    score : float
        What the segmenter expects of the mask [0-1].
    presence : float
        How sure it is that the object is seen [0-1].
    hidden : int
        Frames in a row in which it was not seen.
    box_xyxy : (float, float, float, float)
        Where it was seen last [px].

    """

    bits: Bits
    look: Look
    area_px: float
    score: float
    presence: float
    hidden: int
    box_xyxy: BoxXyxy

    def packed(self) -> dict[str, Any]:
        """Return the state as a dict of arrays, lists and numbers."""
        bits = self.bits
        return {
            'size_wh': list(bits.size_wh),
            'window': [bits.left, bits.top, bits.width, bits.height],
            'bits': bits.bits,
            'look': self.look.shares,
            'area_px': self.area_px,
            'score': self.score,
            'presence': self.presence,
            'hidden': self.hidden,
            'box_xyxy': list(self.box_xyxy),
        }

    @classmethod
    def unpacked(cls, packed: Mapping[str, Any]) -> FlowState:
        """Return the state that was packed."""
        width, height = (int(side) for side in packed['size_wh'])
        left, top, right, bottom = (float(edge) for edge in packed['box_xyxy'])
        bits = np.asarray(packed['bits'], np.uint8)
        left_px, top_px, wide, high = (int(value) for value in packed['window'])
        return cls(
            bits=Bits((width, height), left_px, top_px, wide, high, bits),
            look=Look(np.asarray(packed['look'], np.float32)),
            area_px=float(packed['area_px']),
            score=float(packed['score']),
            presence=float(packed['presence']),
            hidden=int(packed['hidden']),
            box_xyxy=(left, top, right, bottom),
        )
