# SPDX-License-Identifier: Apache-2.0
"""The last frames of a stream, so that a prompt can speak of one that is past."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any

from sam_common.errors import MissingFrameError, NoFrameYetError
from sam_common.stamp_order import NANOSECONDS as NANOSECONDS
from sam_common.stamp_order import StampOrder, format_stamp
from sam_common.types import UInt8Array


@dataclass(eq=False)
class Frame:
    """An image of a stream, decoded when it is first looked at.

    Parameters
    ----------
    stamp_ns : int
        When it was taken [ns].
    header : object
        What is handed on with every result; the core does not look at it.
    decode : callable
        Returns the image, uint8 (H, W, 3) in RGB; raises ImageError.
    era : int
        Frames of one era are in order of time; a new one begins when the stamps went back.
    skipped : str
        Why it is not tracked in; '' if it is.

    """

    stamp_ns: int
    header: Any
    decode: Callable[[], UInt8Array]
    era: int = 0
    skipped: str = ''

    @cached_property
    def image_rgb(self) -> UInt8Array:
        """The image, uint8 (H, W, 3)."""
        return self.decode()


class FrameBuffer:
    """The newest frames of a stream, at most `capacity`; safe to use from several threads.

    A frame whose stamp is out of order is kept, but marked as skipped.

    Parameters
    ----------
    capacity : int
    order : StampOrder or None
        What is known of the stream's time; None: nothing.

    """

    def __init__(self, capacity: int, order: StampOrder[Frame] | None = None) -> None:
        self.order = StampOrder[Frame]() if order is None else order
        self._frames: deque[Frame] = deque(maxlen=capacity)
        self._lock = Lock()

    def add(self, frame: Frame) -> None:
        """Keep a frame as the newest; the oldest goes when the buffer is full."""
        with self._lock:
            self._mark(frame)
            self._frames.append(frame)

    def _mark(self, frame: Frame) -> None:
        before_ns = self.order.newest_ns
        if not self.order.judge(frame):
            newest = format_stamp(before_ns or 0)
            frame.skipped = (
                f'its stamp, {format_stamp(frame.stamp_ns)}, does not go on from {newest}'
            )
            return
        frame.era = self.order.era
        for held in self.order.run:
            held.era, held.skipped = frame.era, ''
        for other in self._frames:
            # The stream has gone on from before these: their stamps were the odd ones.
            if other.era == frame.era and other.stamp_ns > frame.stamp_ns and not other.skipped:
                other.skipped = (
                    f'its stamp, {format_stamp(other.stamp_ns)}, was far ahead of the next ones'
                )

    def clear(self) -> None:
        """Forget every frame."""
        with self._lock:
            self._frames.clear()

    def __len__(self) -> int:
        return len(self._frames)

    def newest(self) -> Frame:
        """Return the frame that was added last; raises NoFrameYetError if there is none."""
        with self._lock:
            if self._frames:
                return self._frames[-1]
        raise NoFrameYetError('no image has arrived yet; give one with the request')

    @property
    def current(self) -> Frame | None:
        """The newest frame that can be tracked in; None: there is none."""
        with self._lock:
            return next((frame for frame in reversed(self._frames) if not frame.skipped), None)

    def at(self, stamp_ns: int) -> Frame:
        """Return the newest frame with exactly this stamp [ns]; raises MissingFrameError."""
        with self._lock:
            frames = list(self._frames)
        for frame in reversed(frames):
            if frame.stamp_ns == stamp_ns:
                return frame
        if not frames:
            return self.newest()
        raise MissingFrameError(
            f'no frame with stamp {format_stamp(stamp_ns)} is buffered; the {len(frames)} that '
            f'are go from {format_stamp(frames[0].stamp_ns)} to '
            f'{format_stamp(frames[-1].stamp_ns)}: ask sooner, or raise frame_buffer_size'
        )

    def after(self, frame: Frame) -> list[Frame]:
        """Return the frames that came after one, in order; all of them if it is gone.

        Those that are skipped are left out.
        """
        with self._lock:
            frames = list(self._frames)
        # Frames compare by identity.
        later = frames[frames.index(frame) + 1 :] if frame in frames else frames
        return [frame for frame in later if not frame.skipped]
