# SPDX-License-Identifier: Apache-2.0
"""How fast `sam_node` is through ROS, how it tracks, and how it bears a camera that is faster."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).parent.parent
sys.path += [str(ROOT), str(ROOT / 'sam_segmentation' / 'test' / 'ros')]

import rclpy  # noqa: E402
from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from drawing import click, scene  # noqa: E402
from node_tracking import publishing, resident_mb, soak, stalls  # noqa: E402
from rclpy.executors import ExternalShutdownException  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from report import Figure, at_least, at_most, write  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402

from conftest import Ros, own_domain  # noqa: E402
from sam_common.images import raw_to_rgb  # noqa: E402
from sam_common.ros.conversions import array_to_image  # noqa: E402
from sam_common.scored_mask import ScoredMask  # noqa: E402
from sam_interfaces.msg import ObjectMaskArray, Prompt  # noqa: E402
from sam_interfaces.srv import SegmentRequest, Track  # noqa: E402
from sam_segmentation.ros.conversions import object_to_msg  # noqa: E402

NODE = 'sam_segmentation.ros.sam_node'
ODD_MODELS = ROOT / 'sam_segmentation' / 'test' / 'ros' / 'odd_models_node.py'
SIZE_WH = (640, 480)
PROMPTS = 20
OVERLOAD_FRAMES = 3000
OVERLOAD_HZ = 60.0
SLOW_MODEL_S = 0.2


def main() -> None:
    """Run the parts that were asked for."""
    parts = {
        'start': start_up,
        'overhead': overhead,
        'decoding': decoding,
        'prompts': many_prompts,
        'overload': overload,
        'publishing': publishing,
        'stalls': stalls,
        'soak': lambda: soak(arguments.soak),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--soak', type=float, default=600.0, help='how long the soak lasts [s]')
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'{", ".join(parts)}; none: all')
    arguments = parser.parse_args()
    chosen = arguments.parts or list(parts)
    figures: list[Figure] = []
    for name in chosen:
        print(f'node: {name} ...', flush=True)
        figures += parts[name]()
    write('node', figures)


def image_request(prompts: list[Prompt], seed: int = 1) -> SegmentRequest.Request:
    """Return a request that sends its image along."""
    image = array_to_image(scene(seed, SIZE_WH), 'rgb8', Header())
    return SegmentRequest.Request(image=image, prompts=prompts)


def seconds(function: Callable[[], Any]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def feed(ros: Ros, client: Any, pixels: np.ndarray, stamp: Time) -> None:
    """Publish an image until the node has it."""
    publisher = ros.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)
    request = SegmentRequest.Request(stamp=stamp, prompts=[click(5, 5)])

    def has_it() -> bool:
        publisher.publish(array_to_image(pixels, 'rgb8', Header(stamp=stamp)))
        return bool(ros.call(client, request).success)

    ros.until(has_it, 'the node to have the image', timeout_s=120)


def start_up() -> list[Figure]:
    """From starting the process to the first answer."""
    times = []
    for _ in range(5):
        with own_domain() as ros:
            begin = time.perf_counter()
            ros.start_node(NODE)
            client = ros.client(SegmentRequest, '/sam/segment')
            ros.call(client, image_request([click(5, 5)]))
            times.append(time.perf_counter() - begin)
    detail = 'process start to first mask, median of 5'
    return [at_most('start to ready, grabcut', median(times), 's', 3.0, detail)]


def decoding() -> list[Figure]:
    """A raw 720p image to RGB, against OpenCV's conversion alone on the same bytes, in turns."""
    pixels = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    message = array_to_image(pixels, 'bgr8', Header())
    view = np.frombuffer(message.data, np.uint8).reshape(pixels.shape)
    ours: list[float] = []
    alone: list[float] = []
    for _ in range(300):
        ours.append(seconds(lambda: raw_to_rgb(message)))
        alone.append(seconds(lambda: cv2.cvtColor(view, cv2.COLOR_BGR2RGB)))
    ratio = median(ours) / median(alone)
    detail = f'{1e3 * median(ours):.2f} ms, {1e3 * median(alone):.2f} ms by cv2.cvtColor alone'
    return [at_most('decoding 720p bgr8 / cv2.cvtColor', ratio, 'x', 1.2, detail)]


