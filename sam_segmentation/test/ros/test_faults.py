# SPDX-License-Identifier: Apache-2.0
"""What a camera, a subscriber or an operator may do to a node that tracks."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus
from drawing import ball, click
from lifecycle_msgs.msg import Transition
from running_node import NODE, Tracking, change_state, diagnosis, labels_of
from toy_tracker import RED, frame

from sam_interfaces.msg import ObjectMask
from sam_interfaces.srv import Track

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'
PICTURE = ball(80, 60)
NEVER_READS = """
import rclpy, time
from sam_interfaces.msg import ObjectMaskArray
from sensor_msgs.msg import Image
rclpy.init()
node = rclpy.create_node('never_reads')
node.create_subscription(ObjectMaskArray, '/sam/objects', print, 1)
node.create_subscription(Image, '/sam/mask_overlay', print, rclpy.qos.qos_profile_sensor_data)
print('ready', flush=True)
time.sleep(1000)
"""


@pytest.fixture(scope='module')
def node(module_ros):
    """A node with the default model, which keeps the images of some seconds."""
    module_ros.start_node(NODE, frame_buffer_size=300)
    return Tracking(module_ros, PICTURE)


@pytest.fixture
def tracked(node):
    """The node with one object, and the object's id as `tracked.id`."""
    assert node.ask('RESET').success
    node.send()
    node.id = node.add(click(80, 60)).id
    return node


def test_another_size_ends_tracking_and_is_told(tracked):
    header = tracked.camera.send(ball(40, 30, size_wh=(80, 60)))
    values = diagnosis(
        tracked.ros,
        'because the camera changed from 160 x 120 to 80 x 60 px',
        DiagnosticStatus.WARN,
        meanwhile=lambda: tracked.camera.send(ball(40, 30, size_wh=(80, 60))),
    )
    assert values['objects tracked'] == '0'
    assert 'the camera changed' in values['last reset']
    ros, results = tracked.ros, tracked.results
    ros.until(lambda: not results[-1].objects, 'an empty result')
    assert results[-1].header.stamp.sec >= header.stamp.sec
    assert not labels_of(results[-1]).any()
    answer = tracked.ask('REFINE', object_id=tracked.id, prompt=click(40, 30))
    assert not answer.success
    assert f'object {tracked.id} is not tracked any more: the tracker was reset' in answer.message
    assert 'add it anew' in answer.message
    again = tracked.add(click(40, 30))
    assert again.id > tracked.id
    assert (again.mask.width, again.mask.height) == (80, 60)


def test_another_encoding_is_the_same_picture(tracked):
    for pixels, encoding in (
        (PICTURE[..., ::-1], 'bgr8'),
        (np.dstack([PICTURE, PICTURE[..., :1]]), 'rgba8'),
        (PICTURE, 'rgb8'),
    ):
        [obj] = tracked.show(np.ascontiguousarray(pixels), encoding=encoding).objects
        assert (obj.id, obj.state) == (tracked.id, ObjectMask.VISIBLE)
        assert obj.area == pytest.approx(np.pi * 15**2, rel=0.2)


def test_an_unusable_frame_in_between_changes_nothing(tracked):
    tracked.show()
    depth = np.zeros((120, 160), np.uint16)
    diagnosis(
        tracked.ros,
        "encoding '16UC1' cannot be used",
        DiagnosticStatus.ERROR,
        meanwhile=lambda: tracked.camera.send(depth, encoding='16UC1'),
    )
    assert [obj.id for obj in tracked.show().objects] == [tracked.id]


def test_black_frames_hide_the_object_and_its_id_stays(tracked):
    tracked.show()
    black = np.zeros_like(PICTURE)
    for _ in range(4):
        [obj] = tracked.show(black).objects
    assert obj.id == tracked.id
    assert obj.state != ObjectMask.VISIBLE
    assert not labels_of(tracked.results[-1]).any()
    # Back again, under the same id.
    ros = tracked.ros
    ros.until(
        lambda: tracked.show().objects[0].state == ObjectMask.VISIBLE, 'the object to be back'
    )
    assert tracked.ids == [tracked.id]


def test_a_camera_that_stops_and_comes_back_finds_its_objects(tracked):
    tracked.show()
    diagnosis(tracked.ros, 'no images on /sam/image', DiagnosticStatus.WARN)
    assert tracked.ids == [tracked.id]
    [obj] = tracked.show().objects
    assert (obj.id, obj.state) == (tracked.id, ObjectMask.VISIBLE)


