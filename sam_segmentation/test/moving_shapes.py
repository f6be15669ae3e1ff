# SPDX-License-Identifier: Apache-2.0
"""Small videos of textured shapes that move over a textured ground, with ground truth."""

from __future__ import annotations

import cv2
import numpy as np

SIZE_WH = (240, 180)
RED, GREEN, BLUE, YELLOW = (190, 50, 45), (50, 160, 70), (50, 80, 190), (210, 180, 40)


def _texture(seed, size_wh, strength):
    noise = np.random.default_rng(seed).normal(0.0, 1.0, (size_wh[1], size_wh[0]))
    noise = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return strength * noise / noise.std()


_GROUND = np.clip(120 + _texture(1, SIZE_WH, 12.0), 0, 255)
_SHADE = _texture(2, (80, 80), 10.0)


def shape(colour, x, y, *, side=40, kind='round'):
    """Return what `draw` takes: a colour, the centre [px], the side [px], 'round' or 'square'."""
    return colour, x, y, side, kind


def draw(*shapes, seed=0):
    """Return an image, uint8 (H, W, 3), and what is seen of each shape, bool (H, W).

    The later shapes lie on top.
    """
    width, height = SIZE_WH
    image = np.repeat(_GROUND[..., None], 3, axis=2)
    ys, xs = np.mgrid[:height, :width]
    masks = []
    for colour, x, y, side, kind in shapes:
        if kind == 'round':
            mask = np.hypot(xs - x, ys - y) <= side / 2
        else:
            mask = np.maximum(abs(xs - x), abs(ys - y)) <= side / 2
        shade = _SHADE[np.rint(ys - y).astype(int) % 80, np.rint(xs - x).astype(int) % 80]
        image[mask] = np.array(colour) + shade[mask][:, None]
        masks = [other & ~mask for other in masks] + [mask]
    image += np.random.default_rng(seed).normal(0.0, 2.0, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8), masks
