# SPDX-License-Identifier: Apache-2.0
"""The node's life: its states, its stream, its diagnostics, and what it survives."""

import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from drawing import click, scene
from geometry_msgs.msg import Point, PointStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from sam_segmentation.ros.conversions import array_to_image, box_to_msg, mask_from_msg
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from small_models import write_small_sam2
from std_msgs.msg import Header
from std_srvs.srv import Trigger
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam_interfaces.msg import ObjectMaskArray
from sam_interfaces.srv import SegmentRequest
from sam_segmentation import Prompt, load_segmenter

NODE = 'sam_segmentation.ros.sam_node'
ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'


def request(width: int = 80) -> SegmentRequest.Request:
    image = array_to_image(scene(1, (width, 60)), 'rgb8', Header())
    return SegmentRequest.Request(image=image, prompts=[click(20, 20)])


class Camera:
    """Publishes one image over and over, with a stamp that counts up."""

    def __init__(
        self, ros, pixels, *, topic='/sam/image', kind=Image, qos=qos_profile_sensor_data
    ):
        self.ros, self.pixels, self.kind, self.sent = ros, pixels, kind, 0
        self.publisher = ros.node.create_publisher(kind, topic, qos)

    def send(self):
        self.sent += 1
        header = Header(stamp=Time(sec=self.sent), frame_id='optical')
        if self.kind is Image:
            self.publisher.publish(array_to_image(self.pixels, 'rgb8', header))
        else:
            data = cv2.imencode('.png', self.pixels[..., ::-1])[1].tobytes()
            self.publisher.publish(CompressedImage(header=header, format='png', data=data))

    def send_until(self, condition, what):
        def attempt():
            self.send()
            return condition()

        return self.ros.until(attempt, what)


def change_state(ros, transition):
    client = ros.client(ChangeState, '/sam/change_state')
    return ros.call(client, ChangeState.Request(transition=Transition(id=transition))).success


def state(ros):
    return ros.call(ros.client(GetState, '/sam/get_state'), GetState.Request()).current_state.label


def set_parameter(ros, name, text):
    client = ros.client(SetParameters, '/sam/set_parameters')
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
    answer = ros.call(
        client, SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    )
    return answer.results[0].successful


def diagnosis(ros, sign, level=None):
    """Wait for a diagnosis that contains a text, and return it with its values."""
    received = ros.listen(DiagnosticArray, '/diagnostics')

    def found():
        for array in received:
            for status in array.status:
                if sign in status.message and level in (None, status.level):
                    return status
        return None

    status = ros.until(found, f'a diagnosis with {sign!r}')
    return {value.key: value.value for value in status.values}


def test_states_load_and_free_the_model(ros):
    ros.start_node(NODE, autostart=False)
    segment = ros.client(SegmentRequest, '/sam/segment')
    answer = ros.call(segment, request())
    assert not answer.success
    assert 'unconfigured: configure and activate it' in answer.message
    diagnosis(ros, 'unconfigured', DiagnosticStatus.WARN)

    assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert 'inactive' in ros.call(segment, request()).message
    for _ in range(2):
        assert change_state(ros, Transition.TRANSITION_ACTIVATE)
        assert ros.call(segment, request()).success
        assert change_state(ros, Transition.TRANSITION_DEACTIVATE)
        assert not ros.call(segment, request()).success

    assert change_state(ros, Transition.TRANSITION_CLEANUP)
    assert state(ros) == 'unconfigured'
    # Another model, which is not there; then back to one that is.
    assert set_parameter(ros, 'model', 'sam_vit_q')
    assert not change_state(ros, Transition.TRANSITION_CONFIGURE)
    message = ros.call(segment, request()).message
    assert "unknown model 'sam_vit_q'" in message
    assert 'sam2.1_hiera_tiny' in message
    assert set_parameter(ros, 'model', 'grabcut')
    assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert change_state(ros, Transition.TRANSITION_ACTIVATE)
    assert ros.call(segment, request()).success


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'model': 'nonsense'}, "unknown model 'nonsense'; known are grabcut"),
        ({'model': 'vit_b', 'checkpoint': '/no/such.pth'}, '/no/such.pth'),
        ({'model': 'sam2.1_hiera_tiny', 'checkpoint': __file__}, Path(__file__).name),
        ({'model': 'vit_b', 'device': 'cuda:99'}, 'use'),
        ({'image_transport': 'telepathy'}, "'telepathy'; use raw or compressed"),
    ],
)
def test_a_start_that_fails_is_told_and_survived(ros, parameters, reason):
    process = ros.start_node(NODE, **parameters)
    answer = ros.call(ros.client(SegmentRequest, '/sam/segment'), request())
    assert not answer.success
    assert reason in answer.message
    diagnosis(ros, reason, DiagnosticStatus.ERROR)
    assert process.poll() is None


class Malicious:
    """Unpickled carelessly, it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_no_bad_checkpoint_is_loaded_and_none_runs_code(ros, tmp_path):
    good = write_small_sam2(tmp_path, image_size=128, embed_dim=16)[1].read_bytes()
    (tmp_path / 'truncated.pt').write_bytes(good[: len(good) // 2])
    torch.save({'model': {'some.other.weight': torch.zeros(3)}}, tmp_path / 'other.pt')
    torch.save(Malicious(tmp_path / 'pwned'), tmp_path / 'malicious.pt')
    (tmp_path / 'malicious.pkl').write_bytes(pickle.dumps(Malicious(tmp_path / 'pwned')))
    ros.start_node(NODE, autostart=False, model='sam2.1_hiera_tiny')
    segment = ros.client(SegmentRequest, '/sam/segment')
    for name in ('missing.pt', 'truncated.pt', 'other.pt', 'malicious.pt', 'malicious.pkl'):
        assert set_parameter(ros, 'checkpoint', str(tmp_path / name))
        assert not change_state(ros, Transition.TRANSITION_CONFIGURE)
        answer = ros.call(segment, request())
        assert not answer.success
        assert str(tmp_path / name) in answer.message
    assert not (tmp_path / 'pwned').exists()


def test_a_parameter_out_of_its_range_is_refused_by_name(ros):
    process = ros.start(
        sys.executable, '-m', NODE, '--ros-args', '-p', 'refine_rounds:=9',
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert 'refine_rounds' in process.communicate(timeout=20)[1]
    assert process.returncode != 0


def test_out_of_memory_fails_the_request_and_not_the_node(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=runs_full')
    segment = ros.client(SegmentRequest, '/sam/segment')
    for _ in range(2):
        assert ros.call(segment, request(width=80)).success
        answer = ros.call(segment, request(width=200))
        assert not answer.success
        assert 'out of memory' in answer.message
        assert 'smaller image' in answer.message


def test_a_bug_in_a_model_is_answered_and_survived(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=broken')
    segment = ros.client(SegmentRequest, '/sam/segment')
    for _ in range(2):
        assert 'internal error' in ros.call(segment, request()).message


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


def test_the_node_stops_when_told_to(ros):
    process = ros.start_node(NODE)
    ros.client(SegmentRequest, '/sam/segment')
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # as from a terminal and from launch
    assert process.wait(10) == 0


def test_the_node_starts_without_torch(ros):
    code = (
        'import sys; sys.argv = ["sam_node"]; import sam_segmentation.ros.sam_node, '
        'sam_segmentation; sam_segmentation.load_segmenter("grabcut"); '
        'print([name for name in ("torch", "sam2", "segment_anything") if name in sys.modules])'
    )
    process = ros.start(sys.executable, '-c', code, stdout=subprocess.PIPE)
    assert process.communicate(timeout=30)[0].strip() == '[]'
