# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import PIL.ImageFont
import pytest

from sam_segmentation.core import overlay
from sam_segmentation.core.overlay import colour_of, draw_overlay, printable

GREY = np.full((40, 60, 3), 100, np.uint8)


def disc(x, y, radius):
    rows, columns = np.mgrid[:40, :60]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def test_colours_are_stable():
    # A recorded video and a live view must agree, so these are part of the contract.
    assert [colour_of(i) for i in range(3)] == [colour_of(i) for i in range(3)]
    assert colour_of(1) == (224, 255, 89)


def test_colours_of_neighbouring_ids_differ_clearly():
    colours = np.array([colour_of(i) for i in range(64)], float)
    assert min(np.abs(a - b).sum() for a, b in pairwise(colours)) > 120
    assert len({tuple(colour) for colour in colours}) == 64


def test_overlay_tints_inside_and_leaves_outside():
    mask = disc(20, 20, 8)
    drawn = draw_overlay(GREY, [mask], [3], alpha=0.5, contour_px=1)
    assert (drawn[20, 20] == np.round((100 + np.array(colour_of(3))) / 2)).all()
    assert (drawn[~disc(20, 20, 10)] == 100).all()
    assert (GREY == 100).all()


def test_contour_is_opaque():
    mask = disc(20, 20, 8)
    drawn = draw_overlay(GREY, [mask], [3], alpha=0.2, contour_px=1)
    assert tuple(drawn[20, 28]) == colour_of(3)


def test_smaller_masks_lie_on_top():
    both = draw_overlay(GREY, [disc(20, 20, 4), disc(20, 20, 15)], [1, 2], alpha=1.0, contour_px=0)
    assert tuple(both[20, 20]) == colour_of(1)
    assert tuple(both[20, 30]) == colour_of(2)


def test_empty_masks_and_no_masks_draw_nothing():
    assert (draw_overlay(GREY, [], []) == GREY).all()
    assert (draw_overlay(GREY, [np.zeros((40, 60), bool)], [1], texts=['1']) == GREY).all()


@pytest.mark.parametrize('size', [(1, 1), (1, 30), (40, 60)])
def test_text_is_written_at_any_size(size):
    image = np.zeros((*size, 3), np.uint8)
    drawn = draw_overlay(image, [np.ones(size, bool)], [7], texts=['7 mug 0.93'])
    assert drawn.shape == image.shape


def test_text_changes_the_picture():
    plain = draw_overlay(GREY, [disc(20, 20, 8)], [3])
    assert (draw_overlay(GREY, [disc(20, 20, 8)], [3], texts=['3']) != plain).any()


def test_lists_of_other_lengths_and_masks_of_other_sizes_are_refused():
    with pytest.raises(ValueError, match='one per mask'):
        draw_overlay(GREY, [disc(1, 1, 1)], [1, 2])
    with pytest.raises(ValueError, match="image's size"):
        draw_overlay(GREY, [np.ones((4, 4), bool)], [1])


def test_notes_are_written_at_the_bottom_left():
    image = np.zeros((60, 200, 3), np.uint8)
    drawn = draw_overlay(image, [], [], notes=['7 cup lost', '8 occluded'])
    ys, xs = np.nonzero(drawn.any(axis=2))
    assert 20 < ys.min() < 40
    assert ys.max() < 60
    assert xs.max() < 100
    np.testing.assert_array_equal(draw_overlay(image, [], []), image)


BLACK = np.zeros((40, 300, 3), np.uint8)


def written(text):
    return draw_overlay(BLACK, [], [], notes=[text])


def test_letters_of_other_alphabets_are_drawn_as_themselves():
    texts = ['Tasse', 'T\u00e4sse', '\u0422\u0430\u0441\u0441\u0435', '\u03a4\u03b1\u03c3\u03c3']
    drawn = [written(text).tobytes() for text in texts]
    assert len(set(drawn)) == len(texts)
    # Not as boxes, which would all be alike.
    assert written('\u00e4\u00f6').tobytes() != written('\u00f6\u00e4').tobytes()
    assert written('\u0436\u0444').tobytes() != written('\u0444\u0436').tobytes()


@pytest.mark.parametrize(
    'text',
    [
        '',
        '\n\t\r\0\x1b[31m',
        '\u676f\u5b50',
        '\U0001f9ca\u200d\U0001f9ca',
        '\u05db\u05d5\u05e1 \u0643\u0648\u0628',
        '\u202egnp',
        '\ud800',
        'a' + '\u0301' * 200,
        'W' * 100_000,
        '\ufdfd' * 256,
    ],
    ids=['empty', 'control', 'cjk', 'emoji', 'right', 'bidi', 'half', 'accents', 'long', 'wide'],
)
@pytest.mark.parametrize('size', [(1, 1), (10, 300), (40, 20)])
def test_any_text_is_drawn_inside_the_image(text, size):
    image = np.zeros((*size, 3), np.uint8)
    drawn = draw_overlay(image, [np.ones(size, bool)], [7], texts=[text], notes=[text])
    assert drawn.shape == image.shape


def test_without_the_font_latin_letters_are_drawn(monkeypatch):
    plain = PIL.ImageFont.truetype

    def missing(font, *arguments, **options):
        if isinstance(font, str):
            raise OSError('cannot open resource')
        return plain(font, *arguments, **options)

    for cached in (overlay._font, overlay._drawn):
        cached.cache_clear()
    monkeypatch.setattr(PIL.ImageFont, 'truetype', missing)
    try:
        assert written('T\u00e4sse').any()
        assert written('\u676f').shape == BLACK.shape
    finally:
        for cached in (overlay._font, overlay._drawn):
            cached.cache_clear()


def test_a_long_text_ends_in_dots():
    assert printable('mug', 3) == 'mug'
    assert printable('mugs', 3) == 'mu\u2026'
    assert printable('a\x1bb', 9) == 'a\ufffdb'
