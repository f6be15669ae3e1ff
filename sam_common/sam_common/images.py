# SPDX-License-Identifier: Apache-2.0
"""Images as files and ROS messages hold them, to RGB."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from sam_common.errors import ImageError
from sam_common.image_header import check_size, read_image_header
from sam_common.types import AnyArray, UInt8Array

# OpenCV names a Bayer pattern by the second row's second and third pixel.
_BAYER_TO_RGB = {
    'bayer_rggb8': cv2.COLOR_BayerBG2RGB,
    'bayer_bggr8': cv2.COLOR_BayerRG2RGB,
    'bayer_gbrg8': cv2.COLOR_BayerGR2RGB,
    'bayer_grbg8': cv2.COLOR_BayerGB2RGB,
}
_BAYER_TO_RGB |= {f'{name[:-1]}16': code for name, code in _BAYER_TO_RGB.items()}
_YUV_TO_RGB = {
    'yuv422': cv2.COLOR_YUV2RGB_UYVY,
    'uyvy': cv2.COLOR_YUV2RGB_UYVY,
    'yuv422_yuy2': cv2.COLOR_YUV2RGB_YUY2,
    'yuyv': cv2.COLOR_YUV2RGB_YUY2,
    'nv12': cv2.COLOR_YUV2RGB_NV12,
    'nv21': cv2.COLOR_YUV2RGB_NV21,
}
# Brightness for each pixel, and below it colours for each 2 x 2 of them, in half as many rows.
_PLANES = ('nv12', 'nv21')
_COLOURS_TO_RGB = {
    'mono': cv2.COLOR_GRAY2RGB,
    'bgr': cv2.COLOR_BGR2RGB,
    'rgba': cv2.COLOR_RGBA2RGB,
    'bgra': cv2.COLOR_BGRA2RGB,
}
_COUNTS = {'mono': 1, 'rgb': 3, 'bgr': 3, 'rgba': 4, 'bgra': 4}
# Bytes per pixel in a row of every encoding that has colours to segment by. Not among them: 8UC1,
# 8UC3 and their like, which don't say what their channels mean, and depth (16UC1, 32FC1).
BYTES_PER_PIXEL = {
    **{name: 2 if name.endswith('16') else 1 for name in _BAYER_TO_RGB},
    **{name: 1 if name in _PLANES else 2 for name in _YUV_TO_RGB},
    **{f'{colour}8': count for colour, count in _COUNTS.items()},
    **{f'{colour}16': 2 * count for colour, count in _COUNTS.items()},
}
# cv_bridge knows these on some distributions only.
NOT_BY_CV_BRIDGE = {*_YUV_TO_RGB, *(name for name in _BAYER_TO_RGB if name.endswith('16'))}
_AMBIGUOUS = {
    '8UC1': 'publish it as mono8',
    '8UC3': 'it does not say whether red or blue comes first: publish it as rgb8 or bgr8',
    '8UC4': 'it does not say whether red or blue comes first: publish it as rgba8 or bgra8',
}
# Of a compressed image's format, as '16UC1; compressedDepth png' or '16UC1; png compressed '.
_DEPTH_FORMAT = re.compile(r'\s*(16|32|64)[USF]C|.*compressedDepth', re.DOTALL)


class RawImage(Protocol):
    """What `sensor_msgs/Image` holds, whoever read the message."""

    width: int
    height: int
    encoding: str
    is_bigendian: int
    step: int
    data: Any


def raw_to_rgb(image: RawImage) -> UInt8Array:
    """Return an image message's pixels as uint8 (H, W, 3) in RGB.

    Raises
    ------
    ImageError
        If the encoding has no colours to segment by, or size, step and data don't agree.

    """
    check_raw(image)
    width, encoding = image.width, image.encoding
    kind: np.dtype[Any] = np.dtype(np.uint8)
    if encoding.endswith('16'):
        kind = np.dtype('>u2' if image.is_bigendian else '<u2')
    channels = BYTES_PER_PIXEL[encoding] // kind.itemsize
    # Rows may be padded: the view steps over what lies behind their pixels.
    values: AnyArray = np.ndarray(
        (_rows(image), width, channels),
        kind,
        np.frombuffer(image.data, np.uint8),
        strides=(image.step, channels * kind.itemsize, kind.itemsize),
    )
    if kind.itemsize == 2:
        values = values.astype(np.uint16)
    if encoding in _YUV_TO_RGB:
        return _contiguous(cv2.cvtColor(values, _YUV_TO_RGB[encoding]))
    if encoding in _BAYER_TO_RGB:
        values = cv2.cvtColor(values, _BAYER_TO_RGB[encoding])
    elif (colours := encoding.rstrip('0123456789')) in _COLOURS_TO_RGB:
        values = cv2.cvtColor(values, _COLOURS_TO_RGB[colours])
    else:
        # Not the message's own bytes: the image outlives it.
        values = values.copy()
    if encoding.endswith('16'):
        # White stays white: 65535 becomes 255.
        values = (values.astype(np.uint32) + 128) // 257
    return _contiguous(values)


def decode_image(data: bytes, what: str) -> UInt8Array:
    """Return a JPEG or PNG file as uint8 (H, W, 3) in RGB, as its pixels lie in the file.

    A rotation in its EXIF data is not applied, so that the image stays aligned to depth and to
    masks; transparency is left out; of 16 bits the upper 8 are kept.

    Parameters
    ----------
    data : bytes
        The file.
    what : str
        How an error calls it.

    Raises
    ------
    ImageError
        As `read_image_header` does, and if the pixels cannot be decoded.

    """
    bgr = _decode(data, what, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return _contiguous(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))


def decode_values(data: bytes, what: str) -> npt.NDArray[np.uint8 | np.uint16]:
    """Return the values in a JPEG or PNG file: (H, W), or (H, W, C) in OpenCV's order.

    As `decode_image`, but the values keep their 8 or 16 bits.
    """
    values: npt.NDArray[np.uint8 | np.uint16] = _decode(data, what, cv2.IMREAD_UNCHANGED)
    return values


def check_colour_format(format_: str) -> None:
    """Raise ImageError if a CompressedImage's format says that it holds depth, not colours."""
    if _DEPTH_FORMAT.match(format_):
        raise ImageError(
            f'the compressed image has the format {format_[:80]!r}, so it holds depth; give '
            'a colour image'
        )


