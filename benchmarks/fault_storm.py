# SPDX-License-Identifier: Apache-2.0
"""Both nodes under eight clients, a hostile camera, hostile parameters, and transitions."""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path += [str(ROOT / 'sam_grasping' / 'test'), str(ROOT / 'sam_grasping' / 'test' / 'ros')]

from builtin_interfaces.msg import Time  # noqa: E402
from drawing import ball, click  # noqa: E402
from geometry_msgs.msg import Point, PointStamped  # noqa: E402
from hostile_messages import hostile, spoiled  # noqa: E402
from lifecycle_msgs.msg import Transition  # noqa: E402
from lifecycle_msgs.srv import ChangeState  # noqa: E402
from node_tracking import resident_mb  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import ListParameters, SetParameters  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile  # noqa: E402
from report import Figure, at_most  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from std_msgs.msg import Header  # noqa: E402
from tabletop_camera import camera_info, depth_image, objects_message  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from vision_msgs.msg import Detection2DArray  # noqa: E402

from conftest import Ros, own_domain  # noqa: E402
from sam_common.ros.conversions import array_to_image  # noqa: E402
from sam_interfaces.msg import ObjectMaskArray  # noqa: E402
from sam_interfaces.srv import (  # noqa: E402
    PlanGrasps,
    SegmentEverything,
    SegmentRequest,
    Track,
)

