# SPDX-License-Identifier: Apache-2.0
"""Procedural surfaces: colours as in a household, patterns as printed, grown or woven."""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import cv2
import numpy as np

from sam_common.types import FloatArray, UInt8Array

Rng = np.random.Generator
Colour = FloatArray  # shape (3,), RGB in [0, 1]
Texture = UInt8Array  # shape (SIDE, SIDE, 3), RGB
SIDE = 256
NAMES = ('TEA', 'RICE', 'OATS', 'MINT', 'SOAP', 'MILK', 'SALT', 'SUGO', 'ALMA', 'NOVA')


def household_colour(rng: Rng) -> Colour:
    """Return a colour as everyday objects have: often neutral or earthy, at times vivid."""
    kind = rng.choice(4, p=[0.25, 0.25, 0.35, 0.15])
    hue, saturation, value = (
        (rng.random(), rng.uniform(0, 0.1), rng.uniform(0.15, 0.95)),  # white, grey, black
        (rng.uniform(0.04, 0.14), rng.uniform(0.25, 0.65), rng.uniform(0.3, 0.85)),  # earth, wood
        (rng.random(), rng.uniform(0.5, 0.85), rng.uniform(0.4, 0.9)),  # vivid
        (rng.random(), rng.uniform(0.15, 0.35), rng.uniform(0.75, 0.95)),  # pastel
    )[kind]
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def table_colour(rng: Rng) -> Colour:
    """Return a colour of wood, stone or cloth."""
    if rng.random() < 0.5:
        hsv = rng.uniform([0.05, 0.25, 0.35], [0.11, 0.6, 0.8])
    else:
        hsv = rng.uniform([0.0, 0.0, 0.3], [1.0, 0.2, 0.9])
    return np.array(colorsys.hsv_to_rgb(*hsv))


def near(colour: Colour, rng: Rng, *, spread: float = 0.06) -> Colour:
    """Return a colour that is hard to tell from another."""
    return np.clip(colour + rng.normal(0, spread, 3), 0.03, 0.97)


def make_object_texture(colour: Colour, rng: Rng) -> Texture:
    """Return a random pattern round a colour."""
    kind = rng.choice(len(_OBJECT), p=[weight for _, weight in _OBJECT])
    return _OBJECT[kind][0](colour, rng)


def make_table_texture(colour: Colour, rng: Rng) -> Texture:
    """Return wood, stone, cloth or a plain top."""
    return (_wood, _marble, _cloth, _plain, _terrazzo)[rng.integers(5)](colour, rng)


def _noise(rng: Rng, *, slope: float, stretch: float = 1.0) -> FloatArray:
    """Return periodic noise of mean 0 and deviation 1 whose amplitude falls as 1 / f^slope."""
    across = np.fft.rfftfreq(SIDE)[None] * SIDE
    down = np.fft.fftfreq(SIDE)[:, None] * SIDE * stretch
    frequency = np.hypot(across, down)
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE))) / frequency**slope
    field = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return np.asarray(field / field.std())


def _blend(
    first: Colour,
    second: Colour,
    amount: FloatArray,
    rng: Rng,
    *,
    grain: float = 0.01,
) -> Texture:
    amount = np.clip(amount, 0, 1)[..., None]
    image = first * (1 - amount) + second * amount
    image = image * (1 + grain * _noise(rng, slope=0.3)[..., None])
    scaled: Texture = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return scaled


def _other(colour: Colour, rng: Rng) -> Colour:
    """Return a colour for the pattern: a shade of the same, or another one."""
    if rng.random() < 0.5:
        return np.clip(colour * rng.uniform(0.45, 0.8), 0.02, 1)
    return household_colour(rng)


def _plain(colour: Colour, rng: Rng) -> Texture:
    return _blend(colour * 0.94, colour, 0.5 + 0.25 * _noise(rng, slope=1.6), rng, grain=0.015)


def _mottled(colour: Colour, rng: Rng) -> Texture:
    return _blend(colour, _other(colour, rng), 0.4 + 0.35 * _noise(rng, slope=1.4), rng)


