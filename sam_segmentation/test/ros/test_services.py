# SPDX-License-Identifier: Apache-2.0
"""The services of a running node, over DDS, from another process."""

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from drawing import SIZE_WH, click, random_prompt, scene
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Point2D

from sam_common.ros.conversions import array_to_image, box_to_msg, mask_from_msg
from sam_interfaces.msg import Prompt
from sam_interfaces.srv import SegmentEverything, SegmentRequest, Track
from sam_segmentation import EverythingOptions, load_segmenter
from sam_segmentation.ros.conversions import prompt_from_msg

NODE = 'sam_segmentation.ros.sam_node'
BUFFERED = 6


def header(number: int) -> Header:
    return Header(stamp=Time(sec=100 + number, nanosec=7), frame_id=f'camera_{number}')


@pytest.fixture(scope='module')
def node(module_ros):
    """A node with grabcut that has seen the scenes 0 to 7 and still buffers the last six."""
    module_ros.start_node(NODE, frame_buffer_size=BUFFERED, max_prompts=20)
    module_ros.segment = module_ros.client(SegmentRequest, '/sam/segment')
    module_ros.everything = module_ros.client(SegmentEverything, '/sam/segment_everything')
    return module_ros


@pytest.fixture(scope='module')
def camera(node):
    """A publisher that the node listens to; it has sent the scenes already."""
    answer = node.call(node.segment, SegmentRequest.Request(prompts=[click(5, 5)]))
    assert not answer.success
    assert 'no image has arrived yet' in answer.message
    publisher = node.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)

    def has_arrived(number):
        request = SegmentRequest.Request(stamp=header(number).stamp, prompts=[click(5, 5)])
        return node.call(node.segment, request).success

    def discovered():
        publisher.publish(array_to_image(scene(0), 'rgb8', header(99)))
        return has_arrived(99)

    node.until(discovered, 'the node to discover the camera')
    for number in range(8):
        publisher.publish(array_to_image(scene(number), 'rgb8', header(number)))
        # Best effort: each image has arrived before the next one goes.
        node.until(lambda number=number: has_arrived(number), f'image {number} to arrive')
    return publisher


def image_request(**fields):
    return SegmentRequest.Request(
        **(
            {'image': array_to_image(scene(3), 'rgb8', header(3)), 'prompts': [click(5, 5)]}
            | fields
        )
    )


def test_mask_and_header_are_the_cores_for_that_frame(node, camera):
    rng = np.random.default_rng(5)
    segmenter = load_segmenter('grabcut')
    embeddings = {number: segmenter.embed(scene(number)) for number in range(8)}
    compared = 0
    while compared < 200:
        number = int(rng.integers(8 - BUFFERED, 8))
        prompts = [random_prompt(rng) for _ in range(rng.integers(1, 6))]
        multimask = bool(rng.integers(2))
        answer = node.call(
            node.segment,
            SegmentRequest.Request(
                stamp=header(number).stamp, prompts=prompts, multimask_output=multimask
            ),
        )
        assert answer.success, answer.message
        assert answer.header == header(number)
        expected = [
            (place, mask)
            for place, prompt in enumerate(prompts, start=1)
            for mask in segmenter.segment(
                embeddings[number], prompt_from_msg(prompt), multimask=multimask
            )
        ]
        assert len(answer.objects) == len(expected)
        for obj, (place, mask) in zip(answer.objects, expected, strict=True):
            assert obj.id == place
            assert obj.mask.header == header(number)
            np.testing.assert_array_equal(mask_from_msg(obj.mask), mask.mask)
            assert obj.score == pytest.approx(mask.score)
            assert obj.area == mask.area
        compared += len(prompts)


def test_newest_frame_is_used_without_a_stamp(node, camera):
    answer = node.call(node.segment, SegmentRequest.Request(prompts=[click(5, 5)]))
    assert answer.header == header(7)


