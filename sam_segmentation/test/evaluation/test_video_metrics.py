# SPDX-License-Identifier: Apache-2.0
"""Figures of videos whose masks are known by heart."""

import numpy as np
import pytest

from sam_segmentation.evaluation.video_metrics import (
    AccuracyMeter,
    IdSwitchMeter,
    Recovery,
    RecoveryMeter,
    VideoAccuracy,
    boundary_accuracy,
    mean_accuracy,
)

SHAPE = 60, 80  # a diagonal of 100 px
NOTHING = np.zeros(SHAPE, bool)


def square(left, top=20, side=20):
    mask = np.zeros(SHAPE, bool)
    mask[top : top + side, left : left + side] = True
    return mask


def edge_pixels(mask):
    """Return the pixels that differ from one to their right, below or aslant, one by one."""
    height, width = mask.shape
    return [
        (row, column)
        for row, column in np.ndindex(mask.shape)
        if any(
            mask[row, column] != mask[min(row + down, height - 1), min(column + right, width - 1)]
            for down, right in ((0, 1), (1, 0), (1, 1))
        )
    ]


def share_within(points, others, radius):
    return np.mean([any(np.hypot(*np.subtract(p, q)) <= radius for q in others) for p in points])


def test_boundaries_that_agree_within_tolerance_have_f_one():
    assert boundary_accuracy(square(20), square(20)) == 1.0
    assert boundary_accuracy(square(21), square(20)) == 1.0  # 0.8 px of tolerance round up to 1


def test_boundaries_farther_apart_than_the_tolerance_have_f_zero():
    assert boundary_accuracy(square(10, side=10), square(50, side=10)) == 0.0


def test_a_side_out_of_tolerance_counts_by_its_pixels():
    # The boundary of 20 x 20 lies on the 21 x 21 ring, 80 px. Moved by two pixels, the rows at top
    # and bottom still agree but for a pixel's end each; of the sides none does but their ends.
    near = share_within(edge_pixels(square(22)), edge_pixels(square(20)), 1)
    assert 0.4 < near < 0.6
    assert boundary_accuracy(square(22), square(20)) == pytest.approx(near)


@pytest.mark.parametrize('seed', range(6))
def test_f_is_that_of_a_search_over_all_pairs_of_pixels(seed):
    rng = np.random.default_rng(seed)
    shape = 24, 32
    blocks = rng.random((2, 6, 8)) < 0.4
    mask, truth = (np.kron(block, np.ones((4, 4))).astype(bool) for block in blocks)
    mask[:, -1] = seed % 2  # something at the image's border
    radius = int(np.ceil(0.05 * np.hypot(*shape)))
    edge, true_edge = edge_pixels(mask), edge_pixels(truth)
    precision = share_within(edge, true_edge, radius)
    recall = share_within(true_edge, edge, radius)
    expected = 2 * precision * recall / (precision + recall)
    assert boundary_accuracy(mask, truth, tolerance=0.05) == pytest.approx(expected)


def test_empty_masks_agree_with_each_other_and_with_nothing_else():
    assert boundary_accuracy(NOTHING, NOTHING) == 1.0
    assert boundary_accuracy(square(20), NOTHING) == 0.0
    assert boundary_accuracy(NOTHING, square(20)) == 0.0


@pytest.mark.parametrize(
    ('mask', 'truth'),
    [
        (NOTHING, np.zeros((60, 81), bool)),
        (NOTHING.astype(np.uint8), NOTHING),
        (np.zeros(3, bool), np.zeros(3, bool)),
    ],
)
def test_masks_of_another_shape_or_type_are_refused(mask, truth):
    with pytest.raises(ValueError, match='bool'):
        boundary_accuracy(mask, truth)


def test_a_tolerance_out_of_range_is_refused():
    with pytest.raises(ValueError, match='tolerance'):
        boundary_accuracy(NOTHING, NOTHING, tolerance=-0.1)


def test_j_and_f_leave_out_the_first_and_the_last_frame():
    meter = AccuracyMeter()
    for mask in (NOTHING, square(20), NOTHING, square(20), NOTHING):
        meter.update(mask, square(20))
    accuracy = meter.result()
    assert accuracy.region == pytest.approx(2 / 3)
    assert accuracy.boundary == pytest.approx(2 / 3)
    assert accuracy.region_and_boundary == pytest.approx(2 / 3)


def test_j_is_the_intersection_over_the_union():
    meter = AccuracyMeter()
    for _ in range(3):
        meter.update(square(30), square(20))
    assert meter.result().region == pytest.approx(1 / 3)


def test_a_hidden_object_with_an_empty_mask_counts_as_right():
    meter = AccuracyMeter()
    for mask in (NOTHING, NOTHING, square(20), NOTHING):
        meter.update(mask, NOTHING)
    assert meter.result() == VideoAccuracy(0.5, 0.5)


def test_fewer_than_three_frames_have_no_accuracy():
    meter = AccuracyMeter()
    meter.update(NOTHING, NOTHING)
    meter.update(NOTHING, NOTHING)
    with pytest.raises(ValueError, match='at least 3'):
        meter.result()