def overhead() -> list[Figure]:
    """A round trip with a model that takes no time, on the camera's frame."""
    with own_domain() as ros:
        ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=instant')
        client = ros.client(SegmentRequest, '/sam/segment')
        stamp = Time(sec=5)
        feed(ros, client, scene(1, SIZE_WH), stamp)
        request = SegmentRequest.Request(stamp=stamp, prompts=[click(5, 5)])
        times = [1e3 * seconds(lambda: ros.call(client, request)) for _ in range(300)]
    detail = '640x480, one prompt and its mask, a model that takes no time, 300 calls'
    return [
        at_most('node overhead p50', float(np.percentile(times, 50)), 'ms', 8.0, detail),
        Figure('node overhead p95', float(np.percentile(times, 95)), 'ms'),
    ]


def many_prompts() -> list[Figure]:
    """Twenty prompts on one frame, against a node that embeds for each, in one run."""
    import torch

    from sam_segmentation.models.sam2 import segmenter as sam2

    name = 'sam2.1_hiera_small'
    torch.manual_seed(0)
    model = sam2.build_model(sam2.config_path(name)).eval()
    official = sam2.image_predictor(model)
    prompts = [click(20 + 30 * i, 20 + 20 * i) for i in range(PROMPTS)]

    def decode(prompt: Prompt) -> None:
        official.predict(*point_of(prompt), multimask_output=False)

    naive_s = ours_s = 0.0
    with tempfile.TemporaryDirectory() as folder, own_domain() as ros:
        checkpoint = Path(folder) / 'random.pt'
        torch.save({'model': model.state_dict()}, checkpoint)
        ros.start_node(NODE, model=name, checkpoint=checkpoint)
        client = ros.client(SegmentRequest, '/sam/segment')
        feed(ros, client, scene(1, SIZE_WH), Time(sec=1))  # warms the node, too
        with torch.inference_mode():
            official.set_image(scene(1, SIZE_WH))
            decode(prompts[0])
            # In turns, so that a busy machine slows both sides. Each round is a new frame.
            for number in (2, 3):
                pixels = scene(number, SIZE_WH)
                # The first of the twenty: its embedding is made here.
                ours_s += seconds(lambda n=number, p=pixels: feed(ros, client, p, Time(sec=n)))
                for prompt in prompts[1:]:
                    request = SegmentRequest.Request(stamp=Time(sec=number), prompts=[prompt])
                    ours_s += seconds(lambda r=request: ros.call(client, r))
                for prompt in prompts:
                    naive_s += seconds(lambda p=pixels: official.set_image(p))
                    naive_s += seconds(lambda p=prompt: decode(p))
            decoder_s = median(seconds(lambda p=prompt: decode(p)) for prompt in prompts)
        ros.start(sys.executable, '-W', 'ignore', __file__, 'bare', name, checkpoint)
        bare = ros.client(SegmentRequest, '/bare')
        ours_each, bare_each = [], []
        for _ in range(3):
            for prompt in prompts:
                request = SegmentRequest.Request(stamp=Time(sec=3), prompts=[prompt])
                ours_each.append(seconds(lambda r=request: ros.call(client, r)))
                bare_each.append(seconds(lambda r=request: ros.call(bare, r, timeout_s=120)))
    further_s, bare_s = median(ours_each), median(bare_each)
    return [
        at_least(
            'naive node / ours, 20 prompts',
            naive_s / ours_s,
            'x',
            10.0,
            f'{name}, random weights, 640x480, 2 frames in turns; naive: set_image and predict '
            f'for each, transport not counted ({naive_s / 2:.1f} s a frame); ours: 20 calls '
            f'through ROS ({ours_s / 2:.1f} s)',
        ),
        at_most(
            'further prompt / decoder and transport',
            further_s / bare_s,
            'x',
            1.15,
            f'{1e3 * further_s:.1f} ms against {1e3 * bare_s:.1f} ms of a bare node that calls '
            'the official decoder and returns a mask; in turns, medians of 60 (the decoder alone: '
            f'{1e3 * decoder_s:.1f} ms)',
        ),
    ]