def _decode(data: bytes, what: str, flags: int) -> Any:
    header = read_image_header(data, what)
    try:
        pixels = cv2.imdecode(np.frombuffer(header.pixel_data, np.uint8), flags)
    except (cv2.error, MemoryError, ValueError) as error:
        raise ImageError(f'{what} cannot be decoded: {error}') from error
    if pixels is None or pixels.shape[1::-1] != header.size_wh:
        raise ImageError(f'{what} cannot be decoded; give a whole JPEG or PNG')
    return pixels


def check_raw(image: RawImage, encodings: Mapping[str, int] = BYTES_PER_PIXEL) -> None:
    """Raise ImageError unless size, encoding, step and data agree.

    Parameters
    ----------
    image : RawImage
    encodings : mapping of str to int
        Those that can be used, with their bytes per pixel.

    """
    if image.encoding not in encodings:
        remedy = f'convert the image to one of {", ".join(encodings)}'
        if encodings is BYTES_PER_PIXEL:
            remedy = _AMBIGUOUS.get(image.encoding, remedy)
        raise ImageError(f'encoding {image.encoding[:80]!r} cannot be used; {remedy}')
    check_size(image.width, image.height, 'the image')
    _check_pattern(image)
    row = image.width * encodings[image.encoding]
    if image.step < row:
        raise ImageError(
            f'step is {image.step}, but a row of {image.width} {image.encoding} pixels takes '
            f'{row} bytes; set step to the length of a row'
        )
    count = _rows(image)
    if len(image.data) < count * image.step:
        raise ImageError(
            f'the image holds {len(image.data)} bytes, but height x step is '
            f'{count} x {image.step} = {count * image.step}; send the whole image'
        )


def _check_pattern(image: RawImage) -> None:
    width, height, encoding = image.width, image.height, image.encoding
    if encoding in _BAYER_TO_RGB and min(width, height) < 2:
        raise ImageError(f'the {encoding} image is {width} x {height} px; its pattern needs 2 x 2')
    if encoding in _YUV_TO_RGB and width % 2:
        raise ImageError(
            f'a {encoding} image shares colour between pairs of pixels, but its width is '
            f'{width}; make it even'
        )
    if encoding in _PLANES and height % 2:
        raise ImageError(
            f'a {encoding} image shares colour between pairs of rows, but its height is '
            f'{height}; make it even'
        )


def _rows(image: RawImage) -> int:
    """Return how many rows of `step` bytes there are."""
    return image.height * 3 // 2 if image.encoding in _PLANES else image.height


def _contiguous(pixels: Any) -> UInt8Array:
    return np.ascontiguousarray(pixels, np.uint8)


def check_image(image_rgb: UInt8Array) -> None:
    """Raise ImageError unless an array is uint8 (H, W, 3) and has pixels."""
    if image_rgb.dtype != np.uint8 or image_rgb.ndim != 3 or image_rgb.shape[2] != 3:
        raise ImageError(
            f'the image is {image_rgb.dtype} {image_rgb.shape}; give uint8 (H, W, 3) in RGB'
        )
    if 0 in image_rgb.shape:
        raise ImageError(f'the image has no pixels: its shape is {image_rgb.shape}')
