# SPDX-License-Identifier: Apache-2.0
"""Images as files and ROS messages hold them, to RGB."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
import PIL.Image

from sam_segmentation.core.errors import ImageError

# OpenCV names a Bayer pattern by the second row's second and third pixel.
_BAYER_TO_RGB = {
    'bayer_rggb8': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr8': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg8': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg8': cv2.COLOR_BayerGB2RGB,
}
YUV_TO_RGB = {
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUY2,
    'yuyv': cv2.COLOR_YUV2RGB_YUY2,
}
# Where red, green and blue lie among the channels; grey is all three of them.
_CHANNELS = {'mono': (0, 0, 0), 'rgb': (0, 1, 2), 'bgr': (2, 1, 0)}
_CHANNELS |= {'rgba': (0, 1, 2), 'bgra': (2, 1, 0)}
_COUNTS = {'mono': 1, 'rgb': 3, 'bgr': 3, 'rgba': 4, 'bgra': 4}
# Bytes per pixel of every encoding that has colours to segment by. Not among them: 8UC1, 8UC3
# and their like, which don't say what their channels mean, and depth (16UC1, 32FC1).
BYTES_PER_PIXEL = {
    **dict.fromkeys(_BAYER_TO_RGB, 1),
    **dict.fromkeys(YUV_TO_RGB, 2),
    **{f'{colour}8': count for colour, count in _COUNTS.items()},
    **{f'{colour}16': 2 * count for colour, count in _COUNTS.items()},
}
_MAX_PIXELS = 100_000_000


class RawImage(Protocol):
    """What `sensor_msgs/Image` holds, whoever read the message."""

    width: int
    height: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def raw_to_rgb(image: RawImage) -> npt.NDArray[np.uint8]:
    """Return an image message's pixels as uint8 (H, W, 3) in RGB.

    Raises
    ------
    ImageError
        If the encoding has no colours to segment by, or size, step and data don't agree.

    """
    check_raw(image)
    width, height, encoding = image.width, image.height, image.encoding
    rows = np.frombuffer(image.data, np.uint8, height * image.step).reshape(height, -1)
    packed = rows[:, : width * BYTES_PER_PIXEL[encoding]]
    if encoding in _BAYER_TO_RGB:
        if min(width, height) < 2:
            raise ImageError(
                f'the {encoding} image is {width} x {height} px; its pattern needs 2 x 2'
            )
        return _contiguous(cv2.cvtColor(np.ascontiguousarray(packed), _BAYER_TO_RGB[encoding]))
    if encoding in YUV_TO_RGB:
        if width % 2:
            raise ImageError(
                f'a {encoding} image shares colour between pairs of pixels, but its width is '
                f'{width}; make it even'
            )
        pairs = packed.reshape(height, width, 2)
        return _contiguous(cv2.cvtColor(pairs, YUV_TO_RGB[encoding]))
    channels = list(_CHANNELS[encoding.rstrip('0123456789')])
    if not encoding.endswith('16'):
        return _contiguous(packed.reshape(height, width, -1)[..., channels])
    deep = np.ascontiguousarray(packed).view('>u2' if image.is_bigendian else '<u2')
    values = deep.reshape(height, width, -1)[..., channels].astype(np.uint32)
    # White stays white: 65535 becomes 255.
    return _contiguous((values + 128) // 257)


def decode_image(data: bytes, what: str) -> npt.NDArray[np.uint8]:
    """Return a JPEG, PNG or other image file as uint8 (H, W, 3) in RGB.

    Parameters
    ----------
    data : bytes
        The file.
    what : str
        How an error calls it.

    Raises
    ------
    ImageError
        If it cannot be decoded, or is larger than 100 million pixels.

    """
    check_image_header(data, what)
    try:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise ImageError(f'{what} cannot be decoded: {error}') from error
    if bgr is None:
        raise ImageError(f'{what} cannot be decoded; give a whole JPEG or PNG')
    return _contiguous(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def check_image_header(data: bytes, what: str) -> None:
    """Raise ImageError for what is no image, or unpacks from a few bytes to gigabytes."""
    try:
        with PIL.Image.open(BytesIO(data)) as header:
            width, height = header.size
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(f'{what} is too large: {error}; scale it down') from error
    except (PIL.UnidentifiedImageError, OSError) as error:
        raise ImageError(f'{what} cannot be decoded; give a whole JPEG or PNG') from error
    _check_size(width, height, what)


def check_raw(image: RawImage, encodings: Mapping[str, int] = BYTES_PER_PIXEL) -> None:
    """Raise ImageError unless size, encoding, step and data agree.

    Parameters
    ----------
    image : RawImage
    encodings : mapping of str to int
        Those that can be used, with their bytes per pixel.

    """
    if image.encoding not in encodings:
        raise ImageError(
            f'encoding {image.encoding!r} cannot be used; convert the image to one of '
            f'{", ".join(encodings)}'
        )
    if not (image.width and image.height):
        raise ImageError(f'the image is {image.width} x {image.height} px; give it a size')
    _check_size(image.width, image.height, 'the image')
    row = image.width * encodings[image.encoding]
    if image.step < row:
        raise ImageError(
            f'step is {image.step}, but a row of {image.width} {image.encoding} pixels takes '
            f'{row} bytes; set step to the length of a row'
        )
    if len(image.data) < image.height * image.step:
        raise ImageError(
            f'the image holds {len(image.data)} bytes, but height x step is '
            f'{image.height} x {image.step} = {image.height * image.step}; send the whole image'
        )


def _check_size(width: int, height: int, what: str) -> None:
    if width * height > _MAX_PIXELS:
        raise ImageError(
            f'{what} is {width} x {height} px; at most {_MAX_PIXELS:,} pixels are accepted: '
            'scale it down'
        )


def _contiguous(pixels: Any) -> npt.NDArray[np.uint8]:
    return np.ascontiguousarray(pixels, np.uint8)
