# SPDX-License-Identifier: Apache-2.0
"""RVL data give back the image that they were made of, or are refused."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from rvl_encoder import encode_rvl

from sam_common.errors import DepthError
from sam_common.rvl import decode_rvl

IMAGES = st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
    lambda shape: arrays(
        np.uint16,
        shape,
        elements=st.one_of(st.just(0), st.integers(500, 520), st.integers(0, 65535)),
    )
)


def test_data_made_by_hand_are_read():
    # One pixel without a reading, two with one: 5, then 1 less; then one without, none with.
    # 5 folds to 10 = 0b001_010, its lowest three bits first: 2 | 8, 1; and -1 folds to 1.
    data = struct.pack('<I', 0x12A11100)
    image = decode_rvl(data, (4, 1), 'this')
    assert image.dtype == np.uint16
    assert image.tolist() == [[0, 5, 4, 0]]


@settings(max_examples=200, deadline=None)
@given(IMAGES)
def test_what_was_encoded_comes_back(image):
    height, width = image.shape
    np.testing.assert_array_equal(decode_rvl(encode_rvl(image), (width, height), 'this'), image)


def test_a_whole_image_of_a_camera_comes_back():
    rng = np.random.default_rng(0)
    image = (600 + rng.normal(0, 3, (120, 160))).astype(np.uint16)
    image[rng.random(image.shape) < 0.1] = 0
    np.testing.assert_array_equal(decode_rvl(encode_rvl(image), (160, 120), 'this'), image)


IMAGE = np.arange(600, 648, dtype=np.uint16).reshape(6, 8)


@pytest.mark.parametrize(
    ('data', 'size_wh', 'words'),
    [
        (b'', (8, 6), 'this is cut off within its first 0 of 48 pixels'),
        (encode_rvl(IMAGE)[:8], (8, 6), 'cut off within its first 48 of 48'),
        (encode_rvl(IMAGE), (8, 7), 'damaged: after 48 of 56 pixels come 0 without and 0 with'),
        (encode_rvl(IMAGE), (8, 5), 'damaged: after 0 of 40 pixels come 0 without and 48 with'),
        (b'\xff' * 400, (8, 6), 'cut off within its first 0'),
        (struct.pack('<3I', 0, 0xFFFFFFFF, 0xFFFF0000), (8, 6), 'damaged'),
        # The first difference is below 0.
        (struct.pack('<I', 0x01100000), (1, 1), 'a reading has more than 16 bits'),
        (b'', (0, 5), 'this is 0 x 5 px'),
        (b'', (2**31 - 1, 2**31 - 1), '2147483647 x 2147483647 px; 1 to 10,000,000 pixels'),
        (b'', (-5, -5), '-5 x -5 px'),
    ],
)
def test_what_makes_up_no_image_of_its_size_is_refused(data, size_wh, words):
    with pytest.raises(DepthError, match=words):
        decode_rvl(data, size_wh, 'this')


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60), IMAGES, st.data())
def test_any_data_give_an_image_of_the_size_or_are_refused(noise, image, data):
    height, width = image.shape
    whole = bytearray(encode_rvl(image))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for spoiled in (noise, bytes(whole), bytes(whole[:-4])):
        try:
            found = decode_rvl(spoiled, (width, height), 'this')
        except DepthError:
            continue
        assert found.shape == image.shape
