# SPDX-License-Identifier: Apache-2.0
"""How `sam_node` tracks: what publishing costs, what calls do to the stream, and a long run."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path += [
    str(ROOT / part) for part in ('', 'sam_segmentation/test', 'sam_segmentation/test/ros')
]

from builtin_interfaces.msg import Time  # noqa: E402
from diagnostic_msgs.msg import DiagnosticArray  # noqa: E402
from drawing import ball, click, scene  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from report import Figure, at_most  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402
from small_models import write_small_sam2  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from vision_msgs.msg import Detection2DArray  # noqa: E402

from conftest import Ros, own_domain  # noqa: E402
from sam_common.ros.conversions import array_to_image  # noqa: E402
from sam_interfaces.msg import ObjectMaskArray  # noqa: E402
from sam_interfaces.srv import SegmentRequest, Track  # noqa: E402

NODE = 'sam_segmentation.ros.sam_node'
ODD_MODELS = ROOT / 'sam_segmentation' / 'test' / 'ros' / 'odd_models_node.py'
LARGE_WH = (1280, 720)
OBJECTS = 4
FRAMES = 40
CALLS = 18
CAMERA_HZ = 30.0
CALL_EVERY_S = 0.5


class Bench:
    """A node with a camera at hand, and what comes out of it."""

    def __init__(self, ros: Ros, process: Any, pixels: list[np.ndarray]) -> None:
        self.ros, self.process = ros, process
        self.track = ros.client(Track, '/sam/track')
        self.segment = ros.client(SegmentRequest, '/sam/segment')
        self.results: list[ObjectMaskArray] = []
        self.arrivals: list[float] = []
        ros.node.create_subscription(ObjectMaskArray, '/sam/objects', self._arrived, 5)
        for kind, topic, qos in (
            (Image, '/sam/mask', qos_profile_sensor_data),
            (Image, '/sam/mask_overlay', qos_profile_sensor_data),
            (Detection2DArray, '/sam/detections', 5),
        ):
            ros.listen(kind, topic, qos)
        self.diagnoses = ros.listen(DiagnosticArray, '/diagnostics')
        self.publisher = ros.node.create_publisher(Image, '/sam/image', qos_profile_sensor_data)
        self.images = [array_to_image(image, 'rgb8', Header()) for image in pixels]
        self.sent: list[Time] = []
        ros.until(lambda: self.send() and self.ask(self.segment).success, 'an image to arrive')

    def send(self) -> Time:
        """Publish the next image; return its stamp."""
        image = self.images[len(self.sent) % len(self.images)]
        image.header.stamp = self.ros.node.get_clock().now().to_msg()
        self.sent.append(image.header.stamp)
        self.publisher.publish(image)
        return self.sent[-1]

    def ask(self, client: Any, **fields: Any) -> Any:
        """Call ~/segment, or ~/track, and return the answer."""
        if client is self.segment:
            return self.ros.call(client, SegmentRequest.Request(prompts=[click(5, 5)]), 120)
        return self.ros.call(client, Track.Request(**fields), 120)

    def add(self, x: float, y: float) -> int:
        """Track an object and return its id."""
        return int(self.ask(self.track, prompt=click(x, y)).objects[0].id)

    def value(self, key: str) -> str:
        """Return a value of the next diagnosis."""
        self.diagnoses.clear()
        self.ros.until(lambda: self.diagnoses, 'a diagnosis')
        return {v.key: v.value for v in self.diagnoses[-1].status[0].values}[key]

    def _arrived(self, message: ObjectMaskArray) -> None:
        self.arrivals.append(time.perf_counter())
        self.results.append(message)


@contextmanager
def small_sam2(pixels: list[np.ndarray]) -> Iterator[Bench]:
    """Run a node with a small SAM 2.1 of random weights that believes to see every object."""
    import torch

    with tempfile.TemporaryDirectory() as folder, own_domain() as ros:
        config, checkpoint = write_small_sam2(Path(folder), image_size=256, embed_dim=16)
        weights = torch.load(checkpoint, weights_only=True)
        weights['model']['sam_mask_decoder.pred_obj_score_head.layers.2.bias'] += 10
        torch.save(weights, checkpoint)
        process = ros.start_node(NODE, model=config, checkpoint=checkpoint)
        yield Bench(ros, process, pixels)


def publishing() -> list[Figure]:
    """What the node adds to the tracker's step, one frame at a time, every topic listened to."""
    with own_domain() as ros:
        process = ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=discs')
        bench = Bench(ros, process, [scene(seed, LARGE_WH) for seed in range(4)])
        for number in range(OBJECTS):
            bench.add(200 + 200 * number, 300)
        rounds_ms = []
        for _ in range(FRAMES):
            begin, stamp = time.perf_counter(), bench.send()
            bench.ros.until(
                lambda stamp=stamp: bench.results and bench.results[-1].header.stamp == stamp,
                'a result for the image',
            )
            rounds_ms.append(1e3 * (bench.arrivals[-1] - begin))
        # All over the last 30 frames.
        step_ms = float(bench.value('time per tracked frame [ms]'))
        publish_ms = float(bench.value('time to publish [ms]'))
        latency_ms = [1e3 * result.latency for result in bench.results[-30:]]
        area = fmean(obj.area for obj in bench.results[-1].objects)
    detail = (
        f'1280x720, {OBJECTS} objects of {area:,.0f} px, all 4 topics; a model whose step takes '
        f"{step_ms:.1f} ms; from the image's stamp to its result {fmean(latency_ms):.1f} ms"
    )
    return [
        at_most('publishing adds to the step', publish_ms, 'ms', 15.0, detail),
        Figure(
            'there and back through ROS beside the step', fmean(rounds_ms[-30:]) - step_ms, 'ms'
        ),
    ]


