# SPDX-License-Identifier: Apache-2.0
"""~/track on a running node: every command, and what is wrong with a request."""

import sys
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from drawing import ball, click
from running_node import NODE, Tracking
from toy_tracker import BLUE, GREEN, RED, ToyTracker, frame

from sam_common.ros.conversions import mask_from_msg
from sam_interfaces.msg import ObjectMask, Prompt
from sam_interfaces.srv import Track
from sam_segmentation import Prompt as CorePrompt
from sam_segmentation import load_tracker
from sam_segmentation.evaluation.mask_metrics import mask_iou

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'
MAX_OBJECTS = 200
PICTURE = frame((RED, 4, 4), (GREEN, 30, 20), (BLUE, 50, 36))
ON_RED, ON_GREEN, ON_BLUE, ON_GREY = click(6, 6), click(32, 22), click(52, 38), click(20, 40)


@pytest.fixture(scope='module')
def node(module_ros):
    """A node whose tracker follows colours."""
    module_ros.start(
        sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=toy',
        '-p', f'max_objects:={MAX_OBJECTS}',
    )  # fmt: skip
    return Tracking(module_ros, PICTURE)


@pytest.fixture
def tracking(node):
    """The node, with a fresh image and nothing tracked."""
    assert node.ask('RESET').success
    node.send()
    return node


def test_a_prompt_before_the_first_frame_is_answered(ros):
    ros.start_node(NODE)
    client = ros.client(Track, '/sam/track')
    answer = ros.call(client, Track.Request(prompt=ON_RED))
    assert not answer.success
    assert 'no image has arrived yet' in answer.message
    answer = ros.call(client, Track.Request(command=Track.Request.LIST))
    assert (answer.success, answer.objects) == (True, [])


def test_objects_are_added_listed_corrected_and_removed(tracking):
    red = tracking.add(Prompt(points=ON_RED.points, labels=[1], text='cup'))
    assert (red.label, red.state, red.area) == ('cup', ObjectMask.VISIBLE, 64)
    np.testing.assert_array_equal(mask_from_msg(red.mask), (PICTURE == RED).all(axis=2))
    green = tracking.add(ON_GREEN)
    assert green.id == red.id + 1
    listed = tracking.ask('LIST')
    assert [(obj.id, obj.label, obj.area) for obj in listed.objects] == [
        (red.id, 'cup', 64), (green.id, '', 64),
    ]  # fmt: skip
    assert listed.objects[1].mask.header == tracking.results[-1].header

    [corrected] = tracking.ask('REFINE', object_id=red.id, prompt=ON_BLUE).objects
    assert (corrected.id, corrected.label) == (red.id, 'cup')
    np.testing.assert_array_equal(mask_from_msg(corrected.mask), (PICTURE == BLUE).all(axis=2))
    answer = tracking.ask('REMOVE', object_id=red.id)
    assert (answer.success, answer.objects) == (True, [])
    assert f'tracked are: {green.id}' in answer.message
    assert tracking.ids == [green.id]
    assert 'tracked are: none' in tracking.ask('RESET').message
    # Ids go on: whoever still speaks of an old one does not meet another object.
    assert tracking.add(ON_RED).id == green.id + 1


def test_an_id_can_be_asked_for(tracking):
    assert tracking.add(ON_RED, object_id=5000).id == 5000
    answer = tracking.ask('ADD', object_id=5000, prompt=ON_GREEN)
    assert not answer.success
    assert 'object id 5000 is tracked already' in answer.message
    answer = tracking.ask('ADD', object_id=65536, prompt=ON_GREEN)
    assert 'object id 65536 is out of range; give 1 to 65535' in answer.message
    assert tracking.ids == [5000]


def test_unknown_and_removed_ids_are_told_apart(tracking):
    kept, removed = tracking.add(ON_RED).id, tracking.add(ON_GREEN).id
    assert tracking.ask('REMOVE', object_id=removed).success
    for command in ('REMOVE', 'REFINE'):
        answer = tracking.ask(command, object_id=removed, prompt=ON_GREEN)
        assert not answer.success
        assert f'object {removed} is not tracked any more: it was removed' in answer.message
        assert f'tracked are: {kept};' in answer.message
        for unknown in (0, 64000, 2**32 - 1):
            answer = tracking.ask(command, object_id=unknown, prompt=ON_GREEN)
            assert not answer.success
            assert f'object {unknown} is not tracked, and was not since' in answer.message
    assert tracking.ids == [kept]


