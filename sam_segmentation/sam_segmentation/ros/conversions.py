# SPDX-License-Identifier: Apache-2.0
"""Between messages and the core's types: the one place where they meet."""

from __future__ import annotations

from math import cos, isfinite, sin
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Time
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D, Detection2D, ObjectHypothesisWithPose

from sam_interfaces.msg import ObjectMask
from sam_interfaces.msg import Prompt as PromptMsg
from sam_segmentation.core.calibration import calibration_in_use, camera_of, is_rectified
from sam_segmentation.core.camera_model import CameraModel
from sam_segmentation.core.decoding import (
    NOT_BY_CV_BRIDGE,
    check_colour_format,
    check_raw,
    decode_image,
    raw_to_rgb,
)
from sam_segmentation.core.errors import ImageError, PromptError
from sam_segmentation.core.frame_ring import NANOSECONDS
from sam_segmentation.core.masks import BoxXyxy
from sam_segmentation.core.prompt import Prompt, check_point_count
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.tracked_mask import TrackedMask


def image_is_empty(msg: Image) -> bool:
    """Tell whether an image field was left empty (rather than filled wrongly)."""
    return not (msg.width or msg.height or msg.step or msg.data)


def image_to_rgb(msg: Image) -> npt.NDArray[np.uint8]:
    """Return an image message as uint8 (H, W, 3) in RGB; raises ImageError."""
    if msg.encoding in NOT_BY_CV_BRIDGE:
        return raw_to_rgb(msg)
    check_raw(msg)
    try:
        return np.ascontiguousarray(CvBridge().imgmsg_to_cv2(msg, 'rgb8'), np.uint8)
    except (CvBridgeError, cv2.error) as error:
        raise ImageError(f'the {msg.encoding} image cannot be converted: {error}') from error


def compressed_to_rgb(msg: CompressedImage) -> npt.NDArray[np.uint8]:
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


def prompt_from_msg(msg: PromptMsg) -> Prompt:
    """Return a prompt; raises PromptError, or ImageError for its mask."""
    # Before they are looked at one by one.
    check_point_count(len(msg.points))
    return Prompt(
        points_xy=[(point.x, point.y) for point in msg.points],
        labels=list(msg.labels),
        box_xyxy=box_from_msg(msg.box),
        mask=None if image_is_empty(msg.mask) else mask_from_msg(msg.mask),
        text=msg.text,
    )


def box_from_msg(msg: BoundingBox2D) -> BoxXyxy | None:
    """Return left, top, right, bottom [px], or None for a box of no size; raises PromptError.

    A rotated box becomes the upright one round it.
    """
    if msg.size_x == 0 and msg.size_y == 0:
        return None
    theta, x, y = msg.center.theta, msg.center.position.x, msg.center.position.y
    numbers = (x, y, theta, msg.size_x, msg.size_y)
    if not all(map(isfinite, numbers)):
        raise PromptError(f'the box (x, y, theta, size x, y) {numbers} is not finite')
    if msg.size_x <= 0 or msg.size_y <= 0:
        raise PromptError(
            f'the box of {msg.size_x:g} x {msg.size_y:g} px has no area; give sizes above 0'
        )
    half_x, half_y = msg.size_x / 2, msg.size_y / 2
    # As far as its corners reach: each side's own reach, added up.
    along, across = abs(cos(theta)), abs(sin(theta))
    reach_x = half_x * along + half_y * across
    reach_y = half_x * across + half_y * along
    return x - reach_x, y - reach_y, x + reach_x, y + reach_y


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


def mask_from_msg(msg: Image) -> npt.NDArray[np.bool_]:
    """Return a mono8 mask as bool (H, W); raises ImageError."""
    check_raw(msg, {'mono8': 1, '8UC1': 1})
    rows = np.frombuffer(msg.data, np.uint8, msg.height * msg.step).reshape(msg.height, msg.step)
    mask: npt.NDArray[np.bool_] = rows[:, : msg.width] != 0
    return mask


def mask_to_msg(mask: npt.NDArray[np.bool_], header: Header) -> Image:
    """Return a mask as mono8, 0 or 255."""
    return array_to_image(mask.view(np.uint8) * np.uint8(255), 'mono8', header)


def array_to_image(pixels: npt.NDArray[Any], encoding: str, header: Header) -> Image:
    """Return pixels, (H, W) or (H, W, C), as an image message of the machine's byte order."""
    height, width = pixels.shape[:2]
    packed = np.ascontiguousarray(pixels).data.cast('B')
    msg = Image(
        header=header, height=height, width=width, encoding=encoding, step=len(packed) // height
    )
    # In place: handed to the constructor, the data would be copied byte by byte.
    msg.data.frombytes(packed)
    return msg


def object_to_msg(
    mask: ScoredMask, object_id: int, header: Header, *, with_mask: bool = True
) -> ObjectMask:
    """Return a mask as a message, its pixels only where they are wanted."""
    msg = ObjectMask(
        id=object_id,
        score=mask.score,
        state=ObjectMask.VISIBLE,
        box=box_to_msg(mask.box_xyxy),
        area=mask.area,
    )
    if with_mask:
        msg.mask = mask_to_msg(mask.mask, header)
    return msg


def tracked_to_msg(
    obj: TrackedMask, header: Header, *, with_mask: bool = True, hidden: bool = False
) -> ObjectMask:
    """Return a tracked object as a message; of a hidden one only that it is tracked."""
    msg = ObjectMask(id=obj.object_id, label=obj.label, score=obj.score, state=int(obj.state))
    if not hidden:
        msg.box, msg.area = box_to_msg(obj.box_xyxy), obj.area
    if with_mask:
        msg.mask = mask_to_msg(obj.mask, header)
    return msg


def object_to_detection(obj: TrackedMask, header: Header) -> Detection2D:
    """Return an object's box as a detection; one without a label has its id as class."""
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id = obj.label or str(obj.object_id)
    hypothesis.hypothesis.score = float(obj.score)
    box = box_to_msg(obj.box_xyxy)
    return Detection2D(header=header, results=[hypothesis], bbox=box, id=str(obj.object_id))
