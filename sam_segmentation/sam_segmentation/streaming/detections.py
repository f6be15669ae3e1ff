# SPDX-License-Identifier: Apache-2.0
"""A detector's boxes on a tracked stream: which of them are new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sam_common.boxes import BoxXyxy, box_iou
from sam_common.errors import MissingFrameError
from sam_common.steps import Steps
from sam_segmentation.core.errors import PromptError
from sam_segmentation.streaming.frame_buffer import FrameBuffer
from sam_segmentation.streaming.requests import (
    NewObject,
    Refuse,
    add_on,
    bring_up,
)
from sam_segmentation.streaming.session import SessionView, TrackingSession

# A detection that overlaps a tracked object this much is that object.
SAME_OBJECT_IOU = 0.5


def detect(
    session: TrackingSession,
    buffer: FrameBuffer,
    found: Sequence[NewObject],
    *,
    stamp_ns: int = 0,
    refuse: Refuse,
) -> Steps[SessionView]:
    """Track what a detector found; what overlaps a tracked object is that object.

    A tracked object that has no label gets the detection's. Each prompt is a box. A frame that is
    not buffered, or was skipped, stands for the newest. `refuse` gets each detection that
    cannot be tracked, and why; when there is no room for all, those of the highest score are
    tracked. Other parameters and errors are those of `add`; the result is every tracked object.
    """
    try:
        frame = yield from bring_up(session, buffer, stamp_ns)
    except MissingFrameError:
        if not stamp_ns:
            raise
        frame = yield from bring_up(session, buffer, 0)
    then = session.timeline.boxes_at(frame.stamp_ns)
    boxes = {obj.object_id: then.get(obj.object_id, obj.box_xyxy) for obj in session.objects}
    labels = {obj.object_id: obj.label for obj in session.objects}
    new: list[NewObject] = []
    for detection in found:
        box = detection.prompt.box_xyxy
        if box is None:
            refuse(detection, PromptError('it has no box; leave it out'))
            continue
        object_id = _overlapped((box[0], box[1], box[2], box[3]), boxes)
        if object_id is None:
            new.append(detection)
            # A thing that was found twice is one object: it is known by a number below 0 so far.
            boxes[-len(new)] = (box[0], box[1], box[2], box[3])
        elif object_id > 0 and detection.label and not labels[object_id]:
            session.tracker.rename(object_id, detection.label)
            session.refresh()
    if new:
        yield from add_on(session, buffer, frame, new, refuse=refuse)
    return session.view()


def _overlapped(box: BoxXyxy, boxes: Mapping[int, BoxXyxy | None]) -> int | None:
    """Return the id whose box overlaps most, if it overlaps enough."""
    overlaps = {i: box_iou(box, other) for i, other in boxes.items() if other is not None}
    best = max(overlaps, key=lambda i: overlaps[i], default=None)
    return best if best is not None and overlaps[best] >= SAME_OBJECT_IOU else None
