# SPDX-License-Identifier: Apache-2.0
"""The stream of a running node: standing prompts, what is published, and why when nothing is."""

import sys
import time
from pathlib import Path

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from drawing import click, scene
from geometry_msgs.msg import Point, PointStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from running_node import NODE, Camera, diagnosis, request
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam_interfaces.msg import ObjectMaskArray
from sam_interfaces.srv import SegmentRequest
from sam_segmentation import Prompt, load_segmenter
from sam_segmentation.ros.conversions import array_to_image, box_to_msg, mask_from_msg

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'


def test_a_click_is_applied_to_every_new_frame_until_cleared(ros):
    ros.start_node(NODE)
    camera = Camera(ros, scene(4))
    objects = ros.listen(ObjectMaskArray, '/sam/objects')
    masks = ros.listen(Image, '/sam/mask', qos_profile_sensor_data)
    overlays = ros.listen(Image, '/sam/mask_overlay', qos_profile_sensor_data)
    detections = ros.listen(Detection2DArray, '/sam/detections')
    clicks = ros.node.create_publisher(Point, '/sam/click', 5)
    ros.until(clicks.get_subscription_count, 'the node to listen for clicks')
    camera.send_until(lambda: (clicks.publish(Point(x=80.0, y=60.0)), objects)[1], 'masks')
    everything = (objects, masks, overlays, detections)
    camera.send_until(lambda: all(len(received) > 3 for received in everything), 'four of each')

    segmenter = load_segmenter('grabcut')
    [mask] = segmenter.segment(segmenter.embed(scene(4)), Prompt(points_xy=[(80, 60)], labels=[1]))
    message = objects[-1]
    labels = np.frombuffer(message.label_image.data, np.uint16).reshape(120, 160)
    np.testing.assert_array_equal(labels == 1, mask.mask)
    assert message.header.frame_id == 'optical'
    assert message.label_image.header == message.header
    assert (message.model, message.label_image.encoding) == ('grabcut', 'mono16')
    assert [(obj.id, obj.area, len(obj.mask.data)) for obj in message.objects] == [
        (1, mask.area, 0)
    ]
    stamps = [received.header.stamp.sec for received in objects]
    assert stamps == sorted(set(stamps))
    np.testing.assert_array_equal(mask_from_msg(masks[-1]), mask.mask)
    assert overlays[-1].encoding == 'rgb8'
    assert detections[-1].detections[0].bbox == message.objects[0].box

    answer = ros.call(ros.client(Trigger, '/sam/clear'), Trigger.Request())
    assert answer.message == '1 standing prompts cleared'
    before = len(objects)
    values = diagnosis(ros, 'no standing prompt')
    assert values['standing prompts'] == '0'
    assert len(objects) - before <= 1  # one may have been under way


def test_boxes_of_a_detector_are_applied_with_their_names(ros):
    ros.start_node(NODE)
    camera = Camera(ros, scene(4))
    objects = ros.listen(ObjectMaskArray, '/sam/objects')
    prompts = ros.node.create_publisher(Detection2DArray, '/sam/prompt_detections', 5)
    message = Detection2DArray()
    boxes = {'cup': (10, 10, 70, 60), 'bowl': (80, 40, 150, 110)}
    for name, box in boxes.items():
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = name, 0.8
        message.detections.append(Detection2D(results=[result], bbox=box_to_msg(box)))
    ros.until(prompts.get_subscription_count, 'the node to listen for detections')
    camera.send_until(lambda: (prompts.publish(message), objects)[1], 'masks')
    segmenter = load_segmenter('grabcut')
    embedding = segmenter.embed(scene(4))
    for obj, (name, box) in zip(objects[-1].objects, boxes.items(), strict=True):
        [mask] = segmenter.segment(embedding, Prompt(box_xyxy=box))
        assert (obj.label, obj.area) == (name, mask.area)
    assert [obj.id for obj in objects[-1].objects] == [1, 2]


