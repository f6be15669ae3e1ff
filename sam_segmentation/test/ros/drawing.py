# SPDX-License-Identifier: Apache-2.0
"""Random scenes of flat shapes, for tests that need something to segment, and their prompts."""

from __future__ import annotations

import cv2
import numpy as np
from std_msgs.msg import Header
from vision_msgs.msg import Point2D

from sam_common.ros.conversions import box_to_msg, mask_to_msg
from sam_interfaces.msg import Prompt

SIZE_WH = (160, 120)


def scene(seed: int, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    """Draw a few shapes on a noisy background: uint8 (H, W, 3), the same for the same seed."""
    rng = np.random.default_rng(seed)
    width, height = size_wh
    image = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for _ in range(4):
        centre = (int(rng.integers(0, width)), int(rng.integers(0, height)))
        colour = tuple(int(c) for c in rng.integers(0, 256, 3))
        if rng.random() < 0.5:
            cv2.circle(image, centre, int(rng.integers(8, height // 4)), colour, -1)
        else:
            axes = tuple(int(a) for a in rng.integers(6, height // 4, 2))
            cv2.ellipse(image, centre, axes, int(rng.integers(180)), 0, 360, colour, -1)
    noise = rng.normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def ball(x: int, y: int, *, size_wh: tuple[int, int] = SIZE_WH) -> np.ndarray:
    """Draw an orange ball of 15 px radius on noisy grey: uint8 (H, W, 3)."""
    image = np.full((size_wh[1], size_wh[0], 3), 90, np.uint8)
    cv2.circle(image, (x, y), 15, (230, 120, 20), -1)
    noise = np.random.default_rng(x).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def click(x: float, y: float, label: int = 1) -> Prompt:
    """Return a prompt of one point."""
    return Prompt(points=[Point2D(x=float(x), y=float(y))], labels=[label])


def random_prompt(rng: np.random.Generator, size_wh: tuple[int, int] = SIZE_WH) -> Prompt:
    """Return points, a box, both or a mask, all in the image and of one mind."""
    width, height = size_wh
    kind = rng.integers(4)
    prompt = Prompt()
    x0, y0, x1, y1 = 0.0, 0.0, width - 1.0, height - 1.0
    if kind in (1, 2):
        x0, y0 = rng.uniform(0, width - 20), rng.uniform(0, height - 20)
        x1, y1 = min(x0 + rng.uniform(8, 60), x1), min(y0 + rng.uniform(8, 60), y1)
        prompt.box = box_to_msg((x0, y0, x1, y1))
    if kind in (0, 2):
        for _ in range(rng.integers(1, 4)):
            prompt.points.append(Point2D(x=rng.uniform(x0, x1), y=rng.uniform(y0, y1)))
        prompt.labels = [1, *rng.integers(0, 2, len(prompt.points) - 1).tolist()]
    if kind == 3:
        mask = np.zeros((height, width), np.uint8)
        centre = (int(rng.integers(20, width - 20)), int(rng.integers(20, height - 20)))
        cv2.circle(mask, centre, int(rng.integers(5, 20)), 1, -1)
        prompt.mask = mask_to_msg(mask.astype(bool), Header())
    return prompt