def stalls() -> list[Figure]:
    """The longest gap between results while objects are added, corrected and removed."""
    with small_sam2([scene(seed, (640, 480)) for seed in range(4)]) as bench:
        kept = [bench.add(100 + 100 * number, 200) for number in range(OBJECTS)]
        calls: list[Any] = []

        next_frame = time.perf_counter()

        def flooded(until: int) -> bool:
            nonlocal next_frame
            if time.perf_counter() >= next_frame:
                next_frame = time.perf_counter() + 1 / CAMERA_HZ
                bench.send()
            return len(bench.results) >= until

        def stream(frames: int) -> None:
            until = len(bench.results) + frames
            bench.ros.until(lambda: flooded(until), 'results', timeout_s=300)

        # As many objects as there are at most while calls come.
        extra = bench.add(150, 300)
        stream(FRAMES)
        quiet = gaps(bench.arrivals[-FRAMES:])
        bench.ask(bench.track, command=Track.Request.REMOVE, object_id=extra)
        stream(3)
        begin = len(bench.arrivals)
        past = bench.sent[-20:]
        for number in range(CALLS):
            request = Track.Request(
                command=(Track.Request.ADD, Track.Request.REFINE, Track.Request.REMOVE)[number % 3]
            )
            request.prompt = click(100 + 10 * number, 200)
            if request.command != Track.Request.ADD:
                request.object_id = kept[0]
            if request.command == Track.Request.REMOVE:
                request.object_id = kept.pop()
            elif number % 2:
                request.stamp = past[10]
            calls.append(bench.track.call_async(request))
            while not calls[-1].done():
                stream(1)
            if request.command == Track.Request.ADD and calls[-1].result().success:
                kept.append(calls[-1].result().objects[0].id)
            stream(3)
            past = bench.sent[-20:]
        disturbed = gaps(bench.arrivals[begin:])
    answered = sum(call.result().success for call in calls)
    return [
        at_most(
            'longest gap of the stream in calls / frame time',
            max(disturbed) / median(quiet),
            'x',
            2.0,
            f'{CALLS} calls in turns (ADD, REFINE, REMOVE; half of them on a past frame), '
            f'{answered} done; camera at {CAMERA_HZ:.0f} Hz; a frame takes '
            f'{1e3 * median(quiet):.0f} ms with {OBJECTS + 1} objects, the most that there are; '
            f'longest gap without calls {max(quiet) / median(quiet):.2f}x',
        )
    ]


