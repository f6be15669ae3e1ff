# SPDX-License-Identifier: Apache-2.0
"""`CvBridge` with the names and the behaviour of ROS 2's."""

import array
import sys
from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from cv_bridge.conversions import Array, convert
from cv_bridge.encodings import CvBridgeError, cv_type, parse_encoding

__all__ = ['CvBridge', 'CvBridgeError']


class CvBridge:
    """Converts images between messages and arrays (H, W) or (H, W, C)."""

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = 'passthrough') -> Array:
        """Return the image of a message, in the machine's byte order and without row padding.

        Parameters
        ----------
        img_msg : sensor_msgs.msg.Image
        desired_encoding : str
            As `rgb8` or `32FC1`; `passthrough` keeps the message's.

        Returns
        -------
        numpy.ndarray, shape (H, W) for one channel, else (H, W, C)
            An array that may share the message's memory, and then must not be written to.

        Raises
        ------
        CvBridgeError
            If an encoding is unknown, there is no conversion between the two, or the message's
            step or data don't fit its size.
        """
        image = _read(img_msg)
        if desired_encoding == 'passthrough':
            return image
        return convert(image, img_msg.encoding, desired_encoding)

    def cv2_to_imgmsg(
        self, cvim: Array, encoding: str = 'passthrough', header: Header | None = None
    ) -> Image:
        """Return a message that holds an image; the values are taken as they are.

        Parameters
        ----------
        cvim : numpy.ndarray, shape (H, W) or (H, W, C)
        encoding : str
            What the message will say of it; `passthrough`: its type, as 8UC3.
        header : std_msgs.msg.Header, optional

        Raises
        ------
        CvBridgeError
            If the encoding is unknown or is of another number type or channel count.
        TypeError
            If the image isn't an array.
        """
        if not isinstance(cvim, np.ndarray | np.generic):
            raise TypeError('Your input type is not a numpy array')
        actual = cv_type(cvim.dtype, 1 if cvim.ndim < 3 else cvim.shape[2])
        if encoding != 'passthrough' and parse_encoding(encoding).cv_type != actual:
            raise CvBridgeError(
                f'encoding specified as {encoding}, but image has incompatible type {actual}'
            )
        message = Image()
        if header is not None:
            message.header = header
        message.height, message.width = cvim.shape[:2]
        message.encoding = actual if encoding == 'passthrough' else encoding
        message.is_bigendian = cvim.dtype.byteorder == '>' or (
            cvim.dtype.byteorder == '=' and sys.byteorder == 'big'
        )
        _append_bytes(message.data, cvim)
        message.step = len(message.data) // message.height if message.height else 0
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: CompressedImage, desired_encoding: str = 'passthrough'
    ) -> Array:
        """Return the image of a compressed message, whose colours are taken for BGR.

        As ROS 2's, `passthrough` returns None for data that can't be decoded.

        Raises
        ------
        CvBridgeError
            If the image can't be converted to the desired encoding.
        """
        image = cv2.imdecode(
            np.frombuffer(cmprs_img_msg.data, dtype=np.uint8), cv2.IMREAD_UNCHANGED
        )
        if desired_encoding == 'passthrough':
            return image
        return convert(image, 'bgr8', desired_encoding)

    def cv2_to_compressed_imgmsg(self, cvim: Array, dst_format: str = 'jpg') -> CompressedImage:
        """Return a message that holds an image compressed as `jpg`, `png` or another format.

        Raises
        ------
        CvBridgeError
            If OpenCV can't compress it so.
        TypeError
            If the image isn't an array.
        """
        if not isinstance(cvim, np.ndarray | np.generic):
            raise TypeError('Your input type is not a numpy array')
        try:
            _, data = cv2.imencode(f'.{dst_format}', cvim)
        except cv2.error as error:
            raise CvBridgeError(str(error)) from error
        message = CompressedImage(format=dst_format)
        _append_bytes(message.data, data)
        return message

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Return the NumPy type's name and the number of channels of an encoding."""
        parsed = parse_encoding(encoding)
        return np.dtype(parsed.dtype).name, parsed.channels


def _append_bytes(data: 'array.array[int]', values: Array) -> None:
    # To the message's own array: what is assigned to the field is copied number by number.
    if values.size:
        data.frombytes(np.ascontiguousarray(values).data.cast('B'))


def _read(message: Image) -> Array:
    encoding = parse_encoding(message.encoding)
    dtype = np.dtype(encoding.dtype).newbyteorder('>' if message.is_bigendian else '<')
    row = message.width * encoding.channels * dtype.itemsize
    if message.step < row:
        raise CvBridgeError(
            f'Image is wrongly formed: step {message.step} < {row}, which is width '
            f'{message.width} x {encoding.channels} channels x {dtype.itemsize} bytes'
        )
    if len(message.data) < message.height * message.step:
        raise CvBridgeError(
            f'Image is wrongly formed: {len(message.data)} bytes of data < '
            f'height {message.height} x step {message.step}'
        )
    # A list is what a message's data may be set to by hand.
    data: Any = bytes(message.data) if isinstance(message.data, list) else message.data
    shape = (message.height, message.width, encoding.channels)
    strides = (message.step, encoding.channels * dtype.itemsize, dtype.itemsize)
    image: Array = np.ndarray(shape, dtype, data, strides=strides)
    if encoding.channels == 1:
        image = image[:, :, 0]
    return np.ascontiguousarray(image, dtype=dtype.newbyteorder('='))
