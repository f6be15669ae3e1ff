# SPDX-License-Identifier: Apache-2.0
"""Boxes: left, top, right, bottom [px]."""

from __future__ import annotations

BoxXyxy = tuple[float, float, float, float]


def box_iou(first_xyxy: BoxXyxy, second_xyxy: BoxXyxy) -> float:
    """Return the intersection over the union of two boxes with area [0-1].

    Examples
    --------
    >>> box_iou((0, 0, 2, 2), (0, 1, 2, 2))
    0.5

    """
    width = min(first_xyxy[2], second_xyxy[2]) - max(first_xyxy[0], second_xyxy[0])
    height = min(first_xyxy[3], second_xyxy[3]) - max(first_xyxy[1], second_xyxy[1])
    shared = max(0.0, width) * max(0.0, height)
    return shared / (_area(first_xyxy) + _area(second_xyxy) - shared)


def _area(box_xyxy: BoxXyxy) -> float:
    return (box_xyxy[2] - box_xyxy[0]) * (box_xyxy[3] - box_xyxy[1])
