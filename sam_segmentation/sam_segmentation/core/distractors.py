# SPDX-License-Identifier: Apache-2.0
"""Which tracked object wandered off onto another one that looks like it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sam_common.boxes import BoxXyxy, box_iou
from sam_common.types import BoolArray

# Shares of the smaller one: masks that overlap more are one thing, boxes that overlap less two.
_MERGED, _APART = 0.8, 0.4
# The one that stays lies where it should, and the other one much less so. Where neither does, the
# camera may have moved, and nothing is said.
_AGREES, _MUCH_LESS = 0.3, 0.5


@dataclass(frozen=True, eq=False)
class Placement:
    """Where one object is said to be in a frame.

    Parameters
    ----------
    mask : array of bool, shape (h, w)
        Of any one resolution, the same for all objects.
    box_xyxy : (float, float, float, float) or None
        The mask's box [px of the frame]; None: the mask is empty.
    expected_xyxy : (float, float, float, float) or None
        The box that the object's motion leads to [px of the frame]; None: unknown.

    """

    mask: BoolArray
    box_xyxy: BoxXyxy | None
    expected_xyxy: BoxXyxy | None


def find_identity_switches(placements: Mapping[int, Placement]) -> set[int]:
    """Return the objects whose masks lie on another object's, against their own motion.

    Two objects are in conflict where their masks merge (one lies mostly inside the other) though
    their motions lead to different places. The one that disagrees with its motion loses, if the
    other one agrees with its own. Parts of one another, things that cross and jumps of the camera
    are left alone.

    Parameters
    ----------
    placements : mapping of int to Placement
        By object id.

    """
    agreements = {
        object_id: box_iou(placement.box_xyxy, placement.expected_xyxy)
        for object_id, placement in placements.items()
        if placement.box_xyxy is not None and placement.expected_xyxy is not None
    }
    staying: list[int] = []
    identity_switches = set()
    for object_id in sorted(agreements, key=lambda one: -agreements[one]):
        for other in staying:
            if (
                agreements[other] >= _AGREES
                and agreements[object_id] < _MUCH_LESS * agreements[other]
                and _in_conflict(placements[object_id], placements[other])
            ):
                identity_switches.add(object_id)
                break
        else:
            staying.append(object_id)
    return identity_switches


def _in_conflict(first: Placement, second: Placement) -> bool:
    if first.expected_xyxy is None or second.expected_xyxy is None:
        return False
    if _overlap(first.expected_xyxy, second.expected_xyxy) > _APART:
        return False
    smaller = min(np.count_nonzero(first.mask), np.count_nonzero(second.mask))
    return bool(np.count_nonzero(first.mask & second.mask) >= _MERGED * max(smaller, 1))


def _overlap(first_xyxy: BoxXyxy, second_xyxy: BoxXyxy) -> float:
    """Return which share of the smaller box lies in the other one [0-1]."""
    width = min(first_xyxy[2], second_xyxy[2]) - max(first_xyxy[0], second_xyxy[0])
    height = min(first_xyxy[3], second_xyxy[3]) - max(first_xyxy[1], second_xyxy[1])
    smaller = min((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in (first_xyxy, second_xyxy))
    return max(0.0, width) * max(0.0, height) / smaller
