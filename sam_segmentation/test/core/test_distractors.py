# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_segmentation.core.distractors import Placement, find_identity_switches

LEFT, RIGHT, FAR = (10, 40, 40, 70), (60, 40, 90, 70), (150, 40, 180, 70)


def placement(box, expected):
    mask = np.zeros((100, 200), bool)
    if box is not None:
        mask[box[1] : box[3], box[0] : box[2]] = True
    return Placement(mask, box, expected)


def test_the_one_that_left_its_own_path_loses():
    assert find_identity_switches({1: placement(LEFT, LEFT), 2: placement(LEFT, RIGHT)}) == {2}
    assert find_identity_switches({1: placement(RIGHT, LEFT), 2: placement(RIGHT, RIGHT)}) == {1}


def test_of_several_on_one_place_only_its_owner_stays():
    placements = {1: placement(LEFT, RIGHT), 2: placement(LEFT, LEFT), 3: placement(LEFT, FAR)}
    assert find_identity_switches(placements) == {1, 3}


def test_one_that_swallows_another_loses():
    both = (10, 40, 90, 70)
    assert find_identity_switches({1: placement(both, LEFT), 2: placement(RIGHT, RIGHT)}) == {1}


BIG, PART = (10, 40, 60, 90), (20, 50, 30, 60)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        pytest.param((LEFT, LEFT), (RIGHT, RIGHT), id='apart'),
        pytest.param((LEFT, LEFT), ((12, 40, 40, 70), (14, 40, 44, 70)), id='crossing'),
        pytest.param((BIG, BIG), (PART, (21, 50, 40, 99)), id='a part of the other one'),
        pytest.param((FAR, LEFT), (FAR, RIGHT), id='the camera jumped'),
        pytest.param((LEFT, LEFT), (LEFT, None), id='no motion known'),
        pytest.param((LEFT, LEFT), (None, RIGHT), id='not seen'),
        pytest.param((LEFT, LEFT), ((36, 40, 66, 70), FAR), id='touching'),
    ],
)
def test_nobody_is_accused_without_need(first, second):
    assert find_identity_switches({1: placement(*first), 2: placement(*second)}) == set()


def test_without_objects_no_identity_is_switched():
    assert find_identity_switches({}) == set()
