# SPDX-License-Identifier: Apache-2.0
"""Masks drawn over the image that they are of."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from sam_common.masks import mask_to_box
from sam_common.types import BoolArray, UInt8Array

# Steps of the golden ratio never fall near an earlier hue, so ids that follow differ most.
GOLDEN_RATIO = 0.618033988749895
FIRST_HUE = 0.58
# Latin, Greek, Cyrillic, Arabic, Hebrew and more; what it lacks is drawn as a box.
_FONT, _FONT_PX = 'DejaVuSans.ttf', 12
LINE_PX = 15
# Letters of a text that are drawn; a longer one ends in dots.
MAX_DRAWN = 80
_EDGE_PX = 1


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
    image_rgb: UInt8Array,
    masks: Sequence[BoolArray],
    ids: Sequence[int],
    *,
    texts: Sequence[str] = (),
    notes: Sequence[str] = (),
    alpha: float = 0.45,
    contour_px: int = 2,
) -> UInt8Array:
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

    Examples
    --------
    >>> import numpy as np
    >>> image_rgb = np.zeros((40, 60, 3), np.uint8)
    >>> mask = np.zeros((40, 60), bool)
    >>> mask[10:30, 20:40] = True
    >>> drawn = draw_overlay(image_rgb, [mask], [1])
    >>> bool(drawn[20, 30].any()), bool(drawn[0, 0].any())
    (True, False)

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
def _tint(colour: tuple[int, int, int], alpha: float) -> UInt8Array:
    """Return what each value of each channel becomes under a translucent colour: (1, 256, 3)."""
    values = np.arange(256)[None, :, None] * (1.0 - alpha) + np.array(colour) * alpha
    return np.rint(values).astype(np.uint8)


def _write(image: UInt8Array, text: str, left: float, bottom: float) -> None:
    """Write a text from a point on, but inside the image: white on a black edge."""
    rest, letters = _drawn(printable(text, MAX_DRAWN))
    height, width = letters.shape[:2]
    x = int(np.clip(left - _EDGE_PX, 0, max(0, image.shape[1] - width)))
    y = int(np.clip(bottom + _EDGE_PX - height, 0, max(0, image.shape[0] - height)))
    view = image[y : y + height, x : x + width]
    size = np.s_[: view.shape[0], : view.shape[1]]
    view[:] = cv2.add(cv2.multiply(view, rest[size], scale=1 / 255), letters[size])


def printable(text: str, limit: int) -> str:
    """Return a text of bounded length in which what steers a terminal is a replacement mark."""
    shown = text if len(text) <= limit else f'{text[: limit - 1]}\N{HORIZONTAL ELLIPSIS}'
    return ''.join(one if one.isprintable() else '\N{REPLACEMENT CHARACTER}' for one in shown)


@lru_cache(maxsize=256)
def _drawn(text: str) -> tuple[UInt8Array, UInt8Array]:
    """Return what is left of the image under a text, and its letters: (H, W, 3) both [0-255]."""
    font = _font()
    width = math.ceil(font.getlength(text)) + 2 * _EDGE_PX
    # A text stays in its line, however many accents are piled up on a letter.
    picture = PIL.Image.new('L', (width, LINE_PX))
    draw = PIL.ImageDraw.Draw(picture)
    draw.text((_EDGE_PX, LINE_PX - _EDGE_PX - 3), text, fill=255, font=font, anchor='ls')
    letters = np.asarray(picture)
    edge = cv2.dilate(letters, np.ones((2 * _EDGE_PX + 1,) * 2, np.uint8))
    return np.dstack([255 - edge] * 3), np.dstack([letters] * 3)


@lru_cache(maxsize=1)
def _font() -> Any:
    # Laid out letter by letter: what is drawn doesn't depend on the libraries of the system.
    layout = PIL.ImageFont.Layout.BASIC
    try:
        return PIL.ImageFont.truetype(_FONT, _FONT_PX, layout_engine=layout)
    except OSError:
        return PIL.ImageFont.load_default(_FONT_PX)
