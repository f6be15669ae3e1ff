# SPDX-License-Identifier: Apache-2.0
"""Masks drawn over the image that they are of."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.core.masks import mask_to_box

# Steps of the golden ratio never fall near an earlier hue, so ids that follow differ most.
GOLDEN_RATIO = 0.618033988749895
FIRST_HUE = 0.58
TEXT_FONT, TEXT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.4
LINE_PX = 14


@lru_cache(maxsize=4096)
def colour_of(object_id: int) -> tuple[int, int, int]:
    """Return the RGB colour of an id: the same in every process, far from its neighbours'."""
    hue = (FIRST_HUE + object_id * GOLDEN_RATIO) % 1.0
    # Every second and third id differs in saturation or value too, for a reader of many objects.
    saturation = (0.85, 0.65, 0.95)[object_id % 3]
    value = (1.0, 0.85)[object_id // 3 % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_overlay(
    image_rgb: npt.NDArray[np.uint8],
    masks: Sequence[npt.NDArray[np.bool_]],
    ids: Sequence[int],
    *,
    texts: Sequence[str] = (),
    notes: Sequence[str] = (),
    alpha: float = 0.45,
    contour_px: int = 2,
) -> npt.NDArray[np.uint8]:
    """Draw each mask as a translucent colour with a crisp contour; smaller masks lie on top.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
        Left as it is.
    masks : sequence of bool arrays, shape (H, W)
        An empty mask draws nothing.
    ids : sequence of int
        One per mask; decides its colour.
    texts : sequence of str
        One per mask, or none at all: written at the mask's top left.
    notes : sequence of str
        Lines written at the image's bottom left, as of what is not seen.
    alpha : float
        Opacity of the colour [0-1].
    contour_px : int
        Width of the contour [px]; 0: none.

    Returns
    -------
    array of uint8, shape (H, W, 3)
        In RGB.

    Raises
    ------
    ValueError
        If there are not as many ids (and texts) as masks, or a mask is of another size.

    """
    if len(ids) != len(masks) or (texts and len(texts) != len(masks)):
        raise ValueError(
            f'{len(masks)} masks but {len(ids)} ids and {len(texts)} texts; give one per mask'
        )
    for mask in masks:
        if mask.shape != image_rgb.shape[:2]:
            raise ValueError(
                f'a mask has shape {mask.shape} but the image {image_rgb.shape[:2]}; '
                "give masks of the image's size"
            )
    drawn = np.ascontiguousarray(image_rgb).copy()
    boxes = [mask_to_box(mask) for mask in masks]
    areas = [np.count_nonzero(mask) for mask in masks]
    order = sorted((i for i in range(len(masks)) if boxes[i]), key=lambda i: -areas[i])
    for index in order:
        left, top, right, bottom = (round(edge + 0.5) for edge in boxes[index] or ())
        part = masks[index][top:bottom, left:right].astype(np.uint8)
        view = drawn[top:bottom, left:right]
        colour = colour_of(ids[index])
        cv2.copyTo(cv2.LUT(view, _tint(colour, alpha)), part, view)
        if contour_px:
            outlines, _ = cv2.findContours(
                part, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE, offset=(left, top)
            )
            cv2.drawContours(drawn, outlines, -1, colour, contour_px)
    for index in order if texts else ():
        box = boxes[index] or (0.0, 0.0, 0.0, 0.0)
        _write(drawn, texts[index], box[0], box[1] - 3)
    for line, note in enumerate(reversed(notes)):
        _write(drawn, note, 2, drawn.shape[0] - 4 - line * LINE_PX)
    return drawn


@lru_cache(maxsize=4096)
def _tint(colour: tuple[int, int, int], alpha: float) -> npt.NDArray[np.uint8]:
    """Return what each value of each channel becomes under a translucent colour: (1, 256, 3)."""
    values = np.arange(256)[None, :, None] * (1.0 - alpha) + np.array(colour) * alpha
    return np.rint(values).astype(np.uint8)


def _write(image: npt.NDArray[np.uint8], text: str, left: float, bottom: float) -> None:
    """Write a text from a point on, but inside the image: white on a black edge."""
    (width, height), _ = cv2.getTextSize(text, TEXT_FONT, TEXT_SCALE, 1)
    x = int(np.clip(left, 0, max(0, image.shape[1] - width)))
    y = int(np.clip(bottom, height + 1, max(height + 1, image.shape[0] - 2)))
    # The wide edge is drawn without smoothing, which would take five times as long and not show.
    for colour, thickness, line in (
        ((0, 0, 0), 3, cv2.LINE_8),
        ((255, 255, 255), 1, cv2.LINE_AA),
    ):
        cv2.putText(image, text, (x, y), TEXT_FONT, TEXT_SCALE, colour, thickness, lineType=line)