def gaps(arrivals: list[float]) -> list[float]:
    """Return the times between arrivals [s]."""
    return [after - before for before, after in pairwise(arrivals)]


def soak(duration_s: float) -> list[Figure]:
    """A camera at 30 Hz for a long time, with calls of every kind."""
    pixels = [
        ball(100 + 4 * t, 240, size_wh=(640, 480)) for t in [*range(100), *range(100, 0, -1)]
    ]
    memory_mb: list[float] = []
    pending: list[Any] = []
    failed: list[str] = []
    calls = done = 0
    with own_domain() as ros:
        bench = Bench(ros, ros.start_node(NODE), pixels)
        begin = next_frame = next_call = time.perf_counter()
        commands = ('ADD', 'LIST', 'REFINE', 'ADD', 'REMOVE', 'SEGMENT', 'LIST', 'RESET')
        ids: list[int] = []

        def going() -> bool:
            nonlocal next_frame, next_call, calls, done
            now = time.perf_counter()
            if now >= next_frame:
                next_frame = max(next_frame + 1 / CAMERA_HZ, now - 1 / CAMERA_HZ)
                bench.send()
                bench.results[:-10] = []
                bench.arrivals[:-10] = []
                if len(bench.sent) % 30 == 0:
                    memory_mb.append(resident_mb(bench.process.pid))
            if now >= next_call:
                next_call += CALL_EVERY_S
                pending.append(call(bench, commands[calls % len(commands)], ids))
                calls += 1
            for future in [future for future in pending if future.done()]:
                pending.remove(future)
                done += 1
                answer = future.result()
                if not answer.success:
                    failed.append(answer.message)
                elif isinstance(answer, Track.Response) and answer.objects:
                    ids[:] = [answer.objects[-1].id]
            return now - begin >= duration_s or bench.process.poll() is not None

        ros.until(going, 'the end', timeout_s=duration_s + 60)
        crashed = bench.process.poll() is not None
        if not crashed:
            ros.until(lambda: all(future.done() for future in pending), 'the last answers')
            done += len(pending)
        rate = (len(bench.sent)) / (time.perf_counter() - begin)
        tracked = bench.value('frames tracked') if not crashed else '?'
    part = max(1, len(memory_mb) // 10)
    settled, end = median(memory_mb[part : 2 * part] or memory_mb), median(memory_mb[-part:])
    detail = (
        f'{duration_s:.0f} s, 640x480 at {rate:.1f} Hz, grabcut; {tracked} frames tracked; '
        f'{calls} calls, {len(failed)} refused {sorted(set(failed))[:2]}'
    )
    return [
        at_most('soak: crashes', float(crashed), '', 0.0, detail),
        at_most('soak: service calls without an answer', float(calls - done), '', 0.0),
        at_most(
            'soak: RSS at the end / after the first tenth', end / settled, 'x', 1.02,
            f'{settled:.0f} MB, then {end:.0f} MB',
        ),
    ]  # fmt: skip


def call(bench: Bench, command: str, ids: list[int]) -> Any:
    """Call a service of the node, on the newest object where it takes one; return the future."""
    if command == 'SEGMENT':
        return bench.segment.call_async(SegmentRequest.Request(prompts=[click(100, 240)]))
    request = Track.Request(command=getattr(Track.Request, command), prompt=click(100, 240))
    if command in ('REFINE', 'REMOVE') and ids:
        request.object_id = ids[-1]
    if command == 'ADD' and len(bench.sent) % 2:
        request.stamp = bench.sent[-10]
    return bench.track.call_async(request)


def resident_mb(pid: int) -> float:
    """Return how much memory a process holds [MB]."""
    fields = Path(f'/proc/{pid}/statm').read_text().split()
    return int(fields[1]) * os.sysconf('SC_PAGE_SIZE') / 1e6