def test_an_image_in_the_request_needs_no_camera(node):
    request = image_request()
    answer = node.call(node.segment, request)
    segmenter = load_segmenter('grabcut')
    [mask] = segmenter.segment(segmenter.embed(scene(3)), prompt_from_msg(request.prompts[0]))
    assert answer.header == header(3)
    np.testing.assert_array_equal(mask_from_msg(answer.objects[0].mask), mask.mask)


def test_everything_is_the_cores_largest_first(node, camera):
    request = SegmentEverything.Request(
        stamp=header(6).stamp, points_per_side=6, pred_iou_thresh=0.5, stability_score_thresh=0.5
    )
    answer = node.call(node.everything, request)
    assert answer.success, answer.message
    segmenter = load_segmenter('grabcut')
    masks = segmenter.segment_everything(
        segmenter.embed(scene(6)),
        EverythingOptions(points_per_side=6, pred_iou_thresh=0.5, stability_score_thresh=0.5),
    )
    objects = answer.objects.objects
    assert objects
    assert [obj.area for obj in objects] == [mask.area for mask in masks]
    assert [obj.area for obj in objects] == sorted((obj.area for obj in objects), reverse=True)
    assert answer.objects.header == header(6)
    assert answer.objects.model == 'grabcut'
    labels = np.frombuffer(answer.objects.label_image.data, np.uint16)
    assert set(np.unique(labels)) <= {0, *(obj.id for obj in objects)}


NAN = float('nan')


@pytest.mark.parametrize(
    ('prompt', 'reason'),
    [
        (Prompt(), 'the prompt is empty; give points'),
        (click(400, 5), 'point (400, 5) lies outside the image of 160 x 120'),
        (click(-1, 5), 'point (-1, 5) lies outside'),
        (click(NAN, 5), 'point (nan, 5) is not finite'),
        (click(5, float('inf')), '(5, inf) is not finite'),
        (click(5, 5, label=3), 'label 3 means nothing; use 1'),
        (Prompt(points=[Point2D(x=1.0, y=1.0)]), '1 points but 0 labels'),
        (Prompt(points=[Point2D()], labels=[1, 0]), '1 points but 2 labels'),
        (
            Prompt(box=box_to_msg((5, 5, 5, 9))),
            'the box of 0 x 4 px has no area; give sizes above 0',
        ),
        (Prompt(box=box_to_msg((9, 5, 5, 9))), 'has no area'),
        (Prompt(box=box_to_msg((NAN, 5, 5, 9))), 'not finite'),
        (Prompt(box=box_to_msg((500, 5, 600, 9))), 'box (500, 5, 600, 9) lies outside'),
        (
            Prompt(mask=array_to_image(np.ones((5, 5), np.uint8), 'mono8', Header())),
            '5 x 5 px but',
        ),
        (
            Prompt(mask=array_to_image(np.zeros((120, 160), np.uint8), 'mono8', Header())),
            'the mask is empty',
        ),
        (
            Prompt(mask=array_to_image(np.ones((120, 160, 3), np.uint8), 'rgb8', Header())),
            "encoding 'rgb8' cannot be used",
        ),
        (Prompt(text='cup'), "grabcut reads no text ('cup'"),
    ],
)
def test_a_prompt_that_means_nothing_is_answered(node, prompt, reason):
    answer = node.call(node.segment, image_request(prompts=[prompt]))
    assert not answer.success
    assert not answer.objects
    assert reason in answer.message