CLIENTS, CAMERA_HZ, STOP_S = 8, 15.0, 2.0
# A node that does not say within this what it tracks hangs; no request lasts longer than that.
HANG_S, BOUND_S = 5.0, 60.0
SIZE_WH = (320, 240)
# What every subscription takes.
QOS = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# Each would be reported as an answer without a cause.
NO_CAUSE = ('internal error', 'please report')
TOPICS = {
    '/sam/image': Image,
    '/sam/image/compressed': CompressedImage,
    '/sam/click': Point,
    '/sam/clicked_point': PointStamped,
    '/sam/prompt_detections': Detection2DArray,
    '/sam/camera_info': CameraInfo,
    '/sam_grasping/depth': Image,
    '/sam_grasping/camera_info': CameraInfo,
    '/sam_grasping/objects': ObjectMaskArray,
    '/tf': TFMessage,
    '/tf_static': TFMessage,
}
BACK = (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
# What brings a node that was given nonsense for a parameter back to work.
SANE = {'model': 'grabcut', 'checkpoint': '', 'device': 'cpu', 'image_transport': 'raw',
        'memory_policy': 'fifo', 'planner': 'geometric', 'depth_transport': 'raw',
        'target_frame': ''}  # fmt: skip


def storm(duration_s: float) -> list[Figure]:
    """Ask, publish, set and change states for a time; then end both nodes."""
    with own_domain() as ros:
        return _Storm(ros).rage(duration_s)


class _Storm:
    """Two nodes, and all that is done to them."""

    def __init__(self, ros: Ros) -> None:
        self.ros, self.rng = ros, np.random.default_rng(11)
        self.processes = {
            '/sam': ros.start_node('sam_segmentation.ros.sam_node', stderr=-3),
            '/sam_grasping': ros.start_node('sam_grasping.ros.grasp_node', stderr=-3),
        }
        self.publishers = {
            topic: ros.node.create_publisher(kind, topic, QOS) for topic, kind in TOPICS.items()
        }
        self.services = [
            ros.client(SegmentRequest, '/sam/segment'),
            ros.client(SegmentEverything, '/sam/segment_everything'),
            ros.client(Track, '/sam/track'),
            ros.client(PlanGrasps, '/sam_grasping/plan'),
        ]
        self.change = {n: ros.client(ChangeState, f'{n}/change_state') for n in self.processes}
        self.set = {n: ros.client(SetParameters, f'{n}/set_parameters') for n in self.processes}
        self.names = {
            n: list(ros.call(ros.client(ListParameters, f'{n}/list_parameters'),
                             ListParameters.Request()).result.names)
            for n in self.processes
        }  # fmt: skip
        # Somebody listens, else nothing is tracked.
        ros.listen(ObjectMaskArray, '/sam/objects')
        self.sent = 0
        self.good: dict[str, Any] = {}
        self.waiting: list[tuple[Any, float, str]] = []
        self.times_s: list[float] = []
        self.probes: list[tuple[Any, float]] = []
        self.probes_s: list[float] = []
        self.no_cause: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.succeeded = 0
        self.memory_mb: dict[str, list[float]] = {name: [] for name in self.processes}

    def rage(self, duration_s: float) -> list[Figure]:
        """Do everything in turns; return what was seen."""
        begin = time.monotonic()
        every: dict[Callable[[], None], float] = {
            self._see: 1 / CAMERA_HZ,
            self._spoil_a_topic: 0.02,
            self._change_state: 1.5,
            self._set_parameters: 0.5,
            self._bring_back: 4.0,
            self._measure: 1.0,
            self._probe: 0.5,
        }
        due = dict.fromkeys(every, begin)

        def going() -> bool:
            now = time.monotonic()
            for action, period_s in every.items():
                if now >= due[action]:
                    due[action] = now + period_s
                    action()
            self._take_answers(now)
            while len(self.waiting) < CLIENTS:
                self._ask(now)
            return now - begin >= duration_s or not self._alive()

        self.ros.until(going, 'the end', timeout_s=duration_s + 60)
        crashed = [name for name, process in self.processes.items() if process.poll() is not None]
        if not crashed:
            end = time.monotonic() + 70
            self.ros.until(
                lambda: self._take_answers(time.monotonic())
                or not (self.waiting or self.probes)
                or time.monotonic() > end, 'the last answers', timeout_s=80,
            )  # fmt: skip
        unanswered = len(self.waiting) + len(self.probes)
        stopped_s = self._stop()
        asked = ', '.join(f'{name} {count}' for name, count in self.asked.items())
        detail = (
            f'{duration_s:.0f} s, {CLIENTS} clients, {self.succeeded} requests succeeded; {asked}'
        )
        return [
            at_most('storm: nodes that ended', len(crashed), '', 0, f'{detail} {crashed or ""}'),
            at_most('storm: never answered', unanswered, '', 0),
            at_most(
                'storm: longest wait for LIST, asked all the time', max(self.probes_s), 's',
                HANG_S, f'{len(self.probes_s)} times, median {1e3 * median(self.probes_s):.0f} ms',
            ),
            at_most(
                'storm: longest wait for work', max(self.times_s), 's', BOUND_S,
                f'median {1e3 * median(self.times_s):.0f} ms; the bound is request_timeout_s',
            ),
            at_most(
                'storm: answers without a cause', sum(self.no_cause.values()), '', 0,
                str(self.no_cause.most_common(3) or ''),
            ),
            *(self._memory(name) for name in self.processes),
            at_most('storm: longest end after SIGTERM', stopped_s, 's', STOP_S),
        ]  # fmt: skip

    def _memory(self, name: str) -> Figure:
        seen = self.memory_mb[name]
        tenth = max(1, len(seen) // 10)
        settled, end = median(seen[tenth : 3 * tenth] or seen), median(seen[-tenth:])
        return at_most(
            f'storm: RSS of {name}, last tenth / second and third', end / settled, 'x', 1.2,
            f'{settled:.0f} MB, then {end:.0f} MB, at most {max(seen):.0f} MB',
        )  # fmt: skip

    def _alive(self) -> bool:
        return all(process.poll() is None for process in self.processes.values())

    def _see(self) -> None:
        """Publish what both nodes work with, most of the time."""
        self.sent += 1
        header = Header(
            stamp=Time(sec=self.sent // 15, nanosec=self.sent % 15 * 66_000_000),
            frame_id='optical',
        )
        pixels = ball(60 + self.sent % 100, 120, size_wh=SIZE_WH)
        self.good = {
            '/sam/image': array_to_image(pixels, 'rgb8', header),
            '/sam/camera_info': camera_info(header=header),
            '/sam_grasping/depth': depth_image(header=header),
            '/sam_grasping/camera_info': camera_info(header=header),
            '/sam_grasping/objects': objects_message(header),
        }
        for topic, message in self.good.items():
            self.publishers[topic].publish(message)

    def _spoil_a_topic(self) -> None:
        topic = str(self.rng.choice(list(TOPICS)))
        good = self.good.get(topic)
        if good is not None and self.rng.random() < 0.6:
            message = spoiled(good, self.rng)
        else:
            sane = float(self.rng.choice([0.0, 0.5, 0.9]))
            message = hostile(TOPICS[topic], self.rng, sane=sane)
        self.publishers[topic].publish(message)
        self.asked['messages'] += 1

    def _change_state(self) -> None:
        name = str(self.rng.choice(list(self.change)))
        number = int(self.rng.choice([1, 2, 3, 4, 99, 255, int(self.rng.integers(10, 256))]))
        self._call(self.change[name], ChangeState.Request(transition=Transition(id=number)))
        self.asked['transitions'] += 1

    def _set_parameters(self) -> None:
        name = str(self.rng.choice(list(self.set)))
        value = hostile(ParameterValue, self.rng, sane=0.3)
        parameter = Parameter(name=str(self.rng.choice(self.names[name])), value=value)
        if parameter.name in ('use_sim_time', 'request_timeout_s', 'segment_timeout_s'):
            return  # which only say how long an answer may take
        self._call(self.set[name], SetParameters.Request(parameters=[parameter]))
        self.asked['parameters'] += 1

    def _bring_back(self) -> None:
        for name, client in self.set.items():
            values = [
                Parameter(name=key, value=ParameterValue(
                    type=ParameterType.PARAMETER_STRING, string_value=value))
                for key, value in SANE.items() if key in self.names[name]
            ]  # fmt: skip
            self._call(client, SetParameters.Request(parameters=values))
            for number in BACK:
                request = ChangeState.Request(transition=Transition(id=number))
                self._call(self.change[name], request)

    def _ask(self, now: float) -> None:
        client = self.services[int(self.rng.integers(len(self.services)))]
        request = self._request(client)
        self.asked[client.srv_name] += 1
        self.waiting.append((client.call_async(request), now, client.srv_name))

    def _request(self, client: Any) -> Any:
        kind = client.srv_type
        if self.rng.random() < 0.5:
            return hostile(kind.Request, self.rng, sane=float(self.rng.choice([0.0, 0.5, 0.9])))
        prompt = click(60 + int(self.rng.integers(100)), 120)
        if kind is SegmentRequest:
            return kind.Request(prompts=[prompt] * int(self.rng.integers(1, 4)))
        if kind is PlanGrasps:
            return kind.Request(object_id=2) if self.rng.random() < 0.5 else kind.Request(
                prompt=prompt)  # fmt: skip
        if kind is Track:
            return kind.Request(command=int(self.rng.integers(5)), prompt=prompt, object_id=1)
        return kind.Request(points_per_side=int(self.rng.integers(1, 65)))

    def _call(self, client: Any, request: Any) -> None:
        self.waiting.append((client.call_async(request), time.monotonic(), client.srv_name))

    def _take_answers(self, now: float) -> None:
        left = []
        for future, begun, name in self.waiting:
            if not future.done():
                left.append((future, begun, name))
                continue
            self.times_s.append(now - begun)
            self._look_at(future.result(), name)
        self.waiting = left
        done = [(future, begun) for future, begun in self.probes if future.done()]
        self.probes_s += [now - begun for _, begun in done]
        self.probes = [probe for probe in self.probes if not probe[0].done()]

    def _look_at(self, answer: Any, name: str) -> None:
        message = getattr(answer, 'message', None)
        if message is None:
            return
        self.succeeded += answer.success
        if not message.strip() or any(word in message for word in NO_CAUSE):
            self.no_cause[f'{name}: {message[:100]}'] += 1

    def _probe(self) -> None:
        """Ask what needs no work: whoever does not answer that hangs."""
        request = Track.Request(command=Track.Request.LIST)
        self.probes.append((self.services[2].call_async(request), time.monotonic()))

    def _measure(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is None:
                self.memory_mb[name].append(resident_mb(process.pid))

    def _stop(self) -> float:
        """End both nodes while they work; return how long the slower one took [s]."""
        for _ in range(4):
            self._ask(time.monotonic())
        begin = time.monotonic()
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            process.wait(60)
        return time.monotonic() - begin
