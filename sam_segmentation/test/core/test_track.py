# SPDX-License-Identifier: Apache-2.0
import pytest

from sam_segmentation import ObjectState
from sam_segmentation.core.track import TrackState

VISIBLE, OCCLUDED, LOST = ObjectState


def run(presences, *, lost_after=3, in_view=True):
    state = TrackState(lost_after)
    return [state.update(p, has_mask=p > 0, in_view=in_view) for p in presences]


def test_a_score_that_wavers_about_one_half_changes_nothing():
    assert run([0.45, 0.55, 0.41, 0.59] * 5) == [VISIBLE] * 20
    assert run([0.1] + [0.45, 0.55] * 2, lost_after=50) == [OCCLUDED] * 5


@pytest.mark.parametrize('lost_after', [1, 3, 10])
def test_lost_after_as_many_frames_as_said(lost_after):
    expected = [OCCLUDED] * (lost_after - 1) + [LOST] * 2
    assert run([0.0] * (lost_after + 1), lost_after=lost_after) == expected


def test_what_is_seen_in_between_was_only_occluded():
    assert run([0.0, 0.0, 0.9, 0.0, 0.0, 0.0]) == [
        OCCLUDED, OCCLUDED, VISIBLE, OCCLUDED, OCCLUDED, LOST,
    ]  # fmt: skip


def test_the_lost_come_back_only_when_seen_twice_in_a_row():
    assert run([0, 0, 0, 0.9, 0, 0.9, 0.9]) == [
        OCCLUDED,
        OCCLUDED,
        LOST,
        LOST,
        LOST,
        LOST,
        VISIBLE,
    ]


def test_outside_the_image_nothing_is_merely_hidden():
    assert run([0.0], in_view=False) == [LOST]
    assert run([0.9], in_view=False) == [VISIBLE]


def test_an_empty_mask_is_no_sighting_however_sure_the_model_is():
    assert TrackState(3).update(1.0, has_mask=False, in_view=True) is OCCLUDED
