# SPDX-License-Identifier: Apache-2.0
"""Between messages and the core's types: the one place where they meet."""

from __future__ import annotations

from math import cos, isfinite, sin

from std_msgs.msg import Header
from vision_msgs.msg import BoundingBox2D, Detection2D, ObjectHypothesisWithPose

from sam_common.boxes import BoxXyxy
from sam_common.ros.conversions import box_to_msg, image_is_empty, mask_from_msg, mask_to_msg
from sam_common.scored_mask import ScoredMask
from sam_interfaces.msg import ObjectMask
from sam_interfaces.msg import Prompt as PromptMsg
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import Prompt, check_point_count
from sam_segmentation.core.tracked_mask import TrackedMask


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