def _wood(colour: Colour, rng: Rng) -> Texture:
    rings = np.linspace(0, rng.integers(4, 9), SIDE, endpoint=False)[:, None]
    wave = rings + 0.35 * _noise(rng, slope=1.7, stretch=0.25)
    fibre = _noise(rng, slope=0.8, stretch=0.06)
    amount = 0.45 + 0.3 * np.sin(2 * np.pi * wave) + 0.12 * fibre
    return _blend(colour, colour * rng.uniform(0.6, 0.8), amount, rng)


def _marble(colour: Colour, rng: Rng) -> Texture:
    veins = 1 - np.abs(_noise(rng, slope=1.5)) * 1.6
    shade = colour * rng.uniform(0.55, 0.85)
    return _blend(colour, shade, np.clip(veins, 0, 1) ** 2 * 0.9, rng)


def _cloth(colour: Colour, rng: Rng) -> Texture:
    threads = np.sin(2 * np.pi * np.arange(SIDE) * (SIDE // 8) / SIDE)
    amount = 0.5 + 0.25 * threads[None] * threads[:, None] + 0.12 * _noise(rng, slope=0.8)
    if rng.random() < 0.4:
        band = np.arange(SIDE) * rng.integers(2, 5) // SIDE % 2
        amount = amount + 0.5 * (band[None] + band[:, None]) / 2
    return _blend(colour, colour * 0.7, amount, rng)


def _speckles(colour: Colour, rng: Rng) -> Texture:
    dots = _noise(rng, slope=0.6) > rng.uniform(1.2, 1.9)
    return _blend(
        colour, _other(colour, rng), np.asarray(cv2.GaussianBlur(dots * 1.0, (3, 3), 0.7)), rng
    )


def _terrazzo(colour: Colour, rng: Rng) -> Texture:
    chips = np.clip(2 * _noise(rng, slope=0.9) - 2.2, 0, 1)
    return _blend(colour, near(colour, rng, spread=0.1), chips, rng)


def _stripes(colour: Colour, rng: Rng) -> Texture:
    position = np.arange(SIDE) * rng.integers(2, 8) / SIDE % 1
    band = np.broadcast_to((position < rng.uniform(0.25, 0.6)) * 1.0, (SIDE, SIDE))
    return _blend(colour, _other(colour, rng), band if rng.random() < 0.5 else band.T, rng)


def _checker(colour: Colour, rng: Rng) -> Texture:
    cell = np.arange(SIDE) * 2 * rng.integers(2, 6) // SIDE % 2
    return _blend(colour, _other(colour, rng), (cell[None] ^ cell[:, None]) * 1.0, rng)


def _gradient(colour: Colour, rng: Rng) -> Texture:
    ramp = np.broadcast_to(np.abs(np.linspace(-1, 1, SIDE))[:, None], (SIDE, SIDE))
    return _blend(colour, _other(colour, rng), ramp + 0.04 * _noise(rng, slope=1.2), rng)


def _label(colour: Colour, rng: Rng) -> Texture:
    """Return a package: a panel with a name, a few lines of print and a badge, twice round."""
    image = _plain(colour, rng)
    paper, ink, badge = (household_colour(rng) * 255 for _ in range(3))
    if np.abs(paper - ink).sum() < 150:
        ink = 255.0 - paper
    top, bottom = sorted(rng.integers([40, 150], [100, 230]))
    image[top:bottom] = np.clip(
        paper * (1 + 0.01 * _noise(rng, slope=0.4)[top:bottom, :, None]), 0, 255
    )
    name = str(rng.choice(NAMES))
    for left in (0, SIDE // 2):
        cv2.putText(
            image,
            name,
            (left + 10, top + 34),
            cv2.FONT_HERSHEY_DUPLEX,
            1.0,
            ink.tolist(),
            2,
            cv2.LINE_AA,
        )
        cv2.circle(image, (left + 95, bottom - 16), 11, badge.tolist(), -1, cv2.LINE_AA)
        for line in range(top + 46, bottom - 8, 9):
            end = left + 14 + int(rng.integers(20, 60))
            cv2.line(image, (left + 12, line), (end, line), ink.tolist(), 2, cv2.LINE_AA)
    return image


_OBJECT: tuple[tuple[Callable[[Colour, Rng], Texture], float], ...] = (
    (_plain, 0.3),
    (_label, 0.18),
    (_stripes, 0.08),
    (_checker, 0.05),
    (_gradient, 0.08),
    (_mottled, 0.1),
    (_speckles, 0.08),
    (_wood, 0.08),
    (_marble, 0.05),
)
