# SPDX-License-Identifier: Apache-2.0
"""Masks as COCO's compressed run lengths, as pycocotools reads and writes them.

Runs go down the columns and begin with background. From the fourth on, each is written as its
difference to the run two before, in groups of five bits, lowest first, with a sixth bit where
more follow, as characters from '0' on:
https://github.com/cocodataset/cocoapi/blob/master/common/maskApi.c
"""

from __future__ import annotations

import numpy as np

from sam_common.types import BoolArray

_BITS, _MORE, _SIGN, _FIRST = 5, 0x20, 0x10, 48
# Runs of an image that is as large as any fit in this many groups.
_MAX_GROUPS = 8


def encode_rle(mask: BoolArray) -> str:
    """Return the `counts` of a mask, bool (H, W)."""
    pixels = mask.ravel(order='F')
    changes = np.flatnonzero(pixels[1:] != pixels[:-1]) + 1
    edges = np.concatenate([[0], changes, [pixels.size]])
    if pixels.size and pixels[0]:
        edges = np.concatenate([[0], edges])
    values = np.diff(edges)
    values[3:] -= np.diff(edges)[1:-2]
    characters = np.zeros((len(values), _MAX_GROUPS), np.uint8)
    left, goes_on = values.copy(), np.ones(len(values), bool)
    for group in range(_MAX_GROUPS):
        bits = left & (_MORE - 1)
        left = left >> _BITS
        more = np.where(bits & _SIGN, left != -1, left != 0)
        characters[:, group] = np.where(goes_on, bits + _MORE * more + _FIRST, 0)
        goes_on &= more
    return characters[characters > 0].tobytes().decode('ascii')


def decode_rle(counts: str, size_wh: tuple[int, int]) -> BoolArray:
    """Return the mask, bool (H, W), of this width and height.

    Raises
    ------
    ValueError
        If the runs are malformed, or are of another size.

    """
    runs: list[int] = []
    value = shift = 0
    for character in counts.encode('ascii', errors='replace'):
        bits = character - _FIRST
        if not 0 <= bits < 2 * _MORE or shift >= _BITS * _MAX_GROUPS:
            raise ValueError(f'character {chr(character)!r} has no place in run lengths')
        value |= (bits & (_MORE - 1)) << shift
        shift += _BITS
        if bits & _MORE:
            continue
        if bits & _SIGN:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    width, height = size_wh
    if shift or min(runs, default=0) < 0 or sum(runs) != width * height:
        raise ValueError(f'the runs cover {sum(runs)} pixels, but the mask has {width} x {height}')
    inside = np.arange(len(runs)) % 2 == 1
    return np.repeat(inside, runs).reshape(width, height).T