def test_objects_count_alike_in_the_mean():
    assert mean_accuracy([VideoAccuracy(1.0, 0.5), VideoAccuracy(0.0, 1.0)]) == VideoAccuracy(
        0.5, 0.75
    )
    with pytest.raises(ValueError, match='no object'):
        mean_accuracy([])


def switches(*frames):
    meter = IdSwitchMeter()
    for masks, truths in frames:
        meter.update(masks, truths)
    return meter.total


LEFT, RIGHT = square(5), square(50)


def test_ids_that_stay_never_switch():
    assert switches(*[({1: LEFT, 2: RIGHT}, {7: LEFT, 8: RIGHT})] * 3) == 0


def test_two_ids_that_change_places_are_two_switches_once():
    before = {1: LEFT, 2: RIGHT}, {7: LEFT, 8: RIGHT}
    after = {1: RIGHT, 2: LEFT}, {7: LEFT, 8: RIGHT}
    assert switches(before, after, after) == 2
    assert switches(before, after, before) == 4


def test_switches_are_counted_for_the_object_that_has_them():
    meter = IdSwitchMeter()
    meter.update({1: LEFT, 2: RIGHT}, {7: LEFT, 8: RIGHT})
    meter.update({3: LEFT, 2: RIGHT}, {7: LEFT, 8: RIGHT})
    assert meter.switches == {7: 1, 8: 0}


def test_a_switch_behind_an_occluder_counts_when_the_object_is_back():
    before, hidden = ({1: LEFT}, {7: LEFT}), ({1: NOTHING}, {7: NOTHING})
    assert switches(before, hidden, hidden, before) == 0
    assert switches(before, hidden, ({1: NOTHING, 2: LEFT}, {7: LEFT})) == 1


def test_a_lost_id_is_no_switch():
    assert switches(({1: LEFT}, {7: LEFT}), ({1: RIGHT}, {7: LEFT})) == 0


def test_a_match_is_kept_while_it_can_be():
    shifted = square(7)  # an IoU of 18 / 22 with LEFT
    assert switches(({1: LEFT, 2: RIGHT}, {7: LEFT}), ({2: LEFT, 1: shifted}, {7: LEFT})) == 0


def test_the_best_mask_is_matched_first():
    truth = {7: LEFT}
    assert switches(({1: square(7), 2: LEFT}, truth), ({2: LEFT}, truth)) == 0
    assert switches(({2: LEFT, 1: square(7)}, truth), ({1: LEFT}, truth)) == 1


def test_one_id_matches_one_object_only():
    first, second = square(20), square(24)  # an IoU of 16 / 24
    truths = {7: first, 8: second}
    assert switches(({1: first, 2: second}, truths), ({2: first}, truths)) == 0
    assert switches(({1: first, 2: second}, truths), ({2: first}, {7: first})) == 1


def recovery(*pairs, **options):
    meter = RecoveryMeter(within_frames=3, **options)
    for mask, truth in pairs:
        meter.update(mask, truth)
    return meter.result()


SEEN, HIDDEN, MISSED = (LEFT, LEFT), (NOTHING, NOTHING), (RIGHT, LEFT)


def test_an_object_found_within_the_frames_is_recovered():
    assert recovery(SEEN, HIDDEN, SEEN, SEEN, SEEN) == Recovery(1, 1)
    assert recovery(SEEN, HIDDEN, MISSED, MISSED, SEEN) == Recovery(1, 1)
    assert recovery(SEEN, HIDDEN, MISSED, MISSED, MISSED, SEEN) == Recovery(1, 0)


def test_what_never_disappears_or_never_was_there_is_no_event():
    assert recovery(SEEN, MISSED, SEEN, SEEN, SEEN) == Recovery(0, 0)
    assert recovery(HIDDEN, HIDDEN, SEEN, SEEN, SEEN) == Recovery(0, 0)
    assert np.isnan(Recovery(0, 0).rate)


def test_an_object_back_for_too_few_frames_at_the_end_does_not_count():
    assert recovery(SEEN, HIDDEN, SEEN, SEEN) == Recovery(0, 0)


def test_one_that_disappears_again_counts_as_it_stands_then():
    assert recovery(SEEN, HIDDEN, SEEN, HIDDEN, MISSED, MISSED, MISSED) == Recovery(2, 1)


def test_an_object_is_back_once_enough_of_it_is_seen():
    sliver = (NOTHING, square(5, side=2))
    pairs = SEEN, HIDDEN, sliver, sliver, sliver, SEEN, SEEN, SEEN
    assert recovery(*pairs) == Recovery(1, 0)
    assert recovery(*pairs, min_area_px=5) == Recovery(1, 1)


def test_recoveries_add_up():
    assert (Recovery(2, 1) + Recovery(2, 2)).rate == 0.75


def test_a_window_without_a_frame_is_refused():
    with pytest.raises(ValueError, match='within_frames'):
        RecoveryMeter(within_frames=0)