@pytest.mark.parametrize(
    ('image', 'reason'),
    [
        (Image(encoding='rgb8', width=4, height=4, step=12, data=bytes(47)), '47 bytes'),
        (Image(encoding='rgb8', width=4, height=4, step=11, data=bytes(48)), 'step is 11'),
        (Image(encoding='rgb8', width=0, height=4, step=12, data=bytes(48)), '0 x 4 px'),
        (Image(encoding='rgb8', width=10_000, height=10_000, step=30_000), '0 bytes'),
        (Image(encoding='nonsense', width=4, height=4, step=12, data=bytes(48)), "'nonsense'"),
        (Image(encoding='16UC1', width=4, height=4, step=8, data=bytes(32)), "'16UC1'"),
    ],
)
@pytest.mark.parametrize('service', ['segment', 'everything'])
def test_an_image_that_cannot_be_used_is_answered(node, service, image, reason):
    kind = {'segment': SegmentRequest, 'everything': SegmentEverything}[service]
    request = kind.Request(image=image)
    if service == 'segment':
        request.prompts = [click(1, 1)]
    answer = node.call(getattr(node, service), request)
    assert not answer.success
    assert reason in answer.message


@pytest.mark.parametrize(
    ('fields', 'reason'),
    [
        ({'points_per_side': 65}, 'points_per_side is 65; give 1 to 64'),
        ({'pred_iou_thresh': 1.5}, 'pred_iou_thresh is 1.5; give 0 to 1'),
        ({'pred_iou_thresh': NAN}, 'pred_iou_thresh is nan'),
        ({'stability_score_thresh': -1.0}, 'stability_score_thresh is -1'),
    ],
)
def test_an_option_out_of_its_range_is_answered(node, camera, fields, reason):
    answer = node.call(node.everything, SegmentEverything.Request(**fields))
    assert not answer.success
    assert reason in answer.message


def test_a_stamp_that_is_not_buffered_is_answered(node, camera):
    answer = node.call(
        node.segment, SegmentRequest.Request(stamp=header(0).stamp, prompts=[click(5, 5)])
    )
    assert not answer.success
    assert '100.000000007' in answer.message
    assert '102.000000007 to 107.000000007' in answer.message


@pytest.mark.parametrize('count', [0, 21])
def test_too_few_or_too_many_prompts_are_answered(node, count):
    answer = node.call(node.segment, image_request(prompts=[click(5, 5)] * count))
    assert not answer.success
    assert f'holds {count} prompts; give 1 to 20' in answer.message


def test_the_bad_prompt_of_several_is_named(node):
    prompts = [click(5, 5), click(5, 5), click(9999, 5)]
    answer = node.call(node.segment, image_request(prompts=prompts))
    assert not answer.success
    assert 'prompt 3' in answer.message


def random_image(rng):
    width, height = (int(side) for side in rng.integers(0, 40, 2))
    encoding = str(rng.choice(['rgb8', 'bgr8', 'mono8', 'yuyv', '16UC1', 'rgba8', '', 'xyz']))
    step = int(rng.choice([width * 3, width, width * 4, 0, 7]))
    size = int(rng.choice([height * step, 0, max(0, height * step - 1), height * step + 5]))
    return Image(
        width=width, height=height, encoding=encoding, step=step, data=rng.bytes(size),
        is_bigendian=int(rng.integers(2)),
    )  # fmt: skip


def wild(rng):
    return float(rng.choice([rng.uniform(-50, 90), NAN, float('inf'), 1e300, 0.0, -0.5]))


def wild_prompt(rng):
    prompt = Prompt()
    if rng.random() < 0.7:
        prompt.points = [Point2D(x=wild(rng), y=wild(rng)) for _ in range(rng.integers(0, 4))]
        prompt.labels = rng.integers(0, 3, rng.integers(0, 4)).tolist()
    if rng.random() < 0.3:
        prompt.box.size_x, prompt.box.size_y = wild(rng), wild(rng)
        prompt.box.center.position.x, prompt.box.center.theta = wild(rng), float(rng.integers(2))
    if rng.random() < 0.2:
        prompt.mask = random_image(rng)
    if rng.random() < 0.1:
        prompt.text = str(rng.choice(['cup', '\u2603', 'x' * 1000]))
    return prompt


FREQUENCY = [0.1, 0.1, 0.15, 0.15, 0.2, 0.02, 0.18, 0.05, 0.05]