def test_an_unknown_command_is_answered_with_those_that_exist(tracking):
    answer = tracking.ask(99)
    assert not answer.success
    assert 'command 99 is unknown; use one of ADD (0), REFINE (1), REMOVE (2)' in answer.message


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({}, 'the prompt is empty'),
        ({'prompt': click(64, 6)}, 'point (64, 6) lies outside the image of 64 x 48 px'),
        ({'prompt': Prompt(text='cup')}, "reads no text ('cup')"),
        ({'prompt': ON_RED, 'stamp': Time(sec=12345)}, 'no frame with stamp 12345.000000000'),
    ],
)
@pytest.mark.parametrize('command', ['ADD', 'REFINE'])
def test_a_prompt_that_means_nothing_is_answered_and_changes_nothing(
    tracking, command, fields, reason
):
    added = tracking.add(ON_RED)
    if command == 'REFINE':
        fields = fields | {'object_id': added.id}
    answer = tracking.ask(command, **fields)
    assert not answer.success
    assert reason in answer.message
    assert tracking.ids == [added.id]


def test_two_hundred_objects_and_not_one_more(tracking):
    answers = []
    while len(answers) < MAX_OBJECTS:
        # More at once than this are more than a client of ROS keeps answers for.
        futures = [tracking.client.call_async(Track.Request(prompt=ON_RED)) for _ in range(10)]
        tracking.ros.until(lambda f=futures: all(one.done() for one in f), 'ten answers')
        answers += [future.result() for future in futures]
    assert all(answer.success for answer in answers)
    assert len({answer.objects[0].id for answer in answers}) == MAX_OBJECTS
    answer = tracking.ask('ADD', prompt=ON_RED)
    assert not answer.success
    assert f'max_objects is {MAX_OBJECTS}; remove some, or raise max_objects' in answer.message
    assert len(tracking.show().objects) == MAX_OBJECTS
    assert tracking.ask('REMOVE', object_id=answers[0].objects[0].id).success
    tracking.add(ON_BLUE)


def test_a_prompt_on_a_past_image_is_as_if_it_had_been_made_in_time(tracking):
    """The toy's score tells in how many frames it saw the object."""
    in_time = ToyTracker()
    tracking.add(ON_GREEN)
    headers = []
    for t in range(1, 8):
        picture = frame((RED, 4 + 3 * t, 4), (GREEN, 30, 20))
        headers.append(tracking.show(picture).header)
        in_time.step(picture)
        if t == 3:
            in_time.add(CorePrompt(points_xy=[(15, 6)], labels=[1]))
    added = tracking.add(click(15, 6), stamp=headers[2].stamp)
    [expected] = in_time.objects
    assert added.score == pytest.approx(expected.score)
    np.testing.assert_array_equal(mask_from_msg(added.mask), expected.mask)
    assert added.mask.header == headers[-1]
    # The green one again, but meant was the red one.
    answer = tracking.ask(
        'REFINE', object_id=added.id - 1, prompt=click(18, 6), stamp=headers[3].stamp
    )
    assert answer.objects[0].box == added.box


def test_a_click_on_a_past_image_leads_grabcut_to_the_object_of_now(ros):
    ros.start_node(NODE)
    tracking = Tracking(ros, ball(20, 60))
    in_time = load_tracker('grabcut')
    headers = []
    for t in range(8):
        headers.append(tracking.send(ball(30 + 5 * t, 60)))
        in_time.step(ball(30 + 5 * t, 60))
        if t == 2:
            in_time.add(CorePrompt(points_xy=[(40, 60)], labels=[1]))
    added = tracking.add(click(40, 60), stamp=headers[2].stamp)
    [expected] = in_time.objects
    assert added.id == expected.object_id == 1
    assert added.mask.header == headers[-1]
    assert mask_iou(mask_from_msg(added.mask), expected.mask) > 0.8
