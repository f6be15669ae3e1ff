# SPDX-License-Identifier: Apache-2.0
"""Clicks and detections on a running node add objects."""

import math
import sys
from pathlib import Path

import pytest
import rclpy
from diagnostic_msgs.msg import DiagnosticStatus
from drawing import click
from geometry_msgs.msg import Point, PointStamped, TransformStamped
from running_node import Tracking, diagnosis
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from tf2_ros import TransformBroadcaster
from toy_tracker import BLUE, GREEN, RED, frame
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam_common.ros.conversions import box_to_msg
from sam_segmentation.core.errors import PromptError
from sam_segmentation.ros.prompt_topics import MAX_TF_WAITS, PromptTopics
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'
PICTURE = frame((RED, 4, 4), (GREEN, 30, 20), (BLUE, 50, 36))


@pytest.fixture(scope='module')
def node(module_ros):
    """A node whose tracker follows colours, and a publisher for each topic that it hears."""
    ros = module_ros
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=toy', '-p', 'max_objects:=4')
    tracking = Tracking(ros, PICTURE)
    publish = ros.node.create_publisher
    tracking.clicks = publish(Point, '/sam/click', 5)
    tracking.points = publish(PointStamped, '/sam/clicked_point', 5)
    tracking.detections = publish(Detection2DArray, '/sam/prompt_detections', 5)
    # Whether it hears them all: bad ones are told of in the diagnostics.
    bad = [Detection2D()]
    for send, sign in (
        (lambda: tracking.clicks.publish(Point(x=999.0)), '(999, 0) lies outside'),
        (lambda: tracking.points.publish(PointStamped()), 'no camera_info has arrived'),
        (lambda: tracking.detections.publish(Detection2DArray(detections=bad)), 'no area'),
    ):
        diagnosis(ros, sign, meanwhile=lambda send=send: (send(), tracking.camera.send()))
    return tracking


@pytest.fixture
def tracking(node):
    assert node.ask('RESET').success
    node.send()
    return node


def detections(*named, stamp=None):
    message = Detection2DArray()
    if stamp is not None:
        message.header.stamp = stamp
    for x, y, *classes in named:
        results = []
        for name, score in classes:
            result = ObjectHypothesisWithPose()
            result.hypothesis.class_id, result.hypothesis.score = name, score
            results.append(result)
        box = box_to_msg((x - 0.5, y - 0.5, x + 7.5, y + 7.5))
        message.detections.append(Detection2D(results=results, bbox=box))
    return message


def published(tracking, labels):
    """Wait for a result with objects of these labels, and return them."""

    def found():
        tracking.camera.send()
        objects = tracking.results[-1].objects if tracking.results else []
        return [obj.label for obj in objects] == labels and objects

    return tracking.ros.until(found, f'objects called {labels}')


def test_every_click_adds_an_object_on_the_newest_image(tracking):
    tracking.clicks.publish(Point(x=6.0, y=6.0))
    [red] = published(tracking, [''])
    tracking.clicks.publish(Point(x=32.0, y=22.0))
    objects = published(tracking, ['', ''])
    assert [obj.id for obj in objects] == [red.id, red.id + 1]
    assert objects[1].box == box_to_msg((29.5, 19.5, 37.5, 27.5))


@pytest.fixture
def optical(tracking):
    """A publisher of camera_info, and its message."""
    height, width = PICTURE.shape[:2]
    k = [100.0, 0.0, 32.0, 0.0, 100.0, 22.0, 0.0, 0.0, 1.0]
    info = CameraInfo(k=k, width=width, height=height)
    info.header.frame_id = 'optical'
    publisher = tracking.ros.node.create_publisher(CameraInfo, '/sam/camera_info', 5)

    def publish(**changed):
        for name, value in changed.items():
            setattr(info, name, value)
        publisher.publish(info)

    return publish


def clicked(frame_id, x=0.0, y=0.0, z=0.0):
    point = PointStamped()
    point.header.frame_id = frame_id
    point.point.x, point.point.y, point.point.z = x, y, z
    return point


