# SPDX-License-Identifier: Apache-2.0
"""Tracking on a live stream: its clock, its resets, and what became of each id."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sam_common.boxes import BoxXyxy
from sam_common.errors import ImageError
from sam_common.stamp_order import StampOrder, format_stamp, stays
from sam_segmentation.core.errors import UnknownObjectError
from sam_segmentation.core.tracked_mask import TrackedMask
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.streaming.frame_buffer import Frame
from sam_segmentation.streaming.timeline import Timeline


@dataclass(frozen=True, eq=False)
class SessionView:
    """Tracked objects in one frame; the frame is None before the first one."""

    frame: Frame | None
    objects: tuple[TrackedMask, ...]


class TrackingSession:
    """A tracker on a stream: each frame once, in order of time. To be used from one thread.

    One frame of another size, or with an odd stamp, is passed over. When the size stays, or the
    stamps stay back, the tracker is reset, and `on_reset` is called.

    What prompts do to it is in `tracking_requests`.

    Parameters
    ----------
    tracker : Tracker
    history : int
        How many past frames a prompt can speak of.
    on_reset : callable
        Told why the tracker had to be reset, when objects were lost by that.

    Attributes
    ----------
    objects : list of TrackedMask
        Every tracked object in the frame last stepped, by id.
    version : int
        Changes whenever `objects` does.
    last : Frame or None
        What the tracker stepped last; None: nothing since it was reset.
    order : StampOrder
        What is known of the stream's time, for its `FrameBuffer`.
    timeline : Timeline
    epoch : int
        Changes when pending requests become invalid.
    resets : int
        How often every object was dropped.
    reset_reason : str
        Why that happened last; '' if it never did.
    repeated : int
        Frames that were skipped, since they carry the stamp of the one before.
    other_size : int
        Frames that were skipped, since their size is not that of the ones before.
    reserved : set of int
        Ids of the objects that are being added.
    catching_up : set of int
        Ids of the objects that are being corrected on a past frame.

    """

    def __init__(
        self,
        tracker: Tracker,
        *,
        history: int,
        on_reset: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.tracker = tracker
        self.objects: list[TrackedMask] = []
        self.version = 0
        self.last: Frame | None = None
        self.order = StampOrder[Frame]()
        self.timeline = Timeline(history)
        self.epoch = 0
        self.resets = 0
        self.reset_reason = ''
        self.repeated = 0
        self.other_size = 0
        self.reserved: set[int] = set()
        self.catching_up: set[int] = set()
        self._on_reset = on_reset
        self._began = datetime.now().astimezone().isoformat(' ', 'seconds')
        self._shown: Frame | None = None  # what `objects` speak of
        self._now = SessionView(None, ())
        self._skipped: Frame | None = None
        self._of_other_size: list[Frame] = []
        self._gone: dict[int, str] = {}

    @property
    def is_at_work(self) -> bool:
        """Whether there is something to follow into the next frame."""
        return bool(self.objects or self.reserved)

    def view(self, object_ids: Iterable[int] | None = None) -> SessionView:
        """Return the objects of these ids, or all, in the frame last stepped; from any thread."""
        wanted = None if object_ids is None else set(object_ids)
        now = self._now
        objects = [obj for obj in now.objects if wanted is None or obj.object_id in wanted]
        return SessionView(now.frame, tuple(objects))

    def step(self, frame: Frame) -> bool:
        """Follow the objects into a frame, and return whether it was a new one.

        A frame with the stamp of the one before is that one; a stamp of 0 says nothing. A frame
        that the stream skips, or one of another size unless that stays, changes nothing. A new era
        of the stamps, or another size that stays, resets the tracker.

        Raises
        ------
        ImageError
            If the frame cannot be decoded; nothing is changed.
        DeviceError
            If the device runs out of memory.

        """
        last = self.last
        if frame is last or frame.skipped:
            return False
        goes_on = last is not None and frame.era == last.era
        if last is not None and goes_on and frame.stamp_ns == last.stamp_ns != 0:
            self.repeated += frame is not self._skipped
            self._skipped = frame
            return False
        size_wh, before = _size_wh(frame), self.tracker.size_wh
        if last is not None and not goes_on:
            went_back = f'the stamps went back from {format_stamp(last.stamp_ns)} and stay back'
            self._lose(frame, went_back)
        elif not self._has_its_size(frame):
            return False
        elif before is not None and before != size_wh:
            sizes = '{} x {} to {} x {} px'.format(*before, *size_wh)
            self._lose(frame, f'the camera changed from {sizes}')
        elif last is not None and frame.stamp_ns < last.stamp_ns:
            # In one era: the stamp of the frame before was the odd one.
            self.timeline.rewind(frame.stamp_ns)
        if not self.is_at_work:
            # The time without an object was not followed: it is no past to go back to.
            self.timeline.clear()
        objects = self.tracker.step(frame.image_rgb)
        self.last = self._shown = frame
        self.timeline.step(frame.stamp_ns, {obj.object_id: obj.box_xyxy for obj in objects})
        if objects:
            self._set(objects)
        else:
            self._now = SessionView(frame, ())
        return True

    def see_sizes(self, frames: Iterable[Frame]) -> None:
        """Take note of the sizes of frames that were not stepped, in the order of their time."""
        for frame in frames if self.is_at_work else ():
            # A damaged image has no size; the error is reported when it is stepped.
            with suppress(ImageError):
                self._has_its_size(frame)

    def _has_its_size(self, frame: Frame) -> bool:
        """Tell whether a frame is of the size of those before, or of one that came to stay."""
        size_wh, others = _size_wh(frame), self._of_other_size
        if not self.is_at_work or self.tracker.size_wh in (None, size_wh):
            others.clear()
            return True
        if frame not in others:
            if others and _size_wh(others[0]) != size_wh:
                others.clear()
            others.append(frame)
            self.other_size += 1
            frame.skipped = 'it is {} x {} px, those before {} x {}'.format(
                *size_wh, *(self.tracker.size_wh or size_wh)
            )
        if not stays(others):
            return False
        for other in others:
            other.skipped = ''
        return True

    def edited(self, object_ids: Iterable[int]) -> None:
        """Take note that objects were added or corrected in the frame last stepped."""
        self.refresh()
        ids = set(object_ids)
        for obj in self.objects:
            if obj.object_id in ids and self.last is not None:
                self.timeline.put(self.last.stamp_ns, obj.object_id, obj.box_xyxy)
                self._gone.pop(obj.object_id, None)

    def merged(self, path: Mapping[int, Mapping[int, BoxXyxy | None]]) -> None:
        """Take note that objects have caught up; `path` as in `CatchUp`."""
        self.refresh()
        for object_id in {object_id for boxes in path.values() for object_id in boxes}:
            trail = {
                stamp: boxes[object_id] for stamp, boxes in path.items() if object_id in boxes
            }
            self.timeline.replace(object_id, trail)
            self._gone.pop(object_id, None)

    def refresh(self) -> None:
        """Take note that the tracker's objects were changed."""
        self._set(self.tracker.objects)

    def remove(self, object_id: int) -> SessionView:
        """Stop tracking an object; raises UnknownObjectError if it is not tracked."""
        self.check_tracked(object_id)
        self._remove([object_id], 'it was removed')
        return self.view(())

    def reset(self) -> SessionView:
        """Stop tracking everything, and adding what is being caught up with."""
        self.epoch += 1
        self.resets += bool(self.objects)
        self.reset_reason = 'everything was removed on request'
        self._remove([obj.object_id for obj in self.objects], self.reset_reason)
        return self.view(())

    def check_tracked(self, object_id: int) -> None:
        """Raise UnknownObjectError, which says what became of it, if an object is not tracked."""
        ids = [obj.object_id for obj in self.objects]
        if object_id in ids:
            return
        tracked = f'tracked are: {", ".join(map(str, ids)) or "none"}'
        if reason := self._gone.get(object_id):
            raise UnknownObjectError(
                f'object {object_id} is not tracked any more: {reason}; {tracked}; add it anew'
            )
        raise UnknownObjectError(
            f'object {object_id} is not tracked, and was not since the model was loaded at '
            f'{self._began}: ids of before are gone; {tracked}; add it anew'
        )

    def close(self) -> None:
        """Stop tracking and free the tracker's memory."""
        self.tracker.close()

    def _set(self, objects: list[TrackedMask]) -> None:
        self.objects = objects
        # In one go: who reads it from another thread must not get objects of another frame.
        self._now = SessionView(self._shown, tuple(objects))
        self.version += 1

    def _remove(self, object_ids: list[int], reason: str) -> None:
        if not object_ids:
            return
        for object_id in object_ids:
            self.tracker.remove(object_id)
            self._gone[object_id] = reason
        self.timeline.forget(object_ids)
        self.refresh()

    def _lose(self, frame: Frame, why: str) -> None:
        """Reset the tracker, since the stream does not go on from where it was."""
        lost = [obj.object_id for obj in self.objects]
        self.tracker.reset()
        self.timeline.clear()
        self._of_other_size.clear()
        self.last = None
        self.epoch += 1
        stamp = format_stamp(frame.stamp_ns)
        self.reset_reason = f'the tracker was reset at {stamp} because {why}'
        if not lost:
            return
        self._gone.update(dict.fromkeys(lost, self.reset_reason))
        self.resets += 1
        self._set([])
        self._on_reset(f'{self.reset_reason}; objects no longer tracked: {len(lost)}')


def _size_wh(frame: Frame) -> tuple[int, int]:
    return frame.image_rgb.shape[1], frame.image_rgb.shape[0]
