# SPDX-License-Identifier: Apache-2.0
"""`sam_node` with models for tests and benchmarks: instant, slow, out of memory, broken, toy."""

import sys
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from sam_common.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Segmenter
from sam_segmentation.core.tracked_mask import Observation
from sam_segmentation.models import registry
from sam_segmentation.models.torch.device import on_device
from sam_segmentation.ros.sam_node import main

sys.path.append(str(Path(__file__).parent.parent))

from toy_tracker import ToyTracker

SLOW_S = 0.2


class Slowed(ToyTracker):
    """Takes 200 ms for each frame."""

    def _step(self, image_rgb, expected):
        time.sleep(SLOW_S)
        return super()._step(image_rgb, expected)

    def _empty(self):
        return Slowed(self.options)


class Discs(ToyTracker):
    """Takes 50 ms for each frame, and sees every object as a disc where it was clicked."""

    def _step(self, image_rgb, expected):
        time.sleep(0.05)
        return super()._step(image_rgb, expected)

    def _refine(self, object_id, prompt):
        mask = np.zeros(self.image.shape[:2], np.uint8)
        centre = tuple(int(value) for value in prompt.points_xy[0])
        cv2.circle(mask, centre, self.image.shape[0] // 8, 1, -1)
        self.colours[object_id] = mask.astype(bool)
        return self._look(object_id)

    def _look(self, object_id):
        return Observation(self.colours[object_id].copy(), 0.9)


class Whole(Segmenter):
    """Answers every prompt with the whole image."""

    def __init__(self, name):
        self.name = name

    def _embed(self, image_rgb):
        return image_rgb.shape[:2]

    def _segment(self, embedding, prompt, multimask):
        return [ScoredMask(np.ones(embedding.data, bool), 0.9)]

    def _everything_steps(self, embedding, options):
        yield
        return list(self._segment(embedding, None, False))

    def make_tracker(self, options):
        return ToyTracker(options)


class Slow(Whole):
    """Takes 200 ms to embed, and to track."""

    def _embed(self, image_rgb):
        time.sleep(SLOW_S)
        return super()._embed(image_rgb)

    def make_tracker(self, options):
        return Slowed(options)


class Stuck(Whole):
    """Is not heard of for half a minute once an image is more than 100 px wide."""

    def _embed(self, image_rgb):
        if image_rgb.shape[1] > 100:
            time.sleep(30)
        return super()._embed(image_rgb)


class WithDiscs(Whole):
    """Tracks discs."""

    def make_tracker(self, options):
        return Discs(options)


class RunsFull(Whole):
    """Runs out of memory whenever the image is more than 100 px wide, as torch reports it."""

    def _embed(self, image_rgb):
        with on_device(torch.device('cpu')):
            if image_rgb.shape[1] > 100:
                raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')
        return super()._embed(image_rgb)


class Broken(Whole):
    """Has a bug."""

    def _embed(self, image_rgb):
        raise ZeroDivisionError('a bug')


def load_instant(name, *, checkpoint, device):
    return Whole(name)


def load_slow(name, *, checkpoint, device):
    return Slow(name)


def load_stuck(name, *, checkpoint, device):
    return Stuck(name)


def load_never(name, *, checkpoint, device):
    time.sleep(30)


def load_discs(name, *, checkpoint, device):
    return WithDiscs(name)


def load_runs_full(name, *, checkpoint, device):
    return RunsFull(name)


def load_broken(name, *, checkpoint, device):
    return Broken(name)


if __name__ == '__main__':
    for model in ('instant', 'slow', 'stuck', 'never', 'discs', 'runs_full', 'broken'):
        registry.register(model, f'odd_models_node:load_{model}')
    registry.register('toy', 'odd_models_node:load_instant')
    main()
