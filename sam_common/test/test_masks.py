# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sam_common.masks import (
    label_image,
    mask_to_box,
    non_maximum_suppression,
    remove_small_regions,
)

masks = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12))


def rectangle(left, top, right, bottom, *, size_wh=(20, 12)):
    mask = np.zeros(size_wh[::-1], bool)
    mask[top:bottom, left:right] = True
    return mask


def test_box_of_one_pixel_is_its_outer_edges():
    assert mask_to_box(rectangle(3, 5, 4, 6)) == (2.5, 4.5, 3.5, 5.5)


def test_an_empty_mask_has_no_box():
    assert mask_to_box(np.zeros((3, 3), bool)) is None


@given(mask=masks)
def test_box_is_tight(mask):
    box = mask_to_box(mask)
    if box is None:
        assert not mask.any()
        return
    left, top, right, bottom = (round(edge + 0.5) for edge in box)
    part = mask[top:bottom, left:right]
    assert part.sum() == mask.sum()
    edges = (part[0], part[-1], part[:, 0], part[:, -1])
    assert all(edge.any() for edge in edges)


def test_label_image_draws_small_over_large():
    labels = label_image([rectangle(0, 0, 5, 5), rectangle(0, 0, 10, 10)], [7, 9], (20, 12))
    assert labels.dtype == np.uint16
    assert labels[2, 2] == 7
    assert labels[8, 8] == 9
    assert labels[11, 19] == 0


@pytest.mark.parametrize('object_id', [0, -1, 65536])
def test_label_image_refuses_ids_that_do_not_fit(object_id):
    with pytest.raises(ValueError, match='65535'):
        label_image([rectangle(0, 0, 5, 5)], [object_id], (20, 12))


def test_suppression_keeps_the_better_of_two_near_duplicates():
    near = [rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 9), rectangle(12, 0, 18, 9)]
    assert non_maximum_suppression(near, [0.5, 0.9, 0.1], iou_thresh=0.7) == [1, 2]
    assert non_maximum_suppression(near, [0.5, 0.9, 0.1], iou_thresh=0.95) == [1, 0, 2]


def test_small_islands_and_holes_go():
    mask = rectangle(0, 0, 10, 10)
    mask[4:6, 4:6] = False
    mask[11, 18:20] = True
    assert (remove_small_regions(mask, 5) == rectangle(0, 0, 10, 10)).all()
    assert (remove_small_regions(mask, 2) == mask).all()


def test_the_largest_island_stays_however_small():
    mask = rectangle(3, 3, 5, 5) | rectangle(10, 3, 11, 4)
    assert (remove_small_regions(mask, 100)[3:5, 3:5]).all()


@given(mask=masks, min_area=st.integers(0, 20))
def test_cleaning_never_empties_a_mask(mask, min_area):
    before = mask.copy()
    cleaned = remove_small_regions(mask, min_area)
    assert cleaned.any() == mask.any()
    assert (mask == before).all()
