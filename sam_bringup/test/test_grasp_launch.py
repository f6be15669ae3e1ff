# SPDX-License-Identifier: Apache-2.0
"""grasp.launch.xml gives masks and grasps; grasp_launch_test.py is its twin for launch_testing."""

import signal
import subprocess
from pathlib import Path

import numpy as np
import yaml
from drawing import click
from rcl_interfaces.srv import DescribeParameters, GetParameters, ListParameters
from rclpy.qos import qos_profile_sensor_data

from sam_common.ros.parameters import parameters_of
from sam_grasping.ros.parameters import GraspNodeOptions
from sam_interfaces.msg import GraspArray, ObjectMaskArray
from sam_interfaces.srv import PlanGrasps, Track

PACKAGE = Path(__file__).parent.parent
ARGUMENTS = (
    'model', 'checkpoint', 'device', 'image_topic', 'camera_info_topic', 'image_transport',
    'depth_topic', 'depth_info_topic', 'depth_transport', 'target_frame', 'continuous',
    'params_file', 'grasp_params_file', 'respawn', 'namespace', 'rviz',
)  # fmt: skip


def launch(ros, *arguments):
    return ros.start(
        'ros2', 'launch', 'sam_bringup', 'grasp.launch.xml', *arguments,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def parameter(ros, node, name):
    client = ros.client(GetParameters, f'{node}/get_parameters')
    [value] = ros.call(client, GetParameters.Request(names=[name])).values
    return value


def test_one_launch_takes_the_camera_to_grasps_in_the_frame_that_is_asked_for(ros):
    """As a user has it: the simulated camera's topics are those of the launch file."""
    process = launch(ros, 'namespace:=robot', 'target_frame:=world', 'continuous:=true')
    ros.start_node('sam_simulation.ros.camera_node', seed=2, rate_hz=4.0, width=320, height=240,
                   moving=False)  # fmt: skip
    truths = ros.listen(ObjectMaskArray, '/camera/ground_truth', qos_profile_sensor_data)
    plan = ros.client(PlanGrasps, '/robot/sam_grasping/plan')
    ros.until(lambda: truths, 'a frame of the camera')
    truth = max(truths[-1].objects, key=lambda obj: obj.area)
    labels = np.frombuffer(truths[-1].label_image.data, np.uint16).reshape(240, 320)
    mask = labels == truth.id
    # By prompt, which the other node makes a mask of.
    rows, columns = np.nonzero(mask)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    prompt = click(columns[middle], rows[middle])
    asked = []

    def answered():
        if not asked or asked[-1].done():
            asked.append(plan.call_async(PlanGrasps.Request(prompt=prompt)))
        return next((f.result() for f in asked if f.done() and f.result().success), None)

    answer = ros.until(answered, 'grasps for a click', timeout_s=60)
    assert answer.grasps.header.frame_id == 'world'
    # Above the table, which is the world's plane z = 0.
    assert all(-0.01 < grasp.pose.position.z < 0.4 for grasp in answer.grasps.grasps)
    assert all(
        grasp.lift.position.z > grasp.pose.position.z + 0.17 for grasp in answer.grasps.grasps
    )
    # By id, as it is tracked.
    followed = ros.listen(GraspArray, '/robot/sam_grasping/grasps')
    track = ros.client(Track, '/robot/sam/track')
    added = ros.call(track, Track.Request(prompt=prompt))
    assert added.success, added.message
    object_id = added.objects[0].id
    ros.until(
        lambda: any(g.object_id == object_id for array in followed for g in array.grasps),
        'grasps that follow the object',
    )
    answer = ros.call(plan, PlanGrasps.Request(object_id=object_id))
    assert answer.success, answer.message
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0, output
    assert output.count('process has finished cleanly') == 2, output


def test_topics_and_transport_are_arguments(ros, tmp_path):
    file = tmp_path / 'mine.yaml'
    own = {'max_width_m': 0.05, 'table_plane': [], 'target_frame': 'base', 'continuous': True}
    file.write_text(yaml.safe_dump({'/**': {'ros__parameters': own | {'depth_transport': 'raw'}}}))
    launch(
        ros, 'depth_topic:=/cam/depth', 'depth_info_topic:=/cam/depth_info',
        'depth_transport:=compressedDepth', 'image_topic:=/cam/image',
        f'grasp_params_file:={file}',
    )  # fmt: skip
    for topic in ('/cam/depth/compressedDepth', '/cam/depth_info', '/sam/objects'):
        ros.until(lambda topic=topic: ros.node.count_subscribers(topic), f'who listens to {topic}')
    ros.until(lambda: ros.node.count_subscribers('/cam/image'), 'the other node to listen')
    assert parameter(ros, '/sam_grasping', 'max_width_m').double_value == 0.05
    # Given by the file, and not by an argument.
    assert parameter(ros, '/sam_grasping', 'target_frame').string_value == 'base'
    assert parameter(ros, '/sam_grasping', 'continuous').bool_value


def test_the_node_takes_its_whole_parameter_file_and_describes_each(ros):
    ros.start(
        'ros2', 'run', 'sam_grasping', 'grasp_node', '--ros-args', '--params-file',
        PACKAGE / 'config' / 'grasp.yaml',
    )  # fmt: skip
    names = [parameter.name for parameter in parameters_of(GraspNodeOptions)]
    listing = ros.client(ListParameters, '/sam_grasping/list_parameters')
    assert set(names) <= set(ros.call(listing, ListParameters.Request()).result.names)
    describe = ros.client(DescribeParameters, '/sam_grasping/describe_parameters')
    described = ros.call(describe, DescribeParameters.Request(names=names)).descriptors
    assert len(described) == len(names)
    for parameter_, descriptor in zip(parameters_of(GraspNodeOptions), described, strict=True):
        assert descriptor.description
        ranged = descriptor.floating_point_range or descriptor.integer_range
        is_number = isinstance(parameter_.default, (int, float))
        assert bool(ranged) == (is_number and not isinstance(parameter_.default, bool))


def test_launch_arguments_are_described():
    shown = subprocess.run(
        ['ros2', 'launch', 'sam_bringup', 'grasp.launch.xml', '--show-args'],
        capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    for argument in ARGUMENTS:
        assert f"'{argument}':" in shown
    assert 'no description given' not in shown


def topics_in(part):
    """Return every topic that an RViz configuration names."""
    if isinstance(part, list):
        return {topic for item in part for topic in topics_in(item)}
    if not isinstance(part, dict):
        return set()
    own = {part['Value']} if 'Reliability Policy' in part and 'Value' in part else set()
    named = {value for key, value in part.items() if key.endswith(' Topic')}
    return own | named | {topic for item in part.values() for topic in topics_in(item)}


def test_rviz_shows_what_the_nodes_publish():
    config = yaml.safe_load((PACKAGE / 'config' / 'grasp.rviz').read_text())
    topics = topics_in(config)
    assert topics == {
        '/sam/mask_overlay',
        '/sam/clicked_point',
        '/sam_grasping/object_points',
        '/sam_grasping/markers',
        '/sam_grasping/grasp_poses',
        '/camera/color/image_raw',
        '/camera/aligned_depth_to_color/image_raw',
    }
