# SPDX-License-Identifier: Apache-2.0
"""What the services are asked and what they answer, as plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from builtin_interfaces.msg import Time
from std_msgs.msg import Header
from vision_msgs.msg import Point2D

from sam_common.boxes import BoxXyxy
from sam_common.errors import OptionError
from sam_common.ros.conversions import (
    box_to_msg,
    mask_from_msg,
    mask_to_msg,
    matrix_from_pose,
    stamp_to_ns,
)
from sam_common.stamp_order import NANOSECONDS
from sam_common.types import BoolArray, FloatArray, UInt16Array
from sam_interfaces.msg import GraspArray, ObjectMask, Prompt

STATES = {
    ObjectMask.VISIBLE: 'VISIBLE',
    ObjectMask.OCCLUDED: 'OCCLUDED',
    ObjectMask.LOST: 'LOST',
}


@dataclass(frozen=True, eq=False)
class SegmentedObject:
    """One object of an answer.

    Parameters
    ----------
    object_id : int
        Its fixed ID if it is tracked; else counted from 1.
    label : str
        '' if it has none.
    score : float
        [0-1].
    state : str
        VISIBLE, OCCLUDED or LOST.
    box_xyxy : (float, float, float, float) or None
        Left, top, right, bottom [px]; None: nothing is seen of it.
    mask : array of bool, shape (H, W)
        (0, 0) if the answer holds none.

    """

    object_id: int
    label: str
    score: float
    state: str
    box_xyxy: BoxXyxy | None
    mask: BoolArray


@dataclass(frozen=True, eq=False)
class PlannedGrasp:
    """A grasp in the plan's frame; the tool's z approaches, its y closes the fingers.

    Parameters
    ----------
    pose, pre_grasp, lift : arrays of float64, shape (4, 4)
        Poses of the tool [m].
    width_m, opening_m : float
        Of the object between the fingers, and of the fingers on the approach [m].
    score : float
        The probability that it holds [0-1].
    object_id : int

    """

    pose: FloatArray
    pre_grasp: FloatArray
    lift: FloatArray
    width_m: float
    opening_m: float
    score: float
    object_id: int


@dataclass(frozen=True, eq=False)
class GraspPlan:
    """Grasps, best first, and why there are not more.

    Parameters
    ----------
    grasps : tuple of PlannedGrasp
    frame_id : str
        The frame of their poses.
    stamp_ns : int
        Of the depth image [ns].
    rejections : dict of str to int
        How many candidates each cause rejected.
    message : str
        The node's; '' if there is nothing to say.

    """

    grasps: tuple[PlannedGrasp, ...]
    frame_id: str
    stamp_ns: int
    rejections: dict[str, int]
    message: str


def make_prompt(
    *,
    points_xy: Sequence[tuple[float, float]] = (),
    labels: Sequence[int] | None = None,
    box_xyxy: BoxXyxy | None = None,
    mask: BoolArray | None = None,
    text: str = '',
) -> Prompt:
    """Return the message of a prompt.

    Parameters
    ----------
    points_xy : sequence of (float, float)
        [px].
    labels : sequence of int, or None
        1 on the object, 0 beside it, one per point; None: all on it.
    box_xyxy : (float, float, float, float) or None
        Left, top, right, bottom [px].
    mask : array of bool, shape (H, W), or None
    text : str
        The object's name.

    Raises
    ------
    OptionError
        If a part cannot be sent, or the box has no area: its message would mean that there is
        none.

    """
    if box_xyxy is not None and not (box_xyxy[2] > box_xyxy[0] and box_xyxy[3] > box_xyxy[1]):
        raise OptionError(f'box_xyxy is {box_xyxy}; give left, top, right, bottom, with an area')
    if not isinstance(text, str):
        raise OptionError(f'text is {text!r:.100}; give a string')
    try:
        msg = Prompt(
            points=[Point2D(x=float(x), y=float(y)) for x, y in points_xy],
            labels=[1] * len(points_xy) if labels is None else [int(one) for one in labels],
            box=box_to_msg(box_xyxy),
            text=text,
        )
    except (AssertionError, TypeError, ValueError, OverflowError) as error:
        # What rclpy's messages raise, with and without assertions.
        raise OptionError(
            f'the prompt cannot be sent ({error}); give points_xy as (x, y) pairs [px], labels of '
            '0 or 1, one per point'
        ) from error
    if mask is not None and np.ndim(mask) != 2:
        raise OptionError(f'the mask has shape {np.shape(mask)}; give (H, W)')
    if mask is not None:
        msg.mask = mask_to_msg(np.asarray(mask, bool), Header())
    return msg


def stamp_from_ns(stamp_ns: int) -> Time:
    """Return a stamp [ns] as a message."""
    return Time(sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS)


def objects_from_msgs(messages: Sequence[ObjectMask]) -> list[SegmentedObject]:
    """Return objects with their own masks."""
    return [object_from_msg(msg) for msg in messages]


def object_from_msg(msg: ObjectMask, labels: UInt16Array | None = None) -> SegmentedObject:
    """Return an object, its mask from a label image (H, W) where there is one."""
    centre, x, y = msg.box.center.position, msg.box.size_x / 2, msg.box.size_y / 2
    box = (centre.x - x, centre.y - y, centre.x + x, centre.y + y) if x and y else None
    mask = np.zeros((0, 0), bool)
    if labels is not None:
        mask = labels == msg.id
    elif msg.mask.width:
        mask = mask_from_msg(msg.mask)
    return SegmentedObject(
        int(msg.id), msg.label, float(msg.score), STATES[int(msg.state)], box, mask
    )


def plan_from_msg(msg: GraspArray, message: str) -> GraspPlan:
    """Return grasps, and why there are not more."""
    grasps = tuple(
        PlannedGrasp(
            matrix_from_pose(one.pose),
            matrix_from_pose(one.pre_grasp),
            matrix_from_pose(one.lift),
            float(one.width),
            float(one.opening),
            float(one.score),
            int(one.object_id),
        )
        for one in msg.grasps
    )
    rejections = {one.cause: int(one.count) for one in msg.rejections}
    return GraspPlan(
        grasps, msg.header.frame_id, stamp_to_ns(msg.header.stamp), rejections, message
    )