def point_of(prompt: Prompt) -> tuple[np.ndarray, np.ndarray]:
    """Return the one point of a prompt as the official predictor takes it."""
    return np.array([[prompt.points[0].x, prompt.points[0].y]]), np.array([1])


def bare_node(name: str, checkpoint: str) -> None:
    """Answer /bare by the official decoder alone, with one mask that is ready."""
    import torch

    from sam_segmentation.models.sam2 import segmenter as sam2

    rclpy.init()
    node = rclpy.create_node('bare')
    model = sam2.build_model(sam2.config_path(name))
    model.load_state_dict(torch.load(checkpoint, weights_only=True)['model'])
    official = sam2.image_predictor(model.eval())
    mask = ScoredMask(np.ones(SIZE_WH[::-1], bool), 0.5)
    answer = SegmentRequest.Response(success=True, objects=[object_to_msg(mask, 1, Header())])

    def on_request(request: SegmentRequest.Request, _: Any) -> SegmentRequest.Response:
        with torch.inference_mode():
            official.predict(*point_of(request.prompts[0]), multimask_output=False)
        return answer

    with torch.inference_mode():
        official.set_image(scene(3, SIZE_WH))
    node.create_service(SegmentRequest, '/bare', on_request)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        rclpy.try_shutdown()


def overload() -> list[Figure]:
    """1280x720 at 60 Hz into a model that takes 200 ms."""
    with own_domain() as ros:
        node = ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=slow')
        publisher = ros.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)
        track = ros.client(Track, '/sam/track')
        diagnoses = ros.listen(DiagnosticArray, '/diagnostics')
        results = ros.listen(ObjectMaskArray, '/sam/objects')
        image = array_to_image(scene(1, (1280, 720)), 'rgb8', Header())
        memory_mb: list[float] = []
        begin = time.perf_counter()
        sent = 0

        def flooded() -> bool:
            nonlocal sent
            while sent < OVERLOAD_FRAMES and time.perf_counter() - begin >= sent / OVERLOAD_HZ:
                image.header.stamp = ros.node.get_clock().now().to_msg()
                publisher.publish(image)
                sent += 1
                if sent % 30 == 0:
                    memory_mb.append(resident_mb(node.pid))
                    if sent == 30:
                        track.call_async(Track.Request(prompt=click(500, 300)))
            return sent >= OVERLOAD_FRAMES

        ros.until(flooded, 'the flood to end', timeout_s=300)
        rate = sent / (time.perf_counter() - begin)
        received = {
            value.key: value.value for array in diagnoses[-1:] for value in array.status[0].values
        }
    ages = [message.latency / SLOW_MODEL_S for message in results]
    # The buffer of frames fills in the first seconds, and is bounded after that.
    settled, end = median(memory_mb[20:30]), median(memory_mb[-10:])
    detail = (
        f'1280x720, {sent} frames at {rate:.0f} Hz, {received.get("images received")} received, '
        f'{len(results)} results, a model of {1e3 * SLOW_MODEL_S:.0f} ms'
    )
    return [
        at_most('age of a result / model time, worst', max(ages), 'x', 2.0, detail),
        Figure('age of a result / model time, p50', median(ages), 'x'),
        at_most(
            'RSS at the end / after 900 frames',
            end / settled,
            'x',
            1.02,
            f'{settled:.0f} MB, then {end:.0f} MB',
        ),
    ]


if __name__ == '__main__':
    if sys.argv[1:2] == ['bare']:
        bare_node(*sys.argv[2:])
    else:
        main()
