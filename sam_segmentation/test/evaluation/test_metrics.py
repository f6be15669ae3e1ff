# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from sam_segmentation.evaluation.mask_metrics import boundary_f1, mask_iou

MEASURES = [mask_iou, lambda mask, truth: boundary_f1(mask, truth, 1.0)]
pairs = array_shapes(min_dims=2, max_dims=2, max_side=12).flatmap(
    lambda shape: st.tuples(arrays(bool, shape), arrays(bool, shape))
)


def square(left, top, side, *, size=20):
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


@pytest.mark.parametrize('measure', MEASURES)
def test_both_empty_agree(measure):
    assert measure(np.zeros((4, 5), bool), np.zeros((4, 5), bool)) == 1.0


@pytest.mark.parametrize('measure', MEASURES)
def test_one_empty_scores_zero(measure):
    empty, full = np.zeros((4, 5), bool), np.ones((4, 5), bool)
    assert measure(empty, full) == 0.0
    assert measure(full, empty) == 0.0


@pytest.mark.parametrize('measure', MEASURES)
@pytest.mark.parametrize(
    ('mask', 'truth'),
    [
        (np.zeros((4, 5), bool), np.zeros((5, 4), bool)),
        (np.zeros((4, 5), bool), np.zeros((4, 5), np.uint8)),
        (np.zeros(4, bool), np.zeros(4, bool)),
    ],
)
def test_other_shapes_and_types_are_refused(measure, mask, truth):
    with pytest.raises(ValueError, match=r'mask|truth'):
        measure(mask, truth)


def test_half_overlap():
    mask, truth = square(0, 0, 4), square(2, 0, 4)
    assert mask_iou(mask, truth) == pytest.approx(8 / 24)


@pytest.mark.parametrize(('tolerance_px', 'expected'), [(0.0, 22 / 44), (1.0, 1.0)])
def test_boundary_f1_of_a_square_moved_by_one(tolerance_px, expected):
    # A square of 12 px has 44 boundary pixels; moved right by 1, its top and bottom share 11 each.
    value = boundary_f1(square(3, 3, 12), square(4, 3, 12), tolerance_px)
    assert value == pytest.approx(expected)


def test_boundary_f1_sees_only_the_boundary():
    ring = square(3, 3, 12)
    ring[8:10, 8:10] = False
    assert mask_iou(ring, square(3, 3, 12)) > 0.95
    assert boundary_f1(ring, square(3, 3, 12), 1.0) < 0.95


def test_boundary_tolerance_is_a_euclidean_distance():
    one, other = np.zeros((9, 9), bool), np.zeros((9, 9), bool)
    one[0, 0] = other[3, 4] = True
    assert boundary_f1(one, other, 4.99) == 0.0
    assert boundary_f1(one, other, 5.0) == 1.0


def test_full_image_has_a_boundary():
    full, inner = np.ones((9, 9), bool), np.zeros((9, 9), bool)
    inner[4, 4] = True
    assert boundary_f1(full, inner, 1.0) == 0.0


@pytest.mark.parametrize('tolerance_px', [-1.0, float('nan')])
def test_a_negative_tolerance_is_refused(tolerance_px):
    with pytest.raises(ValueError, match='tolerance_px'):
        boundary_f1(square(0, 0, 2), square(0, 0, 2), tolerance_px)


@pytest.mark.parametrize('measure', MEASURES)
@given(pair=pairs)
def test_measures_are_symmetric_and_between_0_and_1(measure, pair):
    mask, truth = pair
    assert 0.0 <= measure(mask, truth) <= 1.0
    assert measure(mask, truth) == pytest.approx(measure(truth, mask))
    assert measure(mask, mask) == 1.0


@given(pair=pairs)
def test_boundary_f1_grows_with_the_tolerance(pair):
    values = [boundary_f1(*pair, tolerance) for tolerance in (0.0, 1.0, 2.0, 40.0)]
    assert values == sorted(values)
