# SPDX-License-Identifier: Apache-2.0
"""Depth images as image_transport's compressedDepth and compressed send them."""

from __future__ import annotations

import struct

import numpy as np
from sensor_msgs.msg import CompressedImage

from sam_common.depth import depth_to_metres
from sam_common.errors import DepthError, ImageError
from sam_common.image_header import check_size
from sam_common.images import decode_values
from sam_common.rvl import check_rvl_size, decode_rvl
from sam_common.types import AnyArray, Float32Array

# Before the data of compressedDepth: a format, and two numbers by which 32FC1 was made 16 bits
# deep; then, with RVL, columns and rows. See
# https://github.com/ros-perception/image_transport_plugins, compression_common.h and codec.cpp.
HEADER, RVL_SIZE = struct.Struct('<iff'), struct.Struct('<ii')
# A PNG begins with its signature and the head of its first chunk, then its width and height.
PNG_SIGNATURE, PNG_START = b'\x89PNG', struct.Struct('>16xII')
# Encodings of 16 bits, whose values can lie in a PNG as they are.
MILLIMETRES = ('16UC1', 'mono16')


def depth_from_compressed(msg: CompressedImage) -> Float32Array:
    """Return a compressed depth image as float32 (H, W) [m], NaN: no reading.

    Raises
    ------
    DepthError
        If it is no PNG of 16 bits, and neither PNG nor RVL of 16UC1 or 32FC1 behind the header of
        compressedDepth; or if it cannot be decoded.

    """
    size_wh = check_compressed_depth(msg)
    begin, what = _begin(msg), _name(msg)
    if _is_rvl(msg):
        pixels: AnyArray = decode_rvl(bytes(msg.data[begin + RVL_SIZE.size :]), size_wh, what)
    else:
        try:
            pixels = decode_values(bytes(msg.data[begin:]), what)
        except ImageError as error:
            raise DepthError(str(error)) from error
        if pixels.dtype != np.uint16 or pixels.ndim != 2:
            raise DepthError(f'{what} is no whole PNG of one channel of 16 bits; send one')
    if _encoding(msg) != '32FC1':
        return depth_to_metres(pixels, '16UC1')
    _, a, b = HEADER.unpack(bytes(msg.data[: HEADER.size]))
    if not (np.isfinite([a, b]).all() and a > 0):
        raise DepthError(f'{what} gives {a:g} and {b:g} for scaling; they must be finite')
    # What is sent is a / depth + b, and 0 for no reading.
    with np.errstate(divide='ignore', over='ignore'):
        metres = np.float32(a) / (pixels.astype(np.float32) - np.float32(b))
    metres[pixels == 0] = np.nan
    return depth_to_metres(metres.astype(np.float32, copy=False), '32FC1')


def check_compressed_depth(msg: CompressedImage) -> tuple[int, int]:
    """Return the size; raises DepthError for what is not a depth image of a kind that is read."""
    what = _name(msg)
    encodings = (*MILLIMETRES, '32FC1') if _has_header(msg) else (*MILLIMETRES, 'png')
    if _encoding(msg) not in encodings:
        raise DepthError(
            f"{what} is no depth image that is read; expected is the format '16UC1; "
            "compressedDepth png', or the same of 32FC1 or rvl, or '16UC1; png compressed': "
            "subscribe to the depth topic's /compressedDepth, or raw"
        )
    begin = _begin(msg)
    try:
        if _is_rvl(msg):
            size_wh = RVL_SIZE.unpack(bytes(msg.data[begin : begin + RVL_SIZE.size]))
            check_rvl_size(size_wh, what)
            return size_wh
        head = bytes(msg.data[begin : begin + PNG_START.size])
        if not head.startswith(PNG_SIGNATURE):
            raise DepthError(f"{what} holds no PNG; set the publisher's format to png")
        width, height = PNG_START.unpack(head)
        check_size(width, height, what)
    except struct.error as error:
        raise DepthError(f'{what} is cut off; send it whole') from error
    except ImageError as error:
        raise DepthError(str(error)) from error
    return width, height


def _name(msg: CompressedImage) -> str:
    return f'the compressed depth image ({msg.format[:80]!r}, {len(msg.data)} bytes)'


def _encoding(msg: CompressedImage) -> str:
    return str(msg.format).partition(';')[0].strip()


def _has_header(msg: CompressedImage) -> bool:
    return 'compressedDepth' in msg.format


def _is_rvl(msg: CompressedImage) -> bool:
    return _has_header(msg) and msg.format.split()[-1] == 'rvl'


def _begin(msg: CompressedImage) -> int:
    """Return where the data begin."""
    return HEADER.size if _has_header(msg) else 0
