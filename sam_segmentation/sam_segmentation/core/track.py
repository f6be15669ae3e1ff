# SPDX-License-Identifier: Apache-2.0
"""What a tracker keeps of an object beside the model's own memory of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.tracked_mask import ObjectState, Observation, TrackedMask

# An object whose expected box lies farther out than this has left the image.
_IN_VIEW_SHARE = 0.2
# Two thresholds, so that a score that wavers about one half changes nothing.
_HIT_FROM, _MISS_BELOW = 0.6, 0.4
# What was lost is believed to be back when it is seen in this many frames in a row.
_BACK_AFTER = 2


@dataclass
class TrackState:
    """The state of one object, from frame to frame.

    Parameters
    ----------
    lost_after : int
        Frames in a row without a hit after which an occluded object counts as lost.
    value : ObjectState
    misses : int
        Frames in a row without a hit.
    hits : int
        Frames in a row with a hit.

    """

    lost_after: int
    value: ObjectState = ObjectState.VISIBLE
    misses: int = 0
    hits: int = 1

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
        threshold = _MISS_BELOW if self.value is ObjectState.VISIBLE else _HIT_FROM
        if has_mask and presence >= threshold:
            self.hits, self.misses = self.hits + 1, 0
            if self.value is not ObjectState.LOST or self.hits >= _BACK_AFTER:
                self.value = ObjectState.VISIBLE
            return self.value
        self.hits, self.misses = 0, self.misses + 1
        # One that left the image is not hidden behind anything.
        if self.value is not ObjectState.LOST:
            gone = self.misses >= self.lost_after or not in_view
            self.value = ObjectState.LOST if gone else ObjectState.OCCLUDED
        return self.value


@dataclass
class Track:
    """What is kept of an object beside the model's own memory of it.

    Parameters
    ----------
    state : TrackState
    label : str
    text : str
        What the object was called in a prompt: it is looked for by this when it is lost.
    motion : BoxMotion or None
        None: never seen so far.
    last : Observation
        In the frame last stepped.

    """

    state: TrackState
    label: str
    text: str
    motion: BoxMotion | None
    last: Observation

    def moved(self) -> Track:
        """Return a copy that goes on by itself."""
        motion = self.motion.copy() if self.motion else None
        return replace(self, state=replace(self.state), motion=motion)

    def update(self, observation: Observation, size_wh: tuple[int, int]) -> None:
        """Take note of what was seen of the object in a frame of this size [px]."""
        self.last = observation
        box = observation.box_xyxy if observation.is_seen else None
        if self.motion is not None:
            self.motion.update(box)
        elif box is not None:
            self.motion = BoxMotion(box)
        in_view = self.motion is None or self.motion.share_inside(size_wh) > _IN_VIEW_SHARE
        self.state.update(observation.presence, has_mask=observation.area > 0, in_view=in_view)

    def tracked(self, object_id: int) -> TrackedMask:
        """Return the last observation with the object's id, state and label."""
        last = self.last
        return TrackedMask(
            last.mask,
            last.score,
            last.logits,
            last.presence,
            object_id=object_id,
            state=self.state.value,
            label=self.label,
        )


def pack(track: Track) -> dict[str, Any]:
    """Return a track as nested dicts of arrays, numbers and strings."""
    motion, last = track.motion, track.last
    return {
        'label': track.label,
        'text': track.text,
        'state': int(track.state.value),
        'misses': track.state.misses,
        'hits': track.state.hits,
        'motion': motion
        and {'mean': motion.mean, 'covariance': motion.covariance, 'updates': motion.updates},
        'mask': last.mask,
        'score': last.score,
        'presence': last.presence,
        'logits': last.logits,
    }


def unpack(packed: Mapping[str, Any], lost_after: int) -> Track:
    """Return the track that was packed."""
    motion = None
    if packed['motion'] is not None:
        motion = BoxMotion((0.0, 0.0, 1.0, 1.0))
        motion.mean = np.array(packed['motion']['mean'], np.float64)
        motion.covariance = np.array(packed['motion']['covariance'], np.float64)
        motion.updates = int(packed['motion']['updates'])
    observation = Observation(
        packed['mask'], packed['score'], packed['logits'], packed['presence']
    )
    state = TrackState(lost_after, ObjectState(packed['state']), packed['misses'], packed['hits'])
    return Track(state, packed['label'], packed['text'], motion, observation)
