# SPDX-License-Identifier: Apache-2.0
"""Arrays from one encoding to another."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from cv_bridge.encodings import CvBridgeError, Encoding, parse_encoding

Array = npt.NDArray[Any]

_COLORS = {'mono': 'GRAY', 'rgb': 'RGB', 'bgr': 'BGR', 'rgba': 'RGBA', 'bgra': 'BGRA'}
# OpenCV names a Bayer pattern by the second row's second and third pixel.
_BAYER = {'bayer_rggb': 'BG', 'bayer_bggr': 'RG', 'bayer_gbrg': 'GR', 'bayer_grbg': 'GB'}
_YUV = {'yuv422': 'UYVY', 'yuv422_yuy2': 'YUY2'}


def convert(image: Array, source_name: str, target_name: str) -> Array:
    """Convert an image (H, W) or (H, W, C) between two encodings.

    Between colours the channels are rearranged; between depths of 8 and 16 bits the values are
    scaled, so that white stays white, and between other depths they are kept and clipped.

    Raises
    ------
    CvBridgeError
        If there is no such conversion, or OpenCV can't do it with this image.
    """
    if source_name == target_name:
        return image
    source, target = parse_encoding(source_name), parse_encoding(target_name)
    if source.color is None or target.color is None:
        _check_both_plain(source, target)
        return _convert_depth(image, source, target)
    if source.color == target.color and source.color not in _COLORS:
        raise CvBridgeError(f'Unsupported conversion from [{source_name}] to [{target_name}]')
    if source.color != target.color:
        code = _conversion_code(source, target)
        try:
            image = cv2.cvtColor(image, code)
        except cv2.error as error:
            raise CvBridgeError(str(error)) from error
    return _convert_depth(image, source, target)


def _check_both_plain(source: Encoding, target: Encoding) -> None:
    if source.color is None and target.color is not None:
        raise CvBridgeError(
            f'[{source.name}] is not a color format. but [{target.name}] is. '
            'The conversion does not make sense'
        )
    if source.channels != target.channels:
        raise CvBridgeError(
            f'[{source.name}] and [{target.name}] do not have the same number of channel'
        )


def _conversion_code(source: Encoding, target: Encoding) -> int:
    to = _COLORS.get(target.color or '')
    if source.color in _BAYER and to in ('GRAY', 'RGB', 'BGR'):
        name = f'COLOR_Bayer{_BAYER[source.color]}2{to}'
    elif source.color in _YUV and to == 'GRAY':
        name = f'COLOR_YUV2GRAY_{_YUV[source.color]}'
    elif source.color in _YUV and to:
        name = f'COLOR_YUV2{to}_{_YUV[source.color]}'
    elif source.color in _COLORS and to:
        name = f'COLOR_{_COLORS[source.color]}2{to}'
    else:
        raise CvBridgeError(f'Unsupported conversion from [{source.name}] to [{target.name}]')
    return int(getattr(cv2, name))


def _convert_depth(image: Array, source: Encoding, target: Encoding) -> Array:
    dtype = np.dtype(target.dtype)
    if image.dtype == dtype:
        return image
    if (source.bits, target.bits) == (8, 16):
        image = image * (65535.0 / 255.0)
    elif (source.bits, target.bits) == (16, 8):
        image = image * (255.0 / 65535.0)
    if dtype.kind == 'f':
        return image.astype(dtype)
    limits = np.iinfo(dtype)
    # NaN becomes the lowest number, as OpenCV has it.
    whole = np.rint(image) if image.dtype.kind == 'f' else image
    whole = np.nan_to_num(whole, nan=limits.min, posinf=limits.max, neginf=limits.min)
    return np.clip(whole, limits.min, limits.max).astype(dtype)
