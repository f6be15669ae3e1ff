# SPDX-License-Identifier: Apache-2.0
"""A tracker's branch on its way from a past frame to the present."""

from __future__ import annotations

from math import ceil

from sam_common.boxes import BoxXyxy
from sam_common.errors import ImageError
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer

# More steps than this would keep whoever asked waiting; objects are followed across the gaps.
MAX_STEPS = 10


class CatchUp:
    """Steps a branch through buffered frames until it has stepped the one that its tracker did.

    The tracker goes on meanwhile, so with every step fewer are left, and frames are skipped as
    needed: the last step always leads to the present, however fast that moves on.

    Parameters
    ----------
    branch : Tracker
    frame : Frame
        The past frame; it is stepped here and now.
    buffer : FrameBuffer

    Attributes
    ----------
    branch : Tracker
    path : dict
        Of every frame that the branch stepped, by stamp [ns]: the objects' boxes by id.
    frame : Frame
        Where the branch is.

    """

    def __init__(self, branch: Tracker, frame: Frame, buffer: FrameBuffer) -> None:
        self.branch = branch
        self.path: dict[int, dict[int, BoxXyxy | None]] = {}
        self.frame = frame
        self._buffer = buffer
        self._left = 0
        self._step(frame)

    def aim(self, last: Frame, steps: int | None) -> None:
        """Decide how many steps to take to the present: these, or as many as make sense."""
        self._note()
        ahead = len(self._ahead(last))
        self._left = max(1, min(MAX_STEPS, ahead if steps is None else steps, ahead))

    def advance(self, last: Frame) -> None:
        """Take one step towards the frame that the tracker stepped last.

        Raises
        ------
        ImageError
            If that frame cannot be read, or is of another size.
        DeviceError
            If the device runs out of memory.

        """
        ahead = self._ahead(last)
        frame = ahead[ceil(len(ahead) / self._left) - 1]
        self._left = max(1, self._left - 1)
        try:
            self._step(frame)
        except ImageError:
            # The stream passes over a frame that is damaged, and so does the branch.
            if frame is last:
                raise
            self.frame = frame

    def _step(self, frame: Frame) -> None:
        self.branch.step(frame.image_rgb)
        self.frame = frame
        self._note()

    def _note(self) -> None:
        """Remember where the branch's objects are in the frame that it stepped last."""
        boxes = {obj.object_id: obj.box_xyxy for obj in self.branch.objects}
        self.path[self.frame.stamp_ns] = boxes

    def _ahead(self, last: Frame) -> list[Frame]:
        """Return the frames from behind the last step up to the present."""
        if self.frame is last:
            return []
        frames = self._buffer.after(self.frame)
        return frames[: frames.index(last) + 1] if last in frames else [last]
