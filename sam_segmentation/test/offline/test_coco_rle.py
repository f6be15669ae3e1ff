# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from sam_segmentation.offline.coco_rle import decode_rle, encode_rle


@settings(max_examples=150, deadline=None)
@given(arrays.arrays(bool, arrays.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_what_is_encoded_is_decoded(mask):
    assert np.array_equal(decode_rle(encode_rle(mask), mask.shape[::-1]), mask)


def ring(inner):
    mask = np.zeros((240, 320), np.uint8)
    cv2.circle(mask, (150, 100), 60, 1, -1)
    cv2.circle(mask, (150, 100), inner, 0, -1)
    return mask.astype(bool)


@pytest.mark.parametrize('mask', [ring(0), ring(30), np.ones((480, 640), bool)])
def test_large_masks_too(mask):
    assert np.array_equal(decode_rle(encode_rle(mask), mask.shape[::-1]), mask)


def pierced():
    mask = np.zeros((5, 7), bool)
    mask[1:4, 2:5] = True
    mask[2, 3] = False
    return mask


def dot():
    mask = np.zeros((3000, 4000), bool)
    mask[1500, 2000] = True
    return mask


# As pycocotools 2.0 encodes them.
KNOWN = [
    (pierced(), ';32NO0129'),
    (dot(), 'ljTg51SmQg5'),
    (np.zeros((4, 3), bool), '<'),
    (np.ones((4, 3), bool), '0<'),
]


@pytest.mark.parametrize(('mask', 'counts'), KNOWN)
def test_the_encoding_is_that_of_pycocotools(mask, counts):
    assert encode_rle(mask) == counts


@pytest.mark.parametrize(
    'counts', ['', '1', 'a', '0', '<', '~', 'é', '0' * 99, 'o' * 30, ';32NO012']
)
def test_malformed_runs_are_refused(counts):
    with pytest.raises(ValueError, match=r'runs cover|has no place in run lengths'):
        decode_rle(counts, (7, 5))
