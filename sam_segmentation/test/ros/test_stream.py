# SPDX-License-Identifier: Apache-2.0
"""The stream of a running node: what is published, and why when nothing is."""

import sys
import time
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticStatus
from drawing import ball, click, scene
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from running_node import NODE, Camera, Tracking, diagnosis, labels_of, request
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from sam_common.ros.conversions import array_to_image, mask_from_msg
from sam_interfaces.msg import ObjectMask, ObjectMaskArray
from sam_interfaces.srv import SegmentRequest, Track
from sam_segmentation import Prompt, load_segmenter
from sam_segmentation.core.overlay import colour_of

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'


def test_a_tracked_object_is_published_on_every_topic_until_it_is_removed(ros):
    ros.start_node(NODE)
    tracking = Tracking(ros, ball(80, 60))
    objects, camera = tracking.results, tracking.camera
    masks = ros.listen(Image, '/sam/mask', qos_profile_sensor_data)
    overlays = ros.listen(Image, '/sam/mask_overlay', qos_profile_sensor_data)
    detections = ros.listen(Detection2DArray, '/sam/detections')
    prompt = click(80, 60)
    prompt.text = 'ball'
    added = tracking.add(prompt)
    everything = (objects, masks, overlays, detections)
    camera.send_until(lambda: all(len(received) > 3 for received in everything), 'four of each')
    message = tracking.show()
    [obj] = message.objects
    labels = labels_of(message)
    assert set(np.unique(labels)) == {0, obj.id}
    assert (obj.id, obj.label, obj.state) == (added.id, 'ball', ObjectMask.VISIBLE)
    assert obj.area == np.count_nonzero(labels) > 0
    assert len(obj.mask.data) == 0
    assert message.header.frame_id == 'optical'
    assert message.label_image.header == message.header
    assert (message.model, message.label_image.encoding) == ('grabcut', 'mono16')
    for received in everything:
        ros.until(lambda r=received: r[-1].header == message.header, 'the same frame')
    np.testing.assert_array_equal(mask_from_msg(masks[-1]), labels != 0)
    [detection] = detections[-1].detections
    assert detection.bbox == obj.box
    assert (detection.id, detection.results[0].hypothesis.class_id) == (str(obj.id), 'ball')
    overlay = np.frombuffer(overlays[-1].data, np.uint8).reshape(*labels.shape, 3)
    outline = (overlay == colour_of(obj.id)).all(axis=2)
    assert outline.any()
    assert overlays[-1].encoding == 'rgb8'
    stamps = [received.header.stamp.sec for received in objects]
    assert stamps == sorted(stamps)

    assert tracking.ask('REMOVE', object_id=obj.id).success
    ros.until(lambda: not objects[-1].objects, 'an empty result')
    assert not labels_of(objects[-1]).any()
    before = len(objects)
    values = diagnosis(ros, 'ready; nothing is tracked', meanwhile=camera.send)
    assert values['objects tracked'] == '0'
    assert len(objects) == before


def test_what_is_not_surely_seen_is_listed_but_not_shown(ros):
    ros.start_node(NODE, confidence_threshold=1.0)
    tracking = Tracking(ros, ball(80, 60))
    overlays = ros.listen(Image, '/sam/mask_overlay', qos_profile_sensor_data)
    detections = ros.listen(Detection2DArray, '/sam/detections')
    added = tracking.add(click(80, 60))
    assert 0 < added.score < 1
    assert added.area > 0
    message = tracking.show()
    [obj] = message.objects
    assert (obj.id, obj.area, obj.box.size_x) == (added.id, 0, 0.0)
    assert obj.score > 0
    assert not labels_of(message).any()
    tracking.camera.send_until(lambda: overlays and detections, 'the other topics')
    assert detections[-1].detections == []


