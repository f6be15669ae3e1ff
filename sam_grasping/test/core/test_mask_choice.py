# SPDX-License-Identifier: Apache-2.0
"""Of a click's masks, depth speaks for the one that is a whole object."""

import numpy as np
import pytest
from shapes_in_depth import Box, Ground, look_at, pinhole, placed, render

from sam_grasping import View
from sam_grasping.core.errors import TargetError
from sam_grasping.core.mask_choice import choose_mask
from sam_segmentation.core.scored_mask import ScoredMask

CAMERA = pinhole((320, 240), focal=310)


@pytest.fixture(scope='module')
def scene():
    """A tall box with a low one touching it, seen from the front: depth and both masks."""
    shapes = [Ground(), Box((0.06, 0.06, 0.12), pose=placed(z=0.06)),
              Box((0.06, 0.06, 0.05), pose=placed(z=0.025, y=0.061))]  # fmt: skip
    depth_m, ids = render(shapes, CAMERA, look_at((0.5, 0.15, 0.45), (0, 0, 0.04)))
    return depth_m, ids == 2, ids == 3


def upper_half(mask):
    rows = np.flatnonzero(mask.any(axis=1))
    part = mask.copy()
    part[rows.mean().astype(int) :] = False
    return part


def choice(depth_m, masks, scores):
    view = View(depth_m=depth_m, mask=masks[0], camera=CAMERA)
    found = [ScoredMask(mask, score) for mask, score in zip(masks, scores, strict=True)]
    return found.index(choose_mask(view, found))


def test_a_whole_object_is_preferred_to_a_part_with_a_better_score(scene):
    depth_m, whole, _ = scene
    assert choice(depth_m, [upper_half(whole), whole], [0.8, 0.7]) == 1


def test_an_object_is_preferred_to_one_that_spills_onto_the_table(scene):
    depth_m, whole, other = scene
    spilled = whole.copy()
    spilled[:, :160] |= ~other[:, :160] & (depth_m[:, :160] < 0.7)
    assert spilled.sum() > 1.5 * whole.sum()
    assert choice(depth_m, [spilled, whole], [0.8, 0.7]) == 1


def test_where_depth_speaks_for_both_the_score_decides(scene):
    depth_m, whole, _ = scene
    assert choice(depth_m, [whole, whole.copy()], [0.8, 0.7]) == 0
    assert choice(depth_m, [whole, whole.copy()], [0.7, 0.8]) == 1


@pytest.mark.parametrize('value', [np.nan, 0.001])
def test_where_depth_says_nothing_the_segmenters_choice_stands(scene, value):
    depth_m, whole, _ = scene
    masks = [upper_half(whole), whole]
    assert choice(np.full_like(depth_m, value), masks, [0.8, 0.7]) == 0


def test_empty_masks_are_no_choice(scene):
    depth_m, whole, _ = scene
    nothing = np.zeros_like(whole)
    assert choice(depth_m, [nothing, nothing.copy()], [0.9, 0.8]) == 0
    assert choice(depth_m, [nothing, whole], [0.9, 0.8]) == 1


def test_a_mask_of_another_size_is_refused(scene):
    depth_m, whole, _ = scene
    with pytest.raises(TargetError, match='10x10'):
        choice(depth_m, [whole, np.ones((10, 10), bool)], [0.9, 0.8])
