# SPDX-License-Identifier: Apache-2.0
"""Standing prompts, applied to each new frame, and what is published of the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from geometry_msgs.msg import Point, PointStamped
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from sam_interfaces.msg import ObjectMaskArray
from sam_segmentation.core.camera import project
from sam_segmentation.core.engine import Engine
from sam_segmentation.core.errors import PromptError, SamError
from sam_segmentation.core.frame_ring import NANOSECONDS, Frame
from sam_segmentation.core.masks import label_image
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.core.prompt import FOREGROUND, Prompt
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.ros import parameters
from sam_segmentation.ros.conversions import (
    array_to_image,
    box_from_msg,
    mask_to_msg,
    object_to_detection,
    object_to_msg,
    stamp_to_ns,
)


@dataclass(frozen=True)
class Standing:
    """A standing prompt: the object's id, what it is called, and where it is."""

    object_id: int
    label: str
    prompt: Prompt


class Stream:
    """Applies the standing prompts to frames and publishes what comes out.

    Parameters
    ----------
    node : LifecycleNode
    on_change : callable
        Called after the standing prompts changed.

    Attributes
    ----------
    standing : tuple of Standing
        What is applied to each new frame.
    processed : int
        Frames that were segmented.
    error : str
        Why the last standing prompt, or the last frame, came to nothing; empty: it did not.
    latency_s : float
        From the last processed image's stamp to its publishing [s].

    """

    def __init__(self, node: LifecycleNode, on_change: Callable[[], None]) -> None:
        self.standing: tuple[Standing, ...] = ()
        self.processed = 0
        self.error = ''
        self.latency_s = 0.0
        self._done: tuple[Frame, tuple[Standing, ...]] | None = None
        self._node = node
        self._on_change = on_change
        self._camera_info: CameraInfo | None = None
        publish, subscribe = node.create_lifecycle_publisher, node.create_subscription
        self._masks = publish(Image, '~/mask', qos_profile_sensor_data)
        self._overlays = publish(Image, '~/mask_overlay', qos_profile_sensor_data)
        self._objects = publish(ObjectMaskArray, '~/objects', 5)
        self._detections = publish(Detection2DArray, '~/detections', 5)
        self._publishers = (self._masks, self._overlays, self._objects, self._detections)
        self._subscriptions = [
            subscribe(Point, '~/click', self._on_click, 5),
            subscribe(PointStamped, '~/clicked_point', self._on_clicked_point, 5),
            subscribe(Detection2DArray, '~/prompt_detections', self._on_detections, 5),
            subscribe(CameraInfo, '~/camera_info', self._on_camera_info, qos_profile_sensor_data),
        ]

    @property
    def subscribers(self) -> int:
        """How many listen to what is published."""
        return sum(publisher.get_subscription_count() for publisher in self._publishers)

    @property
    def wanted(self) -> bool:
        """Whether there is something to segment and somebody to see it."""
        return bool(self.standing) and self.subscribers > 0

    def clear(self) -> int:
        """Drop the standing prompts; return how many there were."""
        count = len(self.standing)
        self.standing = ()
        self.error = ''
        return count

    def close(self) -> None:
        """End every topic of the stream."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def process(self, frame: Frame, engine: Engine) -> None:
        """Segment a frame and publish; to be called from the engine's worker.

        Raises
        ------
        SamError
            If the frame cannot be decoded or segmented.

        """
        standing = self.standing
        # A frame that came while an earlier one was picked up is offered a second time.
        if not standing or self._done == (frame, standing):
            return
        self._done = (frame, standing)
        image_rgb = frame.image_rgb
        self.error = ''
        usable = self._usable(standing, (image_rgb.shape[1], image_rgb.shape[0]))
        answers = engine.segment(
            frame,
            lambda: image_rgb,
            [entry.prompt for entry in usable],
            refine_rounds=parameters.value(self._node, 'refine_rounds'),
        )
        threshold = parameters.value(self._node, 'confidence_threshold')
        found = [
            (entry, best)
            for entry, [best, *_] in zip(usable, answers, strict=True)
            if best.score >= threshold
        ]
        self.processed += 1
        self._publish(frame, image_rgb, found, engine.segmenter.name)

    def _usable(self, standing: tuple[Standing, ...], size_wh: tuple[int, int]) -> list[Standing]:
        """Return the prompts that lie in the image; the others are told of."""
        usable = []
        for entry in standing:
            try:
                entry.prompt.check_fits(size_wh)
            except PromptError as error:
                self._refuse(error)
            else:
                usable.append(entry)
        return usable

    def _publish(
        self, frame: Frame, image_rgb: Any, found: list[tuple[Standing, ScoredMask]], model: str
    ) -> None:
        header: Header = frame.header
        height, width = image_rgb.shape[:2]
        masks = [mask.mask for _, mask in found]
        ids = [entry.object_id for entry, _ in found]
        labels = label_image(masks, ids, (width, height))
        objects = [
            object_to_msg(mask, entry.object_id, header, label=entry.label, with_mask=False)
            for entry, mask in found
        ]
        if self._masks.get_subscription_count():
            self._masks.publish(mask_to_msg(labels != 0, header))
        if self._overlays.get_subscription_count():
            texts = [f'{obj.label or obj.id} {obj.score:.2f}' for obj in objects]
            overlay = draw_overlay(image_rgb, masks, ids, texts=texts)
            self._overlays.publish(array_to_image(overlay, 'rgb8', header))
        if self._detections.get_subscription_count():
            detections = [object_to_detection(obj, header) for obj in objects if obj.area]
            self._detections.publish(Detection2DArray(header=header, detections=detections))
        now_ns = self._node.get_clock().now().nanoseconds
        self.latency_s = (now_ns - stamp_to_ns(header.stamp)) / NANOSECONDS
        if self._objects.get_subscription_count():
            self._objects.publish(
                ObjectMaskArray(
                    header=header,
                    label_image=array_to_image(labels, 'mono16', header),
                    objects=objects,
                    model=model,
                    latency=float(np.float32(self.latency_s)),
                )
            )

    def _on_click(self, msg: Point) -> None:
        self._stand_at(msg.x, msg.y)

    def _on_clicked_point(self, msg: PointStamped) -> None:
        info = self._camera_info
        try:
            if info is None:
                raise PromptError(
                    'a point in metres was clicked, but no camera_info has arrived; remap '
                    "~/camera_info to the camera's"
                )
            if msg.header.frame_id != info.header.frame_id:
                raise PromptError(
                    f'the clicked point is in frame {msg.header.frame_id!r}, the camera in '
                    f"{info.header.frame_id!r}; set RViz's fixed frame to the camera's"
                )
            point = (msg.point.x, msg.point.y, msg.point.z)
            self._stand_at(*project(point, info.k, info.d, distortion_model=info.distortion_model))
        except SamError as error:
            self._refuse(error)

    def _stand_at(self, x: float, y: float) -> None:
        try:
            prompt = Prompt(points_xy=[(x, y)], labels=[FOREGROUND])
        except PromptError as error:
            self._refuse(error)
        else:
            self._stand((Standing(1, '', prompt),))

    def _on_detections(self, msg: Detection2DArray) -> None:
        limit = parameters.value(self._node, 'max_prompts')
        try:
            if len(msg.detections) > limit:
                raise PromptError(
                    f'{len(msg.detections)} detections are more than max_prompts ({limit}); '
                    'raise it, or filter them'
                )
            standing = []
            for number, detection in enumerate(msg.detections, start=1):
                box = box_from_msg(detection.bbox)
                if box is None:
                    raise PromptError(f'detection {number} has a box of no area; leave it out')
                best = max(detection.results, key=lambda r: r.hypothesis.score, default=None)
                label = best.hypothesis.class_id if best else ''
                standing.append(Standing(number, label, Prompt(box_xyxy=box)))
        except PromptError as error:
            self._refuse(error)
        else:
            self._stand(tuple(standing))

    def _on_camera_info(self, msg: CameraInfo) -> None:
        self._camera_info = msg

    def _stand(self, standing: tuple[Standing, ...]) -> None:
        self.standing = standing
        self.error = ''
        self._on_change()

    def _refuse(self, error: SamError) -> None:
        self.error = str(error)
        self._node.get_logger().warning(f'prompt refused: {error}', throttle_duration_sec=5.0)
