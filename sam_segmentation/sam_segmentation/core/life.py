# SPDX-License-Identifier: Apache-2.0
"""Whether a tracked object is seen, hidden or lost, without flicker."""

from __future__ import annotations

from dataclasses import dataclass

from sam_segmentation.core.tracked_mask import ObjectState

# Two thresholds, so that a score that wavers about one half changes nothing.
_SEEN_FROM, _UNSEEN_BELOW = 0.6, 0.4
# What was lost is believed to be back when it is seen in this many frames in a row.
_BACK_AFTER = 2


@dataclass
class Life:
    """The state of one object, from frame to frame.

    Parameters
    ----------
    lost_after : int
        Frames without a sighting after which an occluded object counts as lost.
    state : ObjectState
    unseen : int
        Frames in a row without a sighting.
    seen : int
        Frames in a row with one.

    """

    lost_after: int
    state: ObjectState = ObjectState.VISIBLE
    unseen: int = 0
    seen: int = 1

    def update(self, presence: float, *, has_mask: bool, in_view: bool) -> ObjectState:
        """Return the state in the next frame.

        Parameters
        ----------
        presence : float
            How sure the model is that the object is seen [0-1].
        has_mask : bool
            Whether the mask has a pixel.
        in_view : bool
            Whether the motion model expects the object inside the image.

        """
        threshold = _UNSEEN_BELOW if self.state is ObjectState.VISIBLE else _SEEN_FROM
        if has_mask and presence >= threshold:
            self.seen, self.unseen = self.seen + 1, 0
            if self.state is not ObjectState.LOST or self.seen >= _BACK_AFTER:
                self.state = ObjectState.VISIBLE
            return self.state
        self.seen, self.unseen = 0, self.unseen + 1
        # One that left the image is not hidden behind anything.
        if self.state is not ObjectState.LOST:
            gone = self.unseen >= self.lost_after or not in_view
            self.state = ObjectState.LOST if gone else ObjectState.OCCLUDED
        return self.state