def test_a_repeated_stamp_is_the_same_frame(tracked):
    message = tracked.show()
    values = diagnosis(
        tracked.ros,
        'tracking',
        meanwhile=lambda: tracked.camera.send(stamp=message.header.stamp),
    )
    assert int(values['frames with a repeated stamp']) > 0
    assert tracked.results[-1].header == message.header
    assert [obj.id for obj in tracked.show().objects] == [tracked.id]


def test_an_odd_frame_costs_nothing_and_is_counted(tracked):
    def figures():
        values = diagnosis(tracked.ros, 'tracking', meanwhile=tracked.camera.send)
        names = 'tracker resets', 'frames with an odd stamp', 'frames of an odd size'
        return np.array([int(values[name]) for name in names])

    tracked.show()
    before = figures()
    for seconds, nanoseconds, pixels in (
        (2**30, 0, None),
        (-(2**30), 0, None),
        (-1, 999_000_000, None),
        (0, 5, np.zeros((2, 2, 3), np.uint8)),
    ):
        stamp = Time(sec=tracked.camera.sent + seconds, nanosec=nanoseconds)
        header = tracked.send(pixels, stamp=stamp)
        assert [obj.id for obj in tracked.show().objects] == [tracked.id]
        answer = tracked.ask('ADD', prompt=click(80, 60), stamp=header.stamp)
        assert 'was skipped' in answer.message
    resets, stamps, sizes = figures() - before
    # What was lost on the way was sent again.
    assert (resets, stamps >= 3, sizes >= 1) == (0, True, True)
    assert tracked.ids == [tracked.id]


def test_stamps_that_go_back_end_tracking_and_are_told(tracked):
    tracked.show()
    late = tracked.camera.sent
    diagnosis(
        tracked.ros,
        f'because the stamps went back from {late}.000000000',
        DiagnosticStatus.WARN,
        meanwhile=lambda: tracked.camera.send(stamp=Time(sec=1)),
    )
    answer = tracked.ask('REMOVE', object_id=tracked.id)
    assert f'object {tracked.id} is not tracked any more: the tracker was res' in answer.message
    # An image of before, though buffered still, is none of this time.
    answer = tracked.ask('ADD', prompt=click(80, 60), stamp=Time(sec=late))
    assert 'came before the stamps went back' in answer.message
    assert tracked.add(click(80, 60)).id > tracked.id


def test_a_subscriber_that_never_reads_holds_up_nobody(tracked):
    ros = tracked.ros
    reader = ros.start(sys.executable, '-c', NEVER_READS, stdout=subprocess.PIPE)
    try:
        assert reader.stdout.readline().strip() == 'ready'
        ros.until(lambda: ros.node.count_subscribers('/sam/objects') == 2, 'two subscribers')
        for number in range(40):
            if number == 10:
                # Now it does not even acknowledge.
                reader.send_signal(signal.SIGSTOP)
            assert [obj.id for obj in tracked.show().objects] == [tracked.id]
    finally:
        reader.kill()
        reader.wait()
    assert [obj.id for obj in tracked.show().objects] == [tracked.id]


@pytest.mark.parametrize('transition', ['DEACTIVATE', 'CLEANUP'])
def test_a_catch_up_that_the_node_does_not_finish_is_answered(ros, transition):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=slow')
    picture = frame((RED, 4, 4))
    tracking = Tracking(ros, picture)
    headers = [tracking.send() for _ in range(10)]
    request = Track.Request(prompt=click(6, 6), stamp=headers[0].stamp)
    futures = [tracking.client.call_async(request) for _ in range(3)]
    waiting = lambda: int(diagnosis(ros, '')['requests waiting'])  # noqa: E731
    ros.until(lambda: waiting() > 1, 'the requests to be at work')
    assert change_state(ros, Transition.TRANSITION_DEACTIVATE)
    if transition == 'CLEANUP':
        assert change_state(ros, Transition.TRANSITION_CLEANUP)
    ros.until(lambda: all(future.done() for future in futures), 'the answers')
    # How far each of them was just then, nobody can know: done, at work, or still to begin. An
    # inactive node finishes what is at work, and has no images for what is still to begin.
    refusals = ['no image has arrived']
    if transition == 'CLEANUP':
        refusals.append('the node was deactivated')
    answers = [future.result() for future in futures]
    for answer in answers:
        assert answer.success or any(words in answer.message for words in refusals), answer.message
    # Several were at work for seconds to come: one at least is finished, or broken off.
    assert any(
        answer.success if transition == 'DEACTIVATE' else refusals[-1] in answer.message
        for answer in answers
    )
    if transition == 'CLEANUP':
        assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    answer = tracking.ask('LIST')
    assert not answer.success
    assert 'the node is inactive' in answer.message
    assert change_state(ros, Transition.TRANSITION_ACTIVATE)
    tracking.send()
    assert tracking.add(click(6, 6)).area == 64