def test_a_point_clicked_in_metres_is_projected(tracking, optical):
    def clicked_in_front():
        optical()
        tracking.points.publish(clicked('optical', z=-1.0))
        tracking.camera.send()

    diagnosis(tracking.ros, 'not in front of the camera', meanwhile=clicked_in_front)
    tracking.points.publish(clicked('optical', z=2.0))
    [obj] = published(tracking, [''])
    assert obj.box == box_to_msg((29.5, 19.5, 37.5, 27.5))


def test_a_point_clicked_in_metres_is_projected_by_a_fisheye(tracking, optical):
    # 45 degrees off the axis: a pinhole with this K would see it 50 px to the right, at x = 50.
    k = [100.0, 0.0, -50.0, 0.0, 100.0, 22.0, 0.0, 0.0, 1.0]
    fisheye = {'k': k, 'distortion_model': 'equidistant', 'd': [0.1, 0.0, 0.0, 0.0]}

    def clicked_behind():
        optical(**fisheye)
        tracking.points.publish(clicked('optical', z=-1.0))
        tracking.camera.send()

    diagnosis(tracking.ros, 'not in front of the camera', meanwhile=clicked_behind)
    tracking.points.publish(clicked('optical', x=1.0, z=1.0))
    [obj] = published(tracking, [''])
    assert obj.box == box_to_msg((29.5, 19.5, 37.5, 27.5))


def test_a_point_clicked_in_another_frame_is_taken_to_the_camera_by_tf(tracking, optical):
    def send():
        optical()
        tracking.points.publish(clicked('map', x=1.0, z=5.0))
        tracking.camera.send()

    diagnosis(
        tracking.ros, "TF from 'map' to 'optical' is not known", DiagnosticStatus.WARN,
        meanwhile=send,
    )  # fmt: skip
    assert tracking.ids == []
    # The camera looks along the map's x axis, from beside the point: its z is the map's x, its x
    # the map's -y, its y the map's -z.
    tf = TransformStamped(child_frame_id='optical')
    tf.header.frame_id = 'map'
    place, turn = tf.transform.translation, tf.transform.rotation
    place.x, place.z = -1.0, 5.0
    turn.x, turn.y, turn.z, turn.w = -0.5, 0.5, -0.5, 0.5
    broadcaster = TransformBroadcaster(tracking.ros.node)
    picture_header = tracking.send()
    # TF comes after the click, and is that of the image's time.
    tracking.points.publish(clicked('map', x=1.0, z=5.0))
    tf.header.stamp = picture_header.stamp
    broadcaster.sendTransform(tf)

    def added():
        tracking.points.publish(clicked('map', x=1.0, z=5.0))
        broadcaster.sendTransform(tf)
        return tracking.ids

    tracking.ros.until(added, 'the object at the point')
    objects = tracking.show().objects
    assert objects[0].box == box_to_msg((29.5, 19.5, 37.5, 27.5))


def test_a_detection_adds_an_object_or_names_one_that_is_tracked(tracking):
    red = tracking.add(click(6, 6))
    found = detections((5, 4, ('ball', 0.4), ('apple', 0.8)), (30, 20, ('box', 0.9)), (50, 36))
    for _ in range(5):  # a detector repeats itself
        tracking.detections.publish(found)
    objects = published(tracking, ['apple', 'box', ''])
    assert [obj.id for obj in objects] == [red.id, red.id + 1, red.id + 2]
    tracking.detections.publish(found)
    tracking.clicks.publish(Point(x=6.0, y=6.0))  # heard after the detections
    published(tracking, ['apple', 'box', '', ''])