def test_a_point_clicked_in_metres_is_projected(ros):
    ros.start_node(NODE)
    camera = Camera(ros, scene(4))
    objects = ros.listen(ObjectMaskArray, '/sam/objects')
    infos = ros.node.create_publisher(CameraInfo, '/sam/camera_info', 5)
    clicks = ros.node.create_publisher(PointStamped, '/sam/clicked_point', 5)
    info = CameraInfo(k=[100.0, 0.0, 80.0, 0.0, 100.0, 60.0, 0.0, 0.0, 1.0])
    info.header.frame_id = 'optical'
    point = PointStamped()
    point.header.frame_id = 'map'
    point.point.z = 2.0

    def send():
        infos.publish(info)
        clicks.publish(point)
        return objects

    ros.until(clicks.get_subscription_count, 'the node to listen for points')
    received = ros.listen(DiagnosticArray, '/diagnostics')
    camera.send_until(
        lambda: send() or any("frame 'map'" in a.status[0].message for a in received),
        'a diagnosis that names the frame',
    )
    assert not objects
    point.header.frame_id = 'optical'
    camera.send_until(send, 'masks')
    segmenter = load_segmenter('grabcut')
    [mask] = segmenter.segment(segmenter.embed(scene(4)), Prompt(points_xy=[(80, 60)], labels=[1]))
    assert objects[-1].objects[0].area == mask.area


def test_nobody_subscribed_means_no_work(ros):
    ros.start_node(NODE)
    camera = Camera(ros, scene(4))
    clicks = ros.node.create_publisher(Point, '/sam/click', 5)
    ros.until(clicks.get_subscription_count, 'the node to listen for clicks')
    received = ros.listen(DiagnosticArray, '/diagnostics')

    def idle():
        clicks.publish(Point(x=80.0, y=60.0))
        return [a.status[0] for a in received if 'nobody is subscribed' in a.status[0].message]

    [status, *_] = camera.send_until(idle, 'a diagnosis that nobody is subscribed')
    values = {value.key: value.value for value in status.values}
    assert int(values['images received']) > 0
    assert (values['frames segmented'], values['embeddings made']) == ('0', '0')


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
    received = ros.listen(DiagnosticArray, '/diagnostics')

    def told():
        publisher.publish(bad)
        return [a for a in received if "encoding '16UC1'" in a.status[0].message]

    [array, *_] = ros.until(told, 'a diagnosis that names the encoding')
    assert array.status[0].level == DiagnosticStatus.ERROR


def test_diagnostics_name_an_incompatible_qos(ros):
    ros.start(
        sys.executable, '-m', NODE, '--ros-args',
        '-p', 'qos_overrides./sam/image.subscription.reliability:=reliable',
    )  # fmt: skip
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    ros.node.create_publisher(Image, '/sam/image', best_effort)
    diagnosis(ros, 'QoS RELIABILITY is incompatible', DiagnosticStatus.ERROR)


def test_a_stream_faster_than_the_model_makes_nothing_wait(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=slow')
    pixels = scene(4)
    publisher = ros.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)
    clicks = ros.node.create_publisher(Point, '/sam/click', 5)
    objects = ros.listen(ObjectMaskArray, '/sam/objects')
    ros.until(clicks.get_subscription_count, 'the node to listen for clicks')
    segment = ros.client(SegmentRequest, '/sam/segment')
    next_send = time.monotonic()

    def flood():
        nonlocal next_send
        if time.monotonic() >= next_send:
            next_send += 1 / 60
            now = ros.node.get_clock().now().to_msg()
            publisher.publish(array_to_image(pixels, 'rgb8', Header(stamp=now)))
            if not objects:
                clicks.publish(Point(x=80.0, y=60.0))
        return len(objects) >= 10

    ros.until(flood, 'ten results')
    # Waiting behind older frames would add 0.2 s for each of them.
    assert max(message.latency for message in objects) < 1.0
    assert ros.call(segment, request()).success
