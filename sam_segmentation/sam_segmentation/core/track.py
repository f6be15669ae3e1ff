# SPDX-License-Identifier: Apache-2.0
"""What a tracker keeps of an object beside the model's own memory of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sam_segmentation.core.life import Life
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.tracked_mask import ObjectState, Sighting, TrackedMask

# An object whose expected box lies farther out than this has left the image.
_IN_VIEW_SHARE = 0.2


@dataclass
class Track:
    """What is kept of an object beside the model's own memory of it.

    Parameters
    ----------
    life : Life
    label : str
    text : str
        What the object was called in a prompt: it is looked for by this when it is lost.
    motion : BoxMotion or None
        None: never seen so far.
    last : Sighting
        In the frame last stepped.

    """

    life: Life
    label: str
    text: str
    motion: BoxMotion | None
    last: Sighting

    def moved(self) -> Track:
        """Return a copy that goes on by itself."""
        motion = self.motion.copy() if self.motion else None
        return replace(self, life=replace(self.life), motion=motion)

    def saw(self, sighting: Sighting, size_wh: tuple[int, int]) -> None:
        """Take note of what was seen of the object in a frame of this size [px]."""
        self.last = sighting
        box = sighting.box_xyxy if sighting.is_seen else None
        if self.motion is not None:
            self.motion.update(box)
        elif box is not None:
            self.motion = BoxMotion(box)
        in_view = self.motion is None or self.motion.share_inside(size_wh) > _IN_VIEW_SHARE
        self.life.update(sighting.presence, has_mask=sighting.area > 0, in_view=in_view)

    def tracked(self, object_id: int) -> TrackedMask:
        """Return the last sighting with the object's id, state and label."""
        seen = self.last
        return TrackedMask(
            seen.mask,
            seen.score,
            seen.logits,
            seen.presence,
            object_id=object_id,
            state=self.life.state,
            label=self.label,
        )


def pack(track: Track) -> dict[str, Any]:
    """Return a track as nested dicts of arrays, numbers and strings."""
    motion, last = track.motion, track.last
    return {
        'label': track.label,
        'text': track.text,
        'state': int(track.life.state),
        'unseen': track.life.unseen,
        'seen': track.life.seen,
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
    sighting = Sighting(packed['mask'], packed['score'], packed['logits'], packed['presence'])
    life = Life(lost_after, ObjectState(packed['state']), packed['unseen'], packed['seen'])
    return Track(life, packed['label'], packed['text'], motion, sighting)
