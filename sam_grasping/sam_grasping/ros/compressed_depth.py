# SPDX-License-Identifier: Apache-2.0
"""Depth images as image_transport's compressedDepth sends them."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from sensor_msgs.msg import CompressedImage

from sam_grasping.core.depth import depth_to_metres
from sam_grasping.core.errors import DepthError
from sam_segmentation.core.decoding import decode_values
from sam_segmentation.core.errors import ImageError

# Before the PNG: a format, and two numbers by which 32FC1 was made 16 bits deep. See
# https://github.com/ros-perception/image_transport_plugins, compression_common.h.
HEADER = struct.Struct('<iff')
PNG_SIGNATURE = b'\x89PNG'
# A PNG begins with its signature and the head of its first chunk, then its width and height.
PNG_START = struct.Struct('>16xII')


def depth_from_compressed(msg: CompressedImage) -> npt.NDArray[np.float32]:
    """Return a compressed depth image as float32 (H, W) [m], NaN: no reading.

    Raises
    ------
    DepthError
        If it is not a PNG of 16UC1 or 32FC1 behind its header, or cannot be decoded.

    """
    check_compressed_depth(msg)
    data = bytes(msg.data)
    what = f'the compressed depth image ({msg.format!r}, {len(data)} bytes)'
    try:
        pixels = decode_values(data[HEADER.size :], what)
    except ImageError as error:
        raise DepthError(str(error)) from error
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise DepthError(f'{what} is no whole PNG of one channel of 16 bits; send one')
    if _encoding(msg) == '16UC1':
        return depth_to_metres(pixels, '16UC1')
    _, a, b = HEADER.unpack_from(data)
    if not (np.isfinite([a, b]).all() and a > 0):
        raise DepthError(f'{what} gives {a:g} and {b:g} for scaling; they must be finite')
    # What is sent is a / depth + b, and 0 for no reading.
    with np.errstate(divide='ignore'):
        metres = np.float32(a) / (pixels.astype(np.float32) - np.float32(b))
    metres[pixels == 0] = np.nan
    return depth_to_metres(metres.astype(np.float32, copy=False), '32FC1')


def check_compressed_depth(msg: CompressedImage) -> tuple[int, int]:
    """Return the size; raises DepthError for what is not a depth image in a PNG."""
    if _encoding(msg) not in ('16UC1', '32FC1') or 'compressedDepth' not in msg.format:
        raise DepthError(
            f"format {msg.format!r} is no depth image; expected is '16UC1; compressedDepth png', "
            "or the same of 32FC1: subscribe to the depth topic's /compressedDepth"
        )
    head = bytes(msg.data[HEADER.size : HEADER.size + PNG_START.size])
    if len(head) < PNG_START.size or not head.startswith(PNG_SIGNATURE):
        raise DepthError(
            f'the compressed depth image ({msg.format!r}, {len(msg.data)} bytes) holds no PNG; '
            "set the publisher's compressedDepth format to png"
        )
    width, height = PNG_START.unpack(head)
    return width, height


def _encoding(msg: CompressedImage) -> str:
    return str(msg.format).partition(';')[0].strip()
