# SPDX-License-Identifier: Apache-2.0
"""What a person means by one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unicodedata import category

import numpy as np

from sam_common.types import AnyArray, BoolArray, Float32Array, FloatArray, UInt8Array
from sam_segmentation.core.errors import PromptError

BACKGROUND, FOREGROUND = 0, 1

# Attention grows with the square of the number of points; no one clicks that often.
MAX_POINTS = 256
# What an object is called is sent with every frame.
MAX_TEXT = 256  # characters
# Most refinement passes that feed the predicted mask back.
MAX_REFINE_ROUNDS = 3
# Categories of Unicode: control characters, halves of characters, line and paragraph separators.
_UNFIT = ('Cc', 'Cs', 'Zl', 'Zp')


@dataclass(frozen=True, eq=False)
class Prompt:
    """Points, a box, a mask, a text, or several of these, that mean one object.

    Pixels: x right, y down, the origin at the centre of the top-left pixel, so an image of width W
    reaches from -0.5 to W - 0.5. Sequences are accepted wherever arrays are named.

    Parameters
    ----------
    points_xy : array of float64, shape (N, 2)
        Clicked points [px], at most 256.
    labels : array of uint8, shape (N,)
        1 on the object, 0 beside it; one per point.
    box_xyxy : array of float64, shape (4,), or None
        Left, top, right, bottom edge [px].
    mask : array of bool, shape (H, W), or None
        A rough mask, of the image's size.
    text : str
        The object's name, at most 256 characters on one line.
    logits : array of float32, shape (S, S), or None
        `ScoredMask.logits` of an earlier answer, to be refined. Excludes `mask`. A model reads
        its own side S: a quarter of its input's, 256 for the official models.

    Raises
    ------
    PromptError
        If nothing is given, or a part is of another shape, not finite, or without area, or there
        are too many points, or the text is too long or holds a control character.

    Examples
    --------
    A click on the object, and one beside it:

    >>> prompt = Prompt(points_xy=[(320, 240), (20, 20)], labels=[1, 0])
    >>> prompt.labels.tolist()
    [1, 0]

    What means nothing is refused at once:

    >>> try:
    ...     Prompt(box_xyxy=(10, 20, 10, 40))
    ... except PromptError as error:
    ...     print(error)
    box (10, 20, 10, 40) has no area; give left < right and top < bottom

    """

    points_xy: FloatArray | Any = ()
    labels: UInt8Array | Any = ()
    box_xyxy: FloatArray | Any = None
    mask: BoolArray | None = None
    text: str = ''
    logits: Float32Array | None = None

    def __post_init__(self) -> None:
        check_text(self.text, 'text')
        points = _array(self.points_xy, 'points_xy', np.float64)
        points = points.reshape(0, 2) if points.size == 0 else points
        if points.ndim != 2 or points.shape[1] != 2:
            raise PromptError(
                f'points_xy has shape {points.shape}; give one (x, y) pair per point'
            )
        check_point_count(len(points))
        if not np.isfinite(points).all():
            bad = points[~np.isfinite(points).all(axis=1)][0]
            raise PromptError(f'point {_xy(bad)} is not finite; give pixels of the image')
        labels = np.atleast_1d(_array(self.labels, 'labels', np.float64)).ravel()
        if len(labels) != len(points):
            raise PromptError(
                f'{len(points)} points but {len(labels)} labels; give one label per point, '
                '1 on the object and 0 beside it'
            )
        if not np.isin(labels, (BACKGROUND, FOREGROUND)).all():
            bad_label = labels[~np.isin(labels, (BACKGROUND, FOREGROUND))][0]
            raise PromptError(
                f'label {bad_label:g} means nothing; use 1 (on the object) or 0 (beside it)'
            )
        object.__setattr__(self, 'points_xy', points)
        object.__setattr__(self, 'labels', labels.astype(np.uint8))
        if self.box_xyxy is not None:
            object.__setattr__(self, 'box_xyxy', _checked_box(self.box_xyxy))
        if self.mask is not None:
            object.__setattr__(self, 'mask', _checked_mask(self.mask))
        if self.logits is not None:
            logits = _array(self.logits, 'logits', np.float32)
            if logits.ndim != 2 or not logits.size or logits.shape[0] != logits.shape[1]:
                raise PromptError(
                    f'logits have shape {logits.shape}; give the square ones of an earlier mask, '
                    '(256, 256) from most models'
                )
            if not np.isfinite(logits).all():
                raise PromptError('logits are not all finite; give those of an earlier mask')
            if self.mask is not None:
                raise PromptError('both mask and logits are given; give one of them')
            object.__setattr__(self, 'logits', logits)
        if not (
            len(points)
            or self.box_xyxy is not None
            or self.mask is not None
            or self.logits is not None
            or self.text
        ):
            raise PromptError('the prompt is empty; give points, a box, a mask or a text')

    def check_fits(self, size_wh: tuple[int, int]) -> None:
        """Raise PromptError unless every part lies in an image of this (width, height) [px]."""
        width, height = size_wh
        low, high = np.array([-0.5, -0.5]), np.array([width - 0.5, height - 0.5])
        for point in self.points_xy:
            if (point < low).any() or (point >= high).any():
                raise PromptError(
                    f'point {_xy(point)} lies outside the image of {width} x {height} px; '
                    f'x goes from 0 to {width - 1}, y from 0 to {height - 1}'
                )
        if self.box_xyxy is not None:
            box = self.box_xyxy
            if (box[2:] <= low).any() or (box[:2] >= high).any():
                raise PromptError(
                    f'box {_xy(box)} lies outside the image of {width} x {height} px; '
                    'give left, top, right, bottom in its pixels'
                )
        if self.mask is not None and self.mask.shape != (height, width):
            raise PromptError(
                f'the mask is {self.mask.shape[1]} x {self.mask.shape[0]} px but the image '
                f"{width} x {height} px; give a mask of the image's size"
            )


def check_point_count(count: int) -> None:
    """Raise PromptError if a prompt has more points than it may."""
    if count > MAX_POINTS:
        raise PromptError(
            f'the prompt has {count} points; give at most {MAX_POINTS}, or a box or a mask'
        )


def check_text(text: str, name: str) -> None:
    """Raise PromptError if a name for an object is too long, or would break a line of a log."""
    if len(text) > MAX_TEXT:
        raise PromptError(
            f'the {name} {text[:20]!r}... has {len(text)} characters; give at most {MAX_TEXT}'
        )
    for place, character in enumerate(text, start=1):
        if category(character) in _UNFIT:
            raise PromptError(
                f'the {name} {text[:20]!r} holds {character!a} as character {place}; '
                'leave control characters and line breaks out'
            )


def _array(value: Any, name: str, dtype: Any) -> AnyArray:
    try:
        return np.array(value, dtype=dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise PromptError(f'{name} is not an array of numbers: {error}') from error


def _checked_box(value: Any) -> FloatArray:
    box = _array(value, 'box_xyxy', np.float64).ravel()
    if box.shape != (4,):
        raise PromptError(f'box_xyxy has {box.size} numbers; give left, top, right, bottom')
    if not np.isfinite(box).all():
        raise PromptError(f'box {_xy(box)} is not finite; give pixels of the image')
    if box[2] <= box[0] or box[3] <= box[1]:
        raise PromptError(f'box {_xy(box)} has no area; give left < right and top < bottom')
    return box


def _checked_mask(value: Any) -> BoolArray:
    mask = np.asarray(value)
    if mask.ndim != 2:
        raise PromptError(f'the mask has shape {mask.shape}; give (height, width)')
    mask = mask.astype(bool)
    if not mask.any():
        raise PromptError('the mask is empty; mark at least one pixel of the object')
    return mask


def _xy(values: FloatArray) -> str:
    return '(' + ', '.join(f'{value:g}' for value in values) + ')'
