# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_common.errors import SamError
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import Prompt

NAN, INF = float('nan'), float('inf')


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({}, 'empty'),
        ({'text': 'a' * 257}, "text 'a{20}'... has 257 characters; give at most 256"),
        ({'text': 'a cup\n'}, r"text 'a cup\\n' holds '\\n' as character 6"),
        ({'text': '\u2028'}, 'line breaks'),
        ({'points_xy': [], 'labels': []}, 'empty'),
        ({'points_xy': [(1, 2)]}, '1 points but 0 labels'),
        ({'points_xy': [(1, 2)] * 257, 'labels': [1] * 257}, '257 points; give at most 256'),
        ({'points_xy': [(1, 2)], 'labels': [1, 0]}, '1 points but 2 labels'),
        ({'points_xy': [(1, 2, 3)], 'labels': [1]}, 'shape'),
        ({'points_xy': [(NAN, 2)], 'labels': [1]}, r'\(nan, 2\) is not finite'),
        ({'points_xy': [(1, INF)], 'labels': [1]}, 'not finite'),
        ({'points_xy': [('a', 'b')], 'labels': [1]}, 'points_xy is not an array'),
        ({'points_xy': [(1, 2)], 'labels': [2]}, 'label 2 means nothing'),
        ({'points_xy': [(1, 2)], 'labels': [-1]}, 'label -1'),
        ({'points_xy': [(1, 2)], 'labels': [NAN]}, 'label nan'),
        ({'box_xyxy': (1, 2, 3)}, '3 numbers'),
        ({'box_xyxy': (1, 2, 1, 5)}, 'no area'),
        ({'box_xyxy': (5, 2, 1, 5)}, 'no area'),
        ({'box_xyxy': (1, 2, NAN, 5)}, 'not finite'),
        ({'mask': np.zeros((4, 4), bool)}, 'mask is empty'),
        ({'mask': np.zeros((4, 4, 1), bool)}, 'shape'),
        ({'logits': np.zeros((4, 5), np.float32)}, r'\(256, 256\)'),
        ({'logits': np.full((4, 4), NAN)}, 'finite'),
        ({'logits': np.zeros((256, 256)), 'mask': np.ones((4, 4), bool)}, 'both'),
    ],
)
def test_a_prompt_that_means_nothing_is_refused(arguments, message):
    with pytest.raises(PromptError, match=message) as caught:
        Prompt(**arguments)
    assert isinstance(caught.value, SamError)


def test_sequences_become_arrays():
    prompt = Prompt(points_xy=[(1, 2), (3, 4)], labels=[1, 0], box_xyxy=[0, 0, 5, 5])
    assert prompt.points_xy.shape == (2, 2)
    assert prompt.labels.dtype == np.uint8
    assert prompt.box_xyxy.tolist() == [0.0, 0.0, 5.0, 5.0]


def test_a_prompt_keeps_its_own_points():
    points = np.array([(1.0, 2.0)])
    prompt = Prompt(points_xy=points, labels=[1])
    points[:] = NAN
    assert prompt.points_xy.tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize('text', ['mug'])
def test_text_alone_is_a_prompt(text):
    assert Prompt(text=text).points_xy.shape == (0, 2)


@pytest.mark.parametrize('point', [(-0.5, -0.5), (9.49, 4.49), (0, 0), (9, 4)])
def test_points_reach_to_the_outer_edges(point):
    Prompt([point], [1]).check_fits((10, 5))


@pytest.mark.parametrize('point', [(-0.51, 0), (9.5, 0), (0, 4.5), (0, -1), (1e9, 0)])
def test_points_outside_are_named(point):
    with pytest.raises(PromptError, match='outside the image of 10 x 5 px'):
        Prompt([point], [1]).check_fits((10, 5))


def test_a_box_may_reach_over_the_edge_but_not_lie_outside():
    Prompt(box_xyxy=(-3, -3, 2, 2)).check_fits((10, 5))
    with pytest.raises(PromptError, match='outside'):
        Prompt(box_xyxy=(10, 0, 12, 3)).check_fits((10, 5))


def test_a_mask_of_another_size_is_refused():
    with pytest.raises(PromptError, match='4 x 3 px but the image 10 x 5'):
        Prompt(mask=np.ones((3, 4), bool)).check_fits((10, 5))


@pytest.mark.parametrize('text', ['x' * 256, '\u676f' * 256, '\U0001f469\u200d\U0001f373'])
def test_a_name_is_taken_in_any_script(text):
    assert Prompt(text=text).text == text
