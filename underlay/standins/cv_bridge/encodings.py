# SPDX-License-Identifier: Apache-2.0
"""What the names of image encodings say: kind of colour, number type, channels."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


class CvBridgeError(TypeError):
    """An image that `CvBridge` cannot convert."""


@dataclass(frozen=True)
class Encoding:
    """One encoding; `color` is None for those that are numbers without a meaning, as 16UC1."""

    name: str
    color: str | None
    dtype: npt.DTypeLike
    channels: int

    @property
    def bits(self) -> int:
        """Bits per channel."""
        return np.dtype(self.dtype).itemsize * 8

    @property
    def cv_type(self) -> str:
        """OpenCV's name of the type, as 8UC3."""
        return cv_type(np.dtype(self.dtype), self.channels)


_DTYPES = {
    '8U': 'uint8',
    '8S': 'int8',
    '16U': 'uint16',
    '16S': 'int16',
    '32S': 'int32',
    '32F': 'float32',
    '64F': 'float64',
}
_DEPTHS = {dtype: depth for depth, dtype in _DTYPES.items()}

_CHANNELS = {'mono': 1, 'bgr': 3, 'rgb': 3, 'bgra': 4, 'rgba': 4}
_CHANNELS |= {f'bayer_{order}': 1 for order in ('rggb', 'bggr', 'gbrg', 'grbg')}
_NAMED = {
    f'{color}{bits}': Encoding(f'{color}{bits}', color, f'uint{bits}', channels)
    for color, channels in _CHANNELS.items()
    for bits in (8, 16)
}
_NAMED |= {name: Encoding(name, name, 'uint8', 2) for name in ('yuv422', 'yuv422_yuy2')}
# At most three digits: OpenCV has no more than 512 channels.
_GENERIC = re.compile(r'(8U|8S|16U|16S|32S|32F|64F)(?:C([1-9][0-9]{0,2}))?')


def parse_encoding(name: str) -> Encoding:
    """Look an encoding up by name.

    Raises
    ------
    CvBridgeError
        If there is no such encoding.
    """
    if name in _NAMED:
        return _NAMED[name]
    match = _GENERIC.fullmatch(name)
    if match is None:
        raise CvBridgeError(f'Unrecognized image encoding [{name}]')
    return Encoding(name, None, _DTYPES[match[1]], int(match[2] or 1))


def cv_type(dtype: 'np.dtype[np.generic]', channels: int) -> str:
    """Return OpenCV's name of a type, as 8UC3 for uint8 and 3.

    Raises
    ------
    CvBridgeError
        If OpenCV has no such type.
    """
    if dtype.name not in _DEPTHS:
        raise CvBridgeError(f'an image of {dtype.name} has no encoding; use one of {_DTYPES}')
    return f'{_DEPTHS[dtype.name]}C{channels}'