def test_an_object_that_nobody_sees_any_more_is_occluded_then_lost_and_comes_back(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=toy', '-p', 'lost_after:=4')
    square = np.full((48, 64, 3), 90, np.uint8)
    square[20:28, 30:38] = (200, 0, 0)
    tracking = Tracking(ros, square)
    added = tracking.add(click(33, 23))
    overlays = ros.listen(Image, '/sam/mask_overlay', qos_profile_sensor_data)
    tracking.camera.send_until(lambda: overlays, 'an overlay')
    black = np.zeros_like(square)
    states = [tracking.show(black).objects[0].state for _ in range(6)]
    assert states[0] == ObjectMask.OCCLUDED
    assert states[-1] == ObjectMask.LOST
    message = tracking.results[-1]
    assert (message.objects[0].box.size_x, message.objects[0].area) == (0.0, 0)
    values = diagnosis(ros, 'tracking', meanwhile=lambda: tracking.camera.send(black))
    assert (values['objects lost'], values['objects visible']) == ('1', '0')
    ros.until(lambda: np.any(overlays[-1].data), 'what is hidden to be written on the overlay')
    back = [tracking.show().objects[0] for _ in range(2)]
    assert [obj.state for obj in back] == [ObjectMask.LOST, ObjectMask.VISIBLE]
    assert (back[-1].id, back[-1].area) == (added.id, 64)


def test_nobody_subscribed_means_no_work(ros):
    ros.start_node(NODE)
    camera = Camera(ros, scene(4))
    client = ros.client(Track, '/sam/track')
    add = Track.Request(prompt=click(80, 60))
    camera.send_until(lambda: ros.call(client, add).success, 'an object')
    values = diagnosis(ros, 'nobody is subscribed', meanwhile=camera.send)
    assert int(values['images received']) > 1
    assert (values['frames tracked'], values['tracking rate [Hz]']) == ('0', '0.0')
    # It goes on with the first one who listens.
    objects = ros.listen(ObjectMaskArray, '/sam/objects')
    camera.send_until(lambda: objects and objects[-1].objects, 'a result')


def test_compressed_images_are_read(ros):
    ros.start_node(NODE, image_transport='compressed')
    camera = Camera(ros, scene(4), topic='/sam/image/compressed', kind=CompressedImage)
    segment = ros.client(SegmentRequest, '/sam/segment')
    answer = camera.send_until(
        lambda: (
            (a := ros.call(segment, SegmentRequest.Request(prompts=[click(80, 60)]))).success and a
        ),
        'a mask',
    )
    segmenter = load_segmenter('grabcut')
    [mask] = segmenter.segment(segmenter.embed(scene(4)), Prompt(points_xy=[(80, 60)], labels=[1]))
    np.testing.assert_array_equal(mask_from_msg(answer.objects[0].mask), mask.mask)


def test_diagnostics_say_why_nothing_comes_out(ros):
    ros.start_node(NODE)
    values = diagnosis(ros, 'no publisher on /sam/image; remap it', DiagnosticStatus.WARN)
    assert values['publishers'] == '0'
    publisher = ros.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)
    diagnosis(ros, 'no images on /sam/image, though it has a publisher', DiagnosticStatus.WARN)
    bad = array_to_image(np.zeros((4, 4), np.uint16), '16UC1', Header())
    diagnosis(
        ros, "encoding '16UC1'", DiagnosticStatus.ERROR, meanwhile=lambda: publisher.publish(bad)
    )


def test_diagnostics_name_an_incompatible_qos(ros):
    ros.start(
        sys.executable, '-m', NODE, '--ros-args',
        '-p', 'qos_overrides./sam/image.subscription.reliability:=reliable',
    )  # fmt: skip
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    ros.node.create_publisher(Image, '/sam/image', best_effort)
    remedy = 'qos_overrides./sam/image.subscription.reliability:=best_effort'
    diagnosis(ros, remedy, DiagnosticStatus.ERROR)


def test_a_stream_faster_than_the_model_makes_nothing_wait(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=slow')
    tracking = Tracking(ros, ball(80, 60))
    tracking.add(click(80, 60))
    objects = tracking.results
    next_send = time.monotonic()

    def flood():
        nonlocal next_send
        if time.monotonic() >= next_send:
            next_send += 1 / 60
            tracking.camera.send(stamp=ros.node.get_clock().now().to_msg())
        return len(objects) >= 10

    ros.until(flood, 'ten results')
    # Waiting behind older frames would add 0.2 s for each of them.
    ages = [message.latency for message in objects if message.header.stamp.sec > 1e6]
    assert len(ages) > 5
    assert max(ages) < 1.0
    assert ros.call(ros.client(SegmentRequest, '/sam/segment'), request()).success
