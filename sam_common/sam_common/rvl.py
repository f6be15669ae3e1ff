# SPDX-License-Identifier: Apache-2.0
"""RVL, a lossless code for depth images: Wilson, Fast Lossless Depth Image Compression (2017).

Numbers are cut into three bits each, the lowest first, which lie in nibbles whose highest bit says
that more follow; eight nibbles, the first one highest, are a little-endian word. In turn it is
said how many pixels have no reading, how many have one, and of each of these the difference to the
one before, folded so that it is positive.
"""

from __future__ import annotations

import numpy as np

from sam_common.errors import DepthError
from sam_common.types import IntArray, UInt16Array

# No depth camera has more.
MAX_PIXELS = 10_000_000
# Of an image: runs and differences for each pixel, and the nibbles that they take at most.
_NUMBERS_PER_PIXEL, _BYTES_PER_PIXEL = 2, 4
# So many bits have no difference and no length of a run.
_MAX_NIBBLES = 11


def decode_rvl(data: bytes, size_wh: tuple[int, int], what: str) -> UInt16Array:
    """Return the image, uint16 (H, W), that RVL data hold.

    Parameters
    ----------
    data : bytes
    size_wh : (int, int)
        Of the image [px].
    what : str
        How an error calls it.

    Raises
    ------
    DepthError
        If the size is none or above 10 million pixels, or the data do not make up such an image.

    """
    check_rvl_size(size_wh, what)
    total = size_wh[0] * size_wh[1]
    numbers = _numbers(data, total, what)
    runs = _runs(numbers, total, what)
    # Of each pixel with a reading: where its number is, and where it belongs.
    place, pixel, count = runs.T
    offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    folded = numbers[np.repeat(place, count) + offset]
    values = np.cumsum((folded >> 1) ^ -(folded & 1))
    if len(values) and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        raise DepthError(f'{what} is damaged: a reading has more than 16 bits; send it anew')
    image = np.zeros(total, np.uint16)
    image[np.repeat(pixel, count) + offset] = values
    return image.reshape(size_wh[::-1])


def check_rvl_size(size_wh: tuple[int, int], what: str) -> None:
    """Raise DepthError for an image without pixels or with too many."""
    width, height = size_wh
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        raise DepthError(
            f'{what} is {width} x {height} px; 1 to {MAX_PIXELS:,} pixels are accepted: send '
            'another size'
        )


def _numbers(data: bytes, total: int, what: str) -> IntArray:
    words = np.frombuffer(data, '<u4', min(len(data) // 4, total * _BYTES_PER_PIXEL // 4 + 2))
    octets = words.astype('>u4').view(np.uint8)
    nibbles = np.empty(2 * len(octets), np.uint8)
    nibbles[::2], nibbles[1::2] = octets >> 4, octets & 15
    ends = np.flatnonzero(nibbles < 8)[: total * _NUMBERS_PER_PIXEL + 2]
    if not len(ends):
        return np.zeros(0, np.int64)
    at = np.concatenate([[0], ends[:-1] + 1])
    digits = nibbles[at]
    numbers: IntArray = (digits & 7).astype(np.int64)
    which = np.flatnonzero(digits > 7)
    for digit in range(1, _MAX_NIBBLES):
        if not len(which):
            return numbers
        digits = nibbles[at[which] + digit]
        numbers[which] |= (digits & 7).astype(np.int64) << (3 * digit)
        which = which[digits > 7]
    if len(which):
        raise DepthError(f'{what} is damaged: a number has too many bits; send it anew')
    return numbers


def _runs(numbers: IntArray, total: int, what: str) -> IntArray:
    """Return of each run of readings its first number, its first pixel, and its length (N, 3)."""
    runs, pixel, place = [], 0, 0
    values, last = numbers.data, len(numbers) - 1
    while pixel < total:
        if place >= last:
            raise _cut_off(what, pixel, total)
        empty, count = values[place], values[place + 1]
        place, pixel = place + 2, pixel + empty
        if pixel + count > total or not (empty or count):
            raise DepthError(
                f'{what} is damaged: after {pixel - empty} of {total} pixels come {empty} '
                f'without and {count} with a reading; send it anew'
            )
        runs.append((place, pixel, count))
        place, pixel = place + count, pixel + count
        if place > last + 1:
            raise _cut_off(what, pixel, total)
    return np.array(runs, np.int64).reshape(-1, 3)


def _cut_off(what: str, pixel: int, total: int) -> DepthError:
    return DepthError(
        f'{what} is cut off within its first {pixel} of {total} pixels; send it whole'
    )