def test_five_thousand_random_requests_neither_crash_nor_hang(node, camera):
    rng = np.random.default_rng(11)
    good = array_to_image(scene(1)[:20, :24], 'rgb8', header(1))
    track = node.client(Track, '/sam/track')
    succeeded = {SegmentRequest: 0, SegmentEverything: 0, Track: 0}
    pending = []
    for number in range(5000):
        image = good if rng.random() < 0.4 else random_image(rng)
        stamp = Time(sec=int(rng.integers(-5, 110)), nanosec=int(rng.integers(0, 9)))
        if number % 5 == 1:
            on_image = rng.random() < 0.7
            prompt = click(*rng.uniform(0, 100, 2)) if on_image else wild_prompt(rng)
            request = Track.Request(
                command=int(rng.choice([0, 0, 1, 1, 2, 3, 4, 5, 255], p=FREQUENCY)),
                object_id=int(rng.choice([0, 0, *range(8), 70_000])),
                prompt=prompt,
                stamp=[stamp, Time(), header(int(rng.integers(2, 8))).stamp][rng.integers(3)],
            )  # fmt: skip
            pending.append(track.call_async(request))
        elif number % 5:
            prompts = [
                click(*rng.uniform(0, 19, 2)) if rng.random() < 0.4 else wild_prompt(rng)
                for _ in range(rng.integers(0, 3))
            ]
            request = SegmentRequest.Request(
                image=image, stamp=stamp, prompts=prompts, multimask_output=bool(number % 2)
            )
            pending.append(node.segment.call_async(request))
        else:
            request = SegmentEverything.Request(
                image=image, stamp=stamp, points_per_side=int(rng.choice([1, 2, 3, 500])),
                pred_iou_thresh=wild(rng), stability_score_thresh=wild(rng),
                min_mask_region_area=int(rng.choice([0, 10, 2**31])),
            )  # fmt: skip
            pending.append(node.everything.call_async(request))
        if len(pending) == 10:
            node.until(lambda: all(future.done() for future in pending), 'the answers')
            for future in pending:
                assert future.result().success or future.result().message
                assert 'internal error' not in future.result().message
                for kind, count in succeeded.items():
                    succeeded[kind] = count + (
                        future.result().success and isinstance(future.result(), kind.Response)
                    )
            pending.clear()
    # They were not refused wholesale.
    assert min(succeeded[SegmentRequest], succeeded[Track]) > 150, succeeded
    assert succeeded[SegmentEverything] > 0
    assert node.call(node.segment, image_request()).success


def test_requests_beyond_the_bound_are_refused_and_the_others_answered(ros):
    ros.start_node(NODE, max_pending_requests=2)
    client = ros.client(SegmentRequest, '/sam/segment')
    ros.call(client, image_request())
    image = array_to_image(scene(3, (640, 480)), 'rgb8', header(3))
    prompts = [click(300, 200)] * 5
    futures = [client.call_async(image_request(image=image, prompts=prompts)) for _ in range(8)]
    ros.until(lambda: all(future.done() for future in futures), 'the answers')
    answers = [future.result() for future in futures]
    assert any(answer.success for answer in answers)
    refused = [answer.message for answer in answers if not answer.success]
    assert refused
    assert all('raise max_pending_requests' in message for message in refused)


def test_images_of_every_size_are_answered(node):
    for size_wh in [(1, 1), (1, 300), (300, 1), (2, 3), (SIZE_WH[1], SIZE_WH[0]), (1000, 16)]:
        pixels = scene(2, (1000, 300))[: size_wh[1], : size_wh[0]]
        image = array_to_image(pixels, 'rgb8', header(2))
        answer = node.call(node.segment, image_request(image=image, prompts=[click(0, 0)]))
        assert answer.success, (size_wh, answer.message)
        assert (answer.objects[0].mask.width, answer.objects[0].mask.height) == size_wh
