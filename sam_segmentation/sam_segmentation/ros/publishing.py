# SPDX-License-Identifier: Apache-2.0
"""What `sam_node` publishes of the tracked objects."""

from __future__ import annotations

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from sam_common.masks import label_image
from sam_common.ros.conversions import array_to_image, mask_to_msg, stamp_to_ns
from sam_common.ros.published_topics import PublishedTopics
from sam_common.stamp_order import NANOSECONDS
from sam_common.types import UInt8Array
from sam_interfaces.msg import ObjectMaskArray
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.core.tracked_mask import ObjectState, TrackedMask
from sam_segmentation.ros.conversions import object_to_detection, tracked_to_msg
from sam_segmentation.streaming.frame_buffer import Frame
from sam_segmentation.streaming.session import SessionView


class Publishing(PublishedTopics):
    """The topics that the tracked objects come out on."""

    def __init__(self, node: LifecycleNode) -> None:
        super().__init__(node)
        self._masks = self.add(Image, '~/mask', qos_profile_sensor_data)
        self._overlays = self.add(Image, '~/mask_overlay', qos_profile_sensor_data)
        self._objects = self.add(ObjectMaskArray, '~/objects')
        self._detections = self.add(Detection2DArray, '~/detections')

    def publish(self, view: SessionView, *, model: str, threshold: float) -> float:
        """Publish every object, and the masks of those that are seen well enough.

        Parameters
        ----------
        view : SessionView
            Of a frame.
        model : str
            Its name.
        threshold : float
            Masks with a lower score are left out [0-1].

        Returns
        -------
        float
            From the image's stamp to now [s].

        """
        frame = view.frame
        if frame is None:
            return 0.0
        header: Header = frame.header
        shown = [obj for obj in view.objects if _is_shown(obj, threshold)]
        height, width = frame.image_rgb.shape[:2]
        masks, ids = [obj.mask for obj in shown], [obj.object_id for obj in shown]
        objects, plain = (
            publisher.get_subscription_count() for publisher in (self._objects, self._masks)
        )
        labels = label_image(masks, ids, (width, height)) if objects or plain else None
        now_ns = self._node.get_clock().now().nanoseconds
        latency_s: float = (now_ns - stamp_to_ns(header.stamp)) / NANOSECONDS
        # First what other nodes act on, last what people look at.
        if objects and labels is not None:
            self._objects.publish(
                ObjectMaskArray(
                    header=header,
                    label_image=array_to_image(labels, 'mono16', header),
                    objects=[
                        tracked_to_msg(
                            obj, header, with_mask=False, hidden=obj.object_id not in ids
                        )
                        for obj in view.objects
                    ],
                    model=model,
                    latency=float(np.float32(latency_s)),
                )
            )
        if self._detections.get_subscription_count():
            detections = [object_to_detection(obj, header) for obj in shown]
            self._detections.publish(Detection2DArray(header=header, detections=detections))
        if plain and labels is not None:
            self._masks.publish(mask_to_msg(labels != 0, header))
        if self._overlays.get_subscription_count():
            self._overlays.publish(array_to_image(_overlay(frame, view, shown), 'rgb8', header))
        return latency_s


def _is_shown(obj: TrackedMask, threshold: float) -> bool:
    return obj.state is ObjectState.VISIBLE and obj.area > 0 and obj.score >= threshold


def _overlay(frame: Frame, view: SessionView, shown: list[TrackedMask]) -> UInt8Array:
    """Draw what is shown with id, name and score, and write down what is hidden."""
    ids = {obj.object_id for obj in shown}
    hidden = [obj for obj in view.objects if obj.object_id not in ids]
    return draw_overlay(
        frame.image_rgb,
        [obj.mask for obj in shown],
        [obj.object_id for obj in shown],
        texts=[_text(obj) for obj in shown],
        notes=[_text(obj) for obj in hidden],
    )


def _text(obj: TrackedMask) -> str:
    return ' '.join(
        part
        for part in (str(obj.object_id), obj.label, f'{obj.score:.2f}', obj.state.name.lower())
        if part
    )
