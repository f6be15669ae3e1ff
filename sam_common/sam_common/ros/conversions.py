# SPDX-License-Identifier: Apache-2.0
"""Between messages and plain values, as more than one package needs it."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge, CvBridgeError
from geometry_msgs.msg import Point, Pose, Quaternion, Transform, Vector3
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D

from sam_common.boxes import BoxXyxy
from sam_common.calibration import calibration_in_use, camera_of, is_rectified
from sam_common.camera_model import CameraModel
from sam_common.errors import ImageError
from sam_common.images import (
    NOT_BY_CV_BRIDGE,
    check_colour_format,
    check_raw,
    decode_image,
    raw_to_rgb,
)
from sam_common.stamp_order import NANOSECONDS
from sam_common.types import AnyArray, BoolArray, FloatArray, UInt8Array, UInt16Array


def image_is_empty(msg: Image) -> bool:
    """Tell whether an image field was left empty (rather than filled wrongly)."""
    return not (msg.width or msg.height or msg.step or msg.data)


def image_to_rgb(msg: Image) -> UInt8Array:
    """Return an image message as uint8 (H, W, 3) in RGB; raises ImageError."""
    if msg.encoding in NOT_BY_CV_BRIDGE:
        return raw_to_rgb(msg)
    check_raw(msg)
    try:
        return np.ascontiguousarray(CvBridge().imgmsg_to_cv2(msg, 'rgb8'), np.uint8)
    except (CvBridgeError, cv2.error) as error:
        raise ImageError(f'the {msg.encoding} image cannot be converted: {error}') from error


def compressed_to_rgb(msg: CompressedImage) -> UInt8Array:
    """Return a compressed image (JPEG or PNG) as uint8 (H, W, 3) in RGB; raises ImageError.

    Depth is refused, as its format tells, and so is what `decode_image` refuses.
    """
    check_colour_format(msg.format)
    if not len(msg.data):
        raise ImageError('the compressed image holds no data; send a JPEG or PNG')
    size = len(msg.data)
    return decode_image(
        bytes(msg.data), f'the compressed image ({msg.format[:80]!r}, {size} bytes)'
    )


def camera_from_msg(
    msg: CameraInfo, size_wh: tuple[int, int], *, rectified: str | bool, topic: str
) -> CameraModel:
    """Return the camera of an image.

    Parameters
    ----------
    msg : CameraInfo
    size_wh : (int, int)
        Of the image [px].
    rectified : str or bool
        The parameter of that name: auto, true or false.
    topic : str
        Of the image, after remapping.

    Raises
    ------
    CameraModelError
        If the calibration cannot be used, or is not that of an image of this size.

    """
    return camera_of(msg, size_wh, rectified=is_rectified(msg, _word(rectified), topic))


def calibration_from_msg(msg: CameraInfo, *, rectified: str | bool, topic: str) -> str:
    """Return in words what `camera_from_msg` makes use of; raises CameraModelError."""
    return calibration_in_use(msg, rectified=is_rectified(msg, _word(rectified), topic))


def _word(rectified: str | bool) -> str:
    # On a command line, ROS takes true and false for no words.
    return str(rectified).lower() if isinstance(rectified, bool) else rectified


def stamp_to_ns(stamp: Time) -> int:
    """Return a stamp in nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def box_to_msg(box_xyxy: BoxXyxy | None) -> BoundingBox2D:
    """Return a box message; None gives one of size 0 x 0."""
    msg = BoundingBox2D()
    if box_xyxy is not None:
        left, top, right, bottom = map(float, box_xyxy)
        msg.center.position.x = (left + right) / 2
        msg.center.position.y = (top + bottom) / 2
        msg.size_x = right - left
        msg.size_y = bottom - top
    return msg


def mask_from_msg(msg: Image) -> BoolArray:
    """Return a mono8 mask as bool (H, W); raises ImageError."""
    check_raw(msg, {'mono8': 1, '8UC1': 1})
    rows = np.frombuffer(msg.data, np.uint8, msg.height * msg.step).reshape(msg.height, msg.step)
    mask: BoolArray = rows[:, : msg.width] != 0
    return mask


def labels_from_msg(msg: Image) -> UInt16Array:
    """Return a label image, mono16, as uint16 (H, W); raises ImageError."""
    check_raw(msg, {'mono16': 2, '16UC1': 2})
    rows = np.frombuffer(msg.data, np.uint8, msg.height * msg.step).reshape(msg.height, msg.step)
    packed = np.ascontiguousarray(rows[:, : 2 * msg.width])
    return packed.view('>u2' if msg.is_bigendian else '<u2').astype(np.uint16, copy=False)


def mask_to_msg(mask: BoolArray, header: Header) -> Image:
    """Return a mask as mono8, 0 or 255."""
    return array_to_image(mask.view(np.uint8) * np.uint8(255), 'mono8', header)


def array_to_image(pixels: AnyArray, encoding: str, header: Header) -> Image:
    """Return pixels, (H, W) or (H, W, C), as an image message of the machine's byte order."""
    height, width = pixels.shape[:2]
    packed = np.ascontiguousarray(pixels).data.cast('B')
    msg = Image(
        header=header, height=height, width=width, encoding=encoding, step=len(packed) // height
    )
    # In place: handed to the constructor, the data would be copied byte by byte.
    msg.data.frombytes(packed)
    return msg


def matrix_from_msg(msg: Transform) -> FloatArray:
    """Return a transform as a matrix (4, 4)."""
    return _matrix(msg.translation, msg.rotation)


def matrix_from_pose(msg: Pose) -> FloatArray:
    """Return a pose as a matrix (4, 4)."""
    return _matrix(msg.position, msg.orientation)


def _matrix(place: Point | Vector3, turn: Quaternion) -> FloatArray:
    # Here, not above: it takes a while, and sam_node needs it for clicks in other frames alone.
    from scipy.spatial.transform import Rotation

    tf = np.eye(4)
    tf[:3, :3] = Rotation.from_quat([turn.x, turn.y, turn.z, turn.w]).as_matrix()
    tf[:3, 3] = place.x, place.y, place.z
    return tf


def poses_to_msg(poses: Iterable[FloatArray]) -> list[Pose]:
    """Return poses (4, 4) as messages; quaternions are of unit length."""
    stacked = np.array(list(poses)).reshape(-1, 4, 4)
    if not len(stacked):
        return []
    from scipy.spatial.transform import Rotation

    quaternions = Rotation.from_matrix(stacked[:, :3, :3]).as_quat()
    return [
        Pose(
            position=Point(**dict(zip('xyz', place, strict=True))),
            orientation=Quaternion(**dict(zip('xyzw', turn, strict=True))),
        )
        for place, turn in zip(stacked[:, :3, 3].tolist(), quaternions.tolist(), strict=True)
    ]
