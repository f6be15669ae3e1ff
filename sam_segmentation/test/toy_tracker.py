# SPDX-License-Identifier: Apache-2.0
"""The smallest tracker that behaves like one: an object is whatever has one colour."""

from __future__ import annotations

import numpy as np

from sam_segmentation.core.tracked_mask import Observation
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.core.tracker_options import TrackerOptions

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)


def frame(*squares, size_wh=(64, 48)):
    """Return a grey image, uint8 (H, W, 3), with squares of (colour, x, y) and 8 px a side."""
    image = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    for colour, x, y in squares:
        image[max(0, y) : max(0, y + 8), max(0, x) : max(0, x + 8)] = colour
    return image


class ToyTracker(Tracker):
    """Its memory of an object is the colour, and the frames in which it saw it.

    The score says how many of the last frames it remembers, so that two trackers which came to
    the same frame on different ways give themselves away.
    """

    def __init__(self, options=None):
        super().__init__('toy', device='cpu', options=options or TrackerOptions())
        self.colours, self.memories, self.now, self.broken = {}, {}, 0, False
        self.sizes_seen = []

    def _step(self, image_rgb, expected):
        if self.broken:
            raise RuntimeError('broken on purpose')
        self.image, self.expected = image_rgb, expected
        self.now += 1
        return {object_id: self._look(object_id) for object_id in self.colours}

    def _look(self, object_id):
        mask = (self.image == self.colours[object_id]).all(axis=2)
        memory = self.memories[object_id]
        memory[:] = [t for t in memory if t > self.now - 20]
        if mask.any():
            memory.append(self.now)
        return Observation(mask, len(memory) / 20, None, float(mask.any()))

    def _add(self, object_id, prompt):
        self.memories[object_id] = []
        return self._refine(object_id, prompt)

    def _refine(self, object_id, prompt):
        x, y = prompt.points_xy[0] if len(prompt.points_xy) else prompt.box_xyxy[:2] + 2
        self.colours[object_id] = tuple(int(v) for v in self.image[round(y), round(x)])
        self.memories[object_id] = [t for t in self.memories[object_id] if t != self.now]
        return self._look(object_id)

    def _remove(self, object_id):
        del self.colours[object_id], self.memories[object_id]

    def _reset(self):
        self.colours.clear()
        self.memories.clear()

    def _empty(self):
        return ToyTracker(self.options)

    def _copy_object(self, object_id, source, steps_back):
        offset = self.now - (source.now - steps_back)
        self.colours[object_id] = source.colours[object_id]
        self.memories[object_id] = [
            t + offset for t in source.memories[object_id] if t <= source.now - steps_back
        ]

    def _snapshot(self):
        return {
            'now': self.now,
            'colours': {str(k): list(v) for k, v in self.colours.items()},
            'memories': {str(k): list(v) for k, v in self.memories.items()},
        }

    def _restore(self, memory):
        self.now = int(memory['now'])
        self.colours = {int(k): tuple(map(int, v)) for k, v in memory['colours'].items()}
        self.memories = {int(k): [int(t) for t in v] for k, v in memory['memories'].items()}
