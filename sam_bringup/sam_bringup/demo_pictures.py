# SPDX-License-Identifier: Apache-2.0
"""Pictures that the demo writes, and where on a mask a person would click."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sam_common.boxes import BoxXyxy
from sam_common.types import BoolArray, UInt8Array

GIF_WIDTH_PX = 480


def deepest_point(mask: BoolArray) -> tuple[float, float]:
    """Return the pixel farthest from the mask's border: where a person would click."""
    depth = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)
    y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return float(x - 1), float(y - 1)


def draw_marks(
    image_rgb: UInt8Array, marks: list[tuple[float, float] | BoxXyxy | None]
) -> UInt8Array:
    """Draw clicks as dots and boxes as rectangles, white on black."""
    for colour, width in (((0, 0, 0), 2), ((255, 255, 255), 1)):
        for mark in marks:
            if mark is None:
                continue
            corners = [tuple(int(v) for v in np.round(xy)) for xy in (mark[:2], mark[-2:])]
            if len(mark) == 2:
                cv2.circle(image_rgb, corners[0], 2 + width, colour, -1, lineType=cv2.LINE_AA)
            else:
                cv2.rectangle(image_rgb, corners[0], corners[1], colour, width)
    return image_rgb


def write_png(path: Path, image_rgb: UInt8Array) -> None:
    """Write a picture."""
    cv2.imwrite(str(path), cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))


def write_gif(path: Path, images_rgb: list[UInt8Array], *, step_ms: int = 100) -> None:
    """Write an animation, each picture shown for `step_ms`."""
    height = round(images_rgb[0].shape[0] * GIF_WIDTH_PX / images_rgb[0].shape[1])
    size = (GIF_WIDTH_PX, height)
    frames = [Image.fromarray(image).resize(size).quantize(128) for image in images_rgb]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=step_ms, loop=0)