def test_detections_that_come_while_one_is_caught_up_with_do_not_add_it_again(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=slow')
    tracking = Tracking(ros, PICTURE)
    publisher = ros.node.create_publisher(Detection2DArray, '/sam/prompt_detections', 5)
    bad = Detection2DArray(detections=[Detection2D()])
    diagnosis(ros, 'no area', meanwhile=lambda: (publisher.publish(bad), tracking.camera.send()))
    headers = [tracking.send() for _ in range(3)]
    for header in headers:
        publisher.publish(detections((4, 4), stamp=header.stamp))
    published(tracking, [''])
    done = int(diagnosis(ros, 'tracking', meanwhile=tracking.camera.send)['frames tracked'])
    tracking.camera.send_until(lambda: len(tracking.results) > done + 3, 'further results')
    assert len(tracking.ids) == 1


def test_a_detection_is_for_the_image_of_its_stamp(tracking):
    headers = [tracking.send(frame((RED, 4 + 6 * t, 4))) for t in range(6)]
    tracking.camera.pixels = frame((RED, 34, 4))
    tracking.detections.publish(detections((10, 4, ('ball', 1.0)), stamp=headers[1].stamp))
    [obj] = published(tracking, ['ball'])
    tracking.camera.pixels = PICTURE
    assert obj.box == box_to_msg((33.5, 3.5, 41.5, 11.5))


def test_of_more_detections_than_may_be_tracked_the_best_are(tracking):
    corners = ((4, 4), (30, 20), (50, 36), (4, 30), (20, 4), (40, 4))
    best = (1, 2, 4, 5)
    message = detections(
        *[(x, y, (f'{number}', 0.9 if number in best else 0.2))
          for number, (x, y) in enumerate(corners)]
    )  # fmt: skip
    tracking.detections.publish(message)
    published(tracking, ['1', '2', '4', '5'])
    diagnosis(
        tracking.ros, '2 of 6 detections left out; number 1: 0 objects are tracked and 6 more '
        'were asked for, but max_objects is 4', DiagnosticStatus.WARN,
        meanwhile=tracking.camera.send,
    )  # fmt: skip
    # It is told until a prompt comes to something.
    assert tracking.ask('RESET').success
    tracking.detections.publish(detections((4, 4)))
    published(tracking, [''])
    diagnosis(tracking.ros, 'tracking', meanwhile=tracking.camera.send)


def test_a_bad_detection_costs_none_beside_it(tracking):
    before = int(
        diagnosis(tracking.ros, '', meanwhile=tracking.camera.send)['detections left out']
    )
    good = detections(
        (4, 4, ('ball', 0.9)), (30, 20, ('box', 0.2)), (50, 36, ('cup', float('nan')))
    )
    good.detections[1].bbox.center.theta = math.pi / 2
    bad = detections(*[(20, 20, ('x', 1.0))] * 8)
    boxes = [detection.bbox for detection in bad.detections]
    boxes[0].size_x = boxes[0].size_y = 0.0
    boxes[1].size_x = math.nan
    boxes[2].center.position.x = math.inf
    boxes[3].center.theta = math.inf
    boxes[4].size_y = -5.0
    boxes[5].center.position.x = 9e9
    bad.detections[6].results[0].hypothesis.class_id = 'x' * 1_000_000
    bad.detections[7].results[0].hypothesis.class_id = 'two\nlines'
    first, *others = good.detections
    tracking.detections.publish(
        Detection2DArray(detections=[first, *bad.detections[:4], *others, *bad.detections[4:]])
    )
    published(tracking, ['ball', 'box', 'cup'])
    values = diagnosis(
        tracking.ros, '8 of 11 detections left out; number 2: its box is 0 x 0 px',
        DiagnosticStatus.WARN, meanwhile=tracking.camera.send,
    )  # fmt: skip
    assert int(values['detections left out']) == before + 8


def test_neither_a_bug_nor_a_flood_of_points_holds_up_later_prompts(ros):
    rclpy.init(args=[], domain_id=ros.domain)
    node = rclpy.create_node('prompted')
    errors = [ZeroDivisionError('a bug'), PromptError('none'), PromptError('none')]

    def active():
        raise errors.pop(0)

    prompts = PromptTopics(node, active, lambda: None)
    with pytest.raises(ZeroDivisionError):
        prompts._on_detections(Detection2DArray())
    for _ in range(2):
        prompts._on_detections(Detection2DArray())
    assert not errors
    prompts._on_camera_info(CameraInfo(header=Header(frame_id='optical')))
    buffer = FrameBuffer(1)
    buffer.add(Frame(1, Header(), lambda: None))
    prompts._active = lambda: (None, buffer)
    before = len(list(node.timers))
    for _ in range(3 * MAX_TF_WAITS):
        prompts._on_clicked_point(PointStamped(header=Header(frame_id='nowhere')))
    assert len(list(node.timers)) == before + MAX_TF_WAITS
    prompts.close()
    assert not list(node.timers)
    node.destroy_node()
    rclpy.try_shutdown()
