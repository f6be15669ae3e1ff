# SPDX-License-Identifier: Apache-2.0
"""The launch files start what they say; sam_launch_test.py is their twin for launch_testing."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml
from drawing import ball, click, scene
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from running_node import Tracking
from std_msgs.msg import Header

from sam_common.ros.conversions import array_to_image
from sam_common.ros.parameters import parameters_of
from sam_interfaces.srv import SegmentRequest, Track
from sam_segmentation.ros.parameters import SamNodeOptions

PACKAGE = Path(__file__).parent.parent


def request():
    image = array_to_image(scene(1), 'rgb8', Header())
    return SegmentRequest.Request(image=image, prompts=[click(20, 20)])


def parameter(ros, node, name):
    client = ros.client(GetParameters, f'{node}/get_parameters')
    [value] = ros.call(client, GetParameters.Request(names=[name])).values
    return value


def test_sam_launch_starts_the_node_in_its_namespace_and_stops_it(ros):
    launch = ros.start(
        'ros2', 'launch', 'sam_bringup', 'sam.launch.xml', 'namespace:=robot',
        'image_topic:=/cam/image', 'device:=cpu',
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    segment = ros.client(SegmentRequest, '/robot/sam/segment')
    assert ros.call(segment, request()).success
    ros.until(lambda: ros.node.count_subscribers('/cam/image'), 'the node to listen to the camera')
    assert parameter(ros, '/robot/sam', 'device').string_value == 'cpu'
    launch.send_signal(signal.SIGINT)
    output, _ = launch.communicate(timeout=20)
    assert launch.returncode == 0, output
    assert 'process has finished cleanly' in output


def test_a_parameter_file_of_the_user_is_taken(ros, tmp_path):
    file = tmp_path / 'mine.yaml'
    file.write_text('/**:\n  ros__parameters:\n    points_per_side: 7\n')
    ros.start('ros2', 'launch', 'sam_bringup', 'sam.launch.xml', f'params_file:={file}')
    segment = ros.client(SegmentRequest, '/sam/segment')
    assert ros.call(segment, request()).success
    assert parameter(ros, '/sam', 'points_per_side').integer_value == 7


def test_only_an_argument_that_was_given_wins_over_the_parameter_file(ros, tmp_path):
    file = tmp_path / 'mine.yaml'
    own = {'device': 'cpu', 'image_transport': 'compressed', 'checkpoint': '/of/the/file'}
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': own}}))
    ros.start(
        'ros2', 'launch', 'sam_bringup', 'sam.launch.xml', f'params_file:={file}',
        'checkpoint:=/my own/file',
    )  # fmt: skip
    assert parameter(ros, '/sam', 'image_transport').string_value == 'compressed'
    assert parameter(ros, '/sam', 'device').string_value == 'cpu'
    assert parameter(ros, '/sam', 'checkpoint').string_value == '/my own/file'
    assert parameter(ros, '/sam', 'model').string_value == 'grabcut'


def nodes_of(launch):
    """Return the pids of the nodes that a launch has started."""
    children = Path(f'/proc/{launch.pid}/task/{launch.pid}/children').read_text().split()
    return [pid for pid in children if 'sam_node' in Path(f'/proc/{pid}/cmdline').read_text()]


def test_the_node_comes_back_after_it_was_killed_and_tells_that_ids_are_gone(ros):
    launch = ros.start(
        'ros2', 'launch', 'sam_bringup', 'sam.launch.xml', 'image_topic:=/sam/image'
    )
    tracking = Tracking(ros, ball(80, 60))
    tracked = tracking.add(click(80, 60)).id
    assert [obj.id for obj in tracking.show().objects] == [tracked]
    [killed] = nodes_of(launch)
    os.kill(int(killed), signal.SIGKILL)
    ros.until(lambda: nodes_of(launch) not in ([], [killed]), 'the node to be started again')
    # What is sent before the new node is discovered goes to the dead one only: ask until answered.
    lost = Track.Request(command=Track.Request.REFINE, object_id=tracked, prompt=click(80, 60))
    asked = []

    def answer():
        tracking.camera.send()
        asked.append(tracking.client.call_async(lost))
        return next((future.result() for future in asked if future.done()), None)

    answer = ros.until(answer, 'an answer of the new node')
    while 'is inactive' in answer.message or 'unconfigured' in answer.message:
        answer = ros.call(tracking.client, lost)
    assert not answer.success
    assert f'object {tracked} is not tracked, and was not since the model' in answer.message
    assert 'ids of before are gone' in answer.message
    ros.until(
        lambda: tracking.camera.send() and tracking.ask('ADD', prompt=click(80, 60)).success,
        'an object to be added anew',
    )


def test_a_node_that_is_not_to_come_back_does_not(ros):
    launch = ros.start(
        'ros2', 'launch', 'sam_bringup', 'sam.launch.xml', 'respawn:=false',
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    ros.until(lambda: nodes_of(launch), 'the node to be started')
    os.kill(int(nodes_of(launch)[0]), signal.SIGKILL)
    output, _ = launch.communicate(timeout=20)
    assert 'process has died' in output


def test_every_parameter_is_described_to_ros(ros):
    ros.start_node('sam_segmentation.ros.sam_node')
    names = [parameter.name for parameter in parameters_of(SamNodeOptions)]
    listed = ros.call(ros.client(ListParameters, '/sam/list_parameters'), ListParameters.Request())
    assert set(names) <= set(listed.result.names)
    describe = ros.client(DescribeParameters, '/sam/describe_parameters')
    described = ros.call(describe, DescribeParameters.Request(names=names)).descriptors
    assert all(descriptor.description for descriptor in described)


@pytest.mark.parametrize('name', ['sam.launch.xml', 'demo.launch.xml'])
def test_launch_arguments_are_described(name):
    shown = subprocess.run(
        ['ros2', 'launch', 'sam_bringup', name, '--show-args'],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    for argument in ('model', 'checkpoint', 'device'):
        assert f"'{argument}':" in shown
    assert 'no description given' not in shown
