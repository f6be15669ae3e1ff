# SPDX-License-Identifier: Apache-2.0
"""A toy model for `track_video`, and the command with it: `python shade_tracker.py INPUT ...`."""

import os
import signal
import sys
from types import SimpleNamespace

import numpy as np
from toy_tracker import ToyTracker

from sam_segmentation.core.tracked_mask import Observation
from sam_segmentation.models import registry

# 'FRAME SIGNAL': the process gets this signal when it has stepped so many frames.
DIES_AT = 'SHADE_TRACKER_DIES_AT'
_TOLERANCE = 60


class ShadeTracker(ToyTracker):
    """Puts up with what a video codec does to colours; counts what it steps."""

    stepped = 0

    def _step(self, image_rgb, expected):
        ShadeTracker.stepped += 1
        at, _, number = os.environ.get(DIES_AT, '0 0').partition(' ')
        if ShadeTracker.stepped == int(at):
            os.kill(os.getpid(), int(number))
        return super()._step(image_rgb, expected)

    def _look(self, object_id):
        seen = super()._look(object_id)
        difference = np.abs(self.image.astype(int) - self.colours[object_id]).max(axis=2)
        mask = difference < _TOLERANCE
        return Observation(mask, seen.score, None, float(mask.any()))


def load(name, *, checkpoint, device):
    return SimpleNamespace(make_tracker=ShadeTracker)


registry.register('shade', 'shade_tracker:load')

if __name__ == '__main__':
    from sam_segmentation.offline.track_video import main

    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules['shade_tracker'] = sys.modules['__main__']
    sys.exit(main())
