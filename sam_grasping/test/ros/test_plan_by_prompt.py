# SPDX-License-Identifier: Apache-2.0
"""A prompt becomes a mask by a real `sam_node`, and the mask grasps."""

import sys

import numpy as np
import pytest
import rclpy
from builtin_interfaces.msg import Time
from drawing import click
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from tabletop_camera import BALL, BOX, DEPTH_M, IDS, NODE, TabletopCamera, camera_info
from tabletop_camera import depth_image as depth_msg

from sam_common.ros.conversions import array_to_image, box_to_msg
from sam_interfaces.msg import Prompt
from sam_interfaces.srv import PlanGrasps, SegmentRequest

SEGMENT = ('-r', '~/segment:=/sam/segment', '-r', '~/objects:=/sam/objects')


def picture():
    """Return what a colour camera sees of the scene, uint8 (H, W, 3)."""
    colours = np.array([[90, 90, 90], [150, 140, 130], [200, 40, 30], [30, 80, 200]])
    noise = np.random.default_rng(1).normal(0, 3, (*IDS.shape, 3))
    return np.clip(colours[IDS] + noise, 0, 255).astype(np.uint8)


def middle(object_id):
    rows, columns = np.nonzero(object_id == IDS)
    return float(columns.mean()), float(rows.mean())


class RgbdCamera(TabletopCamera):
    """Publishes colour too, for sam_node."""

    def __init__(self, ros):
        super().__init__(ros)
        self.colour = ros.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)
        self.segment = ros.client(SegmentRequest, '/sam/segment')

    def send_colour(self, header):
        request = SegmentRequest.Request(stamp=header.stamp, prompts=[click(5, 5)])

        def arrived():
            self.colour.publish(array_to_image(picture(), 'rgb8', header))
            return self.ros.call(self.segment, request).success

        self.ros.until(arrived, 'the colour image to arrive')


@pytest.fixture(scope='module')
def camera(module_ros):
    """Both nodes before one camera."""
    module_ros.start_node('sam_segmentation.ros.sam_node')
    module_ros.start(
        sys.executable, '-m', NODE, '--ros-args', '-p', 'depth_timeout_s:=5.0', *SEGMENT
    )
    camera = RgbdCamera(module_ros)
    # Until the one has seen the other.
    header = camera.send()
    camera.send_colour(header)
    module_ros.until(
        lambda: 'which nobody offers' not in camera.ask(prompt=click(*middle(BOX))).message,
        'the nodes to find each other',
    )
    return camera


@pytest.mark.parametrize('kind', ['click', 'box'])
@pytest.mark.parametrize('object_id', [BOX, BALL])
def test_what_is_pointed_at_is_grasped(camera, kind, object_id):
    header = camera.send()
    camera.send_colour(header)
    prompt = click(*middle(object_id))
    if kind == 'box':
        rows, columns = np.nonzero(object_id == IDS)
        prompt = Prompt(box=box_to_msg((columns.min(), rows.min(), columns.max(), rows.max())))
    answer = camera.ask(prompt=prompt)
    assert answer.success, answer.message
    assert answer.grasps.header == header
    # It is there that the fingers close.
    position = answer.grasps.grasps[0].pose.position
    rows, columns = np.nonzero(object_id == IDS)
    at = np.median(DEPTH_M[rows, columns])
    assert abs(position.z - at) < 0.06


def test_the_depth_image_of_the_picture_that_was_segmented_is_taken(camera):
    header = camera.send()
    camera.send_colour(header)
    # Depth goes on, colour does not.
    camera.send(np.full_like(DEPTH_M, np.nan))
    answer = camera.ask(prompt=click(*middle(BOX)))
    assert answer.success, answer.message
    assert answer.grasps.header == header
    # Colour goes on, depth comes late.
    late = camera.next_header()
    camera.send_colour(late)
    future = camera.client.call_async(PlanGrasps.Request(prompt=click(*middle(BOX))))

    def answered():
        camera.info.publish(camera_info(header=late))
        camera.depth.publish(depth_msg(header=late))
        return future.done()

    camera.ros.until(answered, 'the answer after the depth image')
    assert future.result().success, future.result().message
    assert future.result().grasps.header == late


def test_what_the_segmenter_refuses_is_told_of(camera):
    camera.send_colour(camera.send())
    message = camera.ask(prompt=click(5000, 3)).message
    assert '/sam/segment found nothing' in message
    assert 'outside' in message
    message = camera.ask(prompt=Prompt(text='mug')).message
    assert '/sam/segment found nothing' in message
    assert 'text' in message
    message = camera.ask(prompt=click(*middle(BOX)), stamp=Time(sec=77777)).message
    assert 'no frame with stamp 77777.000000000 is buffered' in message


def test_a_segmenter_that_never_answers_is_given_up(ros):
    def on_request(_, response):
        raise AssertionError('it should not be spun')

    # Offered, but its node never spins.
    silent = rclpy.create_node('silent', context=ros._context)
    silent.create_service(SegmentRequest, '/sam/segment', on_request)
    ros.start(sys.executable, '-m', NODE, '--ros-args', '-p', 'segment_timeout_s:=0.3', *SEGMENT)
    camera = TabletopCamera(ros)
    camera.send()
    ros.until(
        lambda: (
            '/sam/segment has not answered within 0.3 s'
            in camera.ask(prompt=click(*middle(BOX))).message
        ),
        'the silence to be told of',
    )
    silent.destroy_node()
