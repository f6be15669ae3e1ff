# SPDX-License-Identifier: Apache-2.0
"""Clicks and detections: messages that let objects be tracked."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from math import inf, isfinite
from threading import Lock
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, PointStamped
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.timer import Timer
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, ObjectHypothesisWithPose

from sam_common.errors import CameraModelError, SamError
from sam_common.ros.conversions import (
    calibration_from_msg,
    camera_from_msg,
    matrix_from_msg,
    stamp_to_ns,
)
from sam_common.ros.faults import explain
from sam_common.ros.tf_lookup import FrameError, TfLookup
from sam_common.ros.topic_input import TopicInput
from sam_common.steps import Steps
from sam_common.transforms import apply
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import FOREGROUND, Prompt
from sam_segmentation.ros.conversions import box_from_msg
from sam_segmentation.ros.parameters import options
from sam_segmentation.streaming.detections import detect
from sam_segmentation.streaming.engine import Engine
from sam_segmentation.streaming.frame_buffer import FrameBuffer
from sam_segmentation.streaming.requests import NewObject, add
from sam_segmentation.streaming.session import SessionView

# How much later than an image TF may come [s].
TF_WAIT_S = 0.2
# So many points may wait for TF; more come only from what went wrong.
MAX_TF_WAITS = 20


class PromptTopics:
    """Listens to the topics that prompt, and lets the tracker do what they ask for.

    Parameters
    ----------
    node : Node
    active : callable
        Returns the engine and the camera's frames; raises SamError while the node is not active.
    on_change : callable
        Called after what is tracked was changed; from any thread.

    Attributes
    ----------
    error : str
        Why the last prompt, or a part of it, failed; '' on success.
    left_out : int
        Detections that could not be tracked.

    """

    def __init__(
        self,
        node: Node,
        active: Callable[[], tuple[Engine, FrameBuffer]],
        on_change: Callable[[], None],
    ) -> None:
        self.error = ''
        self.left_out = 0
        self._node = node
        self._active = active
        self._on_change = on_change
        self._camera_info: CameraInfo | None = None
        self._frames = TfLookup(node)
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._retries: set[Timer] = set()
        self._lock = Lock()
        self._detecting = False
        self._waiting: Detection2DArray | None = None
        # A prompt is sent once: it must arrive.
        prompts = partial(TopicInput, node, depth=5, reliable=True)
        self._inputs: list[TopicInput] = []
        try:
            self._inputs += [prompts(Point, '~/click', self._on_click)]
            self._inputs += [prompts(PointStamped, '~/clicked_point', self._on_clicked_point)]
            self._inputs += [prompts(Detection2DArray, '~/prompt_detections', self._on_detections)]
            self._inputs += [
                TopicInput(node, CameraInfo, '~/camera_info', self._on_camera_info, latched=True)
            ]
        except Exception:
            self.close()
            raise

    @property
    def incompatible(self) -> str:
        """What keeps prompts away, and the remedy; '' if nothing does."""
        reasons = (source.incompatible for source in self._inputs if not source.received)
        return next(filter(None, reasons), '')

    def close(self) -> None:
        """End the topics."""
        self._frames.close()
        for source in self._inputs:
            source.close()
        for timer in self._retries:
            self._node.destroy_timer(timer)
        self._retries.clear()

    def _on_click(self, msg: Point) -> None:
        self._add_at(lambda: (msg.x, msg.y))

    def _on_clicked_point(self, msg: PointStamped) -> None:
        try:
            pixel = self._pixel_of(msg)
        except FrameError as error:
            if len(self._retries) >= MAX_TF_WAITS:
                self._refuse(error)
                return
            # TF often comes later than the image: once more, soon. A clock that stands still,
            # as a simulated one may, must not keep it from being told of.
            timer: Timer = self._node.create_timer(
                TF_WAIT_S, lambda: self._try_again(timer, msg), clock=self._clock
            )
            self._retries.add(timer)
        except SamError as error:
            self._refuse(error)
        else:
            self._add_at(lambda: pixel)

    def _try_again(self, timer: Timer, msg: PointStamped) -> None:
        self._retries.discard(timer)
        self._node.destroy_timer(timer)
        self._add_at(lambda: self._pixel_of(msg))

    def _pixel_of(self, msg: PointStamped) -> tuple[float, float]:
        """Return where a point lies in the newest image, whose time TF is asked for."""
        info = self._camera_info
        if info is None:
            raise PromptError(
                'a point in metres was clicked, but no camera_info has arrived; remap '
                "~/camera_info to the camera's"
            )
        _, buffer = self._active()
        image = buffer.current or buffer.newest()
        point = np.array([msg.point.x, msg.point.y, msg.point.z])
        frame_id = info.header.frame_id
        if msg.header.frame_id != frame_id:
            # The point stands still in its own frame, whenever it was clicked.
            source = Header(frame_id=msg.header.frame_id, stamp=image.header.stamp)
            tf_camera_source = matrix_from_msg(self._frames.lookup(frame_id, source))
            point = apply(tf_camera_source, point)
        height, width = image.image_rgb.shape[:2]
        camera = camera_from_msg(info, (width, height), **self._how_rectified())
        x, y = map(float, camera.project(point))
        if not (isfinite(x) and isfinite(y)):
            raise PromptError(
                f'point {tuple(point.tolist())} is not in front of the camera, within what its '
                f'lens shows; its z in {frame_id!r} must be above 0'
            )
        return x, y

    @property
    def calibration(self) -> str:
        """Which part of camera_info is used; '' before the first one."""
        if self._camera_info is None:
            return ''
        try:
            return calibration_from_msg(self._camera_info, **self._how_rectified())
        except CameraModelError as error:
            return str(error)

    def _how_rectified(self) -> dict[str, Any]:
        now = options(self._node)
        name = '~/image' if now.image_transport == 'raw' else '~/image/compressed'
        topic = self._node.resolve_topic_name(name)
        return {'rectified': now.rectified, 'topic': topic}

    def _add_at(self, pixel: Callable[[], tuple[float, float]]) -> None:
        """Track what is at a pixel of the newest frame."""
        try:
            engine, buffer = self._active()
            new = NewObject(Prompt(points_xy=[pixel()], labels=[FOREGROUND]))
            self._run(engine, add(engine.session, buffer, [new]), lambda: None)
        except SamError as error:
            self._refuse(error)

    def _on_detections(self, msg: Detection2DArray) -> None:
        # One message at a time, and of those that wait the newest: else an object would be added
        # once by each of the messages that come until it is tracked.
        with self._lock:
            if self._detecting:
                self._waiting = msg
                return
            self._detecting = True
        self._detect(msg)

    def _detect(self, msg: Detection2DArray) -> None:
        try:
            engine, buffer = self._active()
            left_out: dict[int, SamError] = {}
            numbers = _objects(msg, options(self._node).max_prompts, left_out)
            steps = detect(
                engine.session,
                buffer,
                list(numbers),
                stamp_ns=stamp_to_ns(msg.header.stamp),
                refuse=lambda new, error: left_out.update({numbers[new]: error}),
            )

            def done() -> None:
                self._tell_left_out(left_out, len(msg.detections))
                self._after_detections()

            self._run(engine, steps, done)
        except SamError as error:
            self._refuse(error)
            self._after_detections()
        except Exception:
            # Whatever it was, the next message is to be looked at.
            with self._lock:
                self._detecting, self._waiting = False, None
            raise

    def _tell_left_out(self, left_out: dict[int, SamError], count: int) -> None:
        if not left_out:
            return
        self.left_out += len(left_out)
        number, error = min(left_out.items())
        self._refuse(
            PromptError(
                f'{len(left_out)} of {count} detections left out; number {number}: {error}'
            )
        )

    def _after_detections(self) -> None:
        with self._lock:
            msg, self._waiting = self._waiting, None
            self._detecting = msg is not None
        if msg is not None:
            self._detect(msg)

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._camera_info = msg

    def _run(self, engine: Engine, steps: Steps[SessionView], then: Callable[[], None]) -> None:
        """Run a request in the worker; nobody waits for it, so errors go to the diagnostics."""

        def finished(future: Future[Any]) -> None:
            error = future.exception()
            if error is None:
                self.error = ''
                self._on_change()
            else:
                self._refuse(error)
            then()

        engine.track(steps).add_done_callback(finished)

    def _refuse(self, error: BaseException) -> None:
        if not self._node.context.ok():
            return  # the process ends, and errors of a job in flight are expected
        self.error = explain(error)
        self._node.get_logger().warning(f'prompt refused: {self.error}', throttle_duration_sec=5.0)


def _objects(
    msg: Detection2DArray, limit: int, left_out: dict[int, SamError]
) -> dict[NewObject, int]:
    """Return what was detected, by its box and best class, with its number in the message.

    What cannot be used goes to `left_out`; of more than `limit` the best scores are taken.
    """
    found: dict[NewObject, int] = {}
    for number, detection in enumerate(msg.detections, start=1):
        try:
            box = box_from_msg(detection.bbox)
            if box is None:
                raise PromptError('its box is 0 x 0 px and has no area; leave it out')
            best = max(detection.results, key=_score, default=None)
            new = NewObject(
                Prompt(box_xyxy=box),
                label=best.hypothesis.class_id if best else '',
                score=_score(best) if best else 0.0,
            )
        except PromptError as error:
            left_out[number] = error
        else:
            found[new] = number
    best_first = sorted(found, key=lambda new: -new.score)
    for new in best_first[limit:]:
        left_out[found.pop(new)] = PromptError(
            f'{len(best_first)} detections are more than max_prompts ({limit}), and its score is '
            'among the lowest; raise it, or filter them'
        )
    return found


def _score(result: ObjectHypothesisWithPose) -> float:
    """Return how sure a detector is; a score that is not finite counts as the lowest."""
    score = float(result.hypothesis.score)
    return score if isfinite(score) else -inf
