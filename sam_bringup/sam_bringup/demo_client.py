# SPDX-License-Identifier: Apache-2.0
"""The demo's side of ROS: it watches the camera and asks the nodes, as any other one would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any, TypeVar

import numpy as np
import rclpy
import tf2_ros
from geometry_msgs.msg import Point
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage

from sam_common.camera_model import CameraModel
from sam_common.errors import SamError
from sam_common.ros.answers import GraspPlan, SegmentedObject
from sam_common.ros.client import SamClient, ServiceError
from sam_common.ros.compressed_depth import depth_from_compressed
from sam_common.ros.conversions import (
    camera_from_msg,
    compressed_to_rgb,
    labels_from_msg,
    matrix_from_msg,
    stamp_to_ns,
)
from sam_common.types import Float32Array, FloatArray, UInt8Array, UInt16Array
from sam_interfaces.msg import ObjectMaskArray

T = TypeVar('T')


class DemoError(SamError):
    """The demo cannot go on; says what is missing."""


@dataclass(frozen=True, eq=False)
class Shot:
    """One camera frame with its ground truth.

    Parameters
    ----------
    header : std_msgs/Header
    image_rgb : array of uint8, shape (H, W, 3)
    labels : array of uint16, shape (H, W)
        The id of the object that each pixel shows, 0 for none.
    names : dict of int to str
        What each object is called.

    """

    header: Any
    image_rgb: UInt8Array
    labels: UInt16Array
    names: dict[int, str]


def labels_of(message: ObjectMaskArray) -> UInt16Array:
    """Return the label image of a message, uint16 (H, W)."""
    return labels_from_msg(message.label_image)


# One odd stamp begins nothing anew: the node waits for several frames, or for those of a second.
BELIEVED_NS = 1_000_000_000


class DemoClient:
    """Collects frames with their ground truth and asks both nodes.

    Attributes
    ----------
    sam : SamClient
    streamed : list of ObjectMaskArray
        What came on /sam/objects.
    passes : int
        How often the bag began anew.

    """

    def __init__(self) -> None:
        self._node = rclpy.create_node('sam_demo')
        self._images: dict[int, CompressedImage] = {}
        self._depths: dict[int, CompressedImage] = {}
        self._camera_info: list[CameraInfo] = []
        self._newest_ns = 0
        self.passes = 0
        self._truths: dict[int, ObjectMaskArray] = {}
        self.streamed: list[ObjectMaskArray] = []
        listen = self._node.create_subscription
        listen(
            CompressedImage,
            '/camera/color/image_raw/compressed',
            self._on_image,
            qos_profile_sensor_data,
        )
        listen(
            ObjectMaskArray,
            '/camera/ground_truth',
            lambda msg: self._truths.__setitem__(stamp_to_ns(msg.header.stamp), msg),
            qos_profile_sensor_data,
        )
        depth = '/camera/aligned_depth_to_color'
        listen(
            CompressedImage,
            f'{depth}/image_raw/compressedDepth',
            lambda msg: self._depths.__setitem__(stamp_to_ns(msg.header.stamp), msg),
            qos_profile_sensor_data,
        )
        listen(
            CameraInfo,
            f'{depth}/camera_info',
            self._camera_info.append,
            qos_profile_sensor_data,
        )
        listen(ObjectMaskArray, '/sam/objects', self.streamed.append, 5)
        self._tf = tf2_ros.Buffer()
        self._tf_listener = tf2_ros.TransformListener(self._tf, self._node)
        self._clicks = self._node.create_publisher(Point, '/sam/click', 1)
        self.sam = SamClient(self._node)

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
        """Wait for a condition; raises DemoError when it does not come."""
        deadline = monotonic() + timeout_s
        while not condition():
            if monotonic() > deadline:
                raise DemoError(f'{what}: nothing within {timeout_s:g} s')
            rclpy.spin_once(self._node, timeout_sec=0.05)

    def wait_for_node(self) -> None:
        """Wait until the nodes offer their services."""
        for client in self.sam.asynchronous.services.values():
            self.until(client.service_is_ready, f'service {client.srv_name}')

    def shots(self, count: int) -> list[Shot]:
        """Wait for `count` different frames with ground truth; return them in order of time."""
        self.until(
            lambda: len(self._images.keys() & self._truths.keys()) >= count,
            f'{count} images on /camera/color/image_raw/compressed with ground truth',
        )
        stamps = sorted(self._images.keys() & self._truths.keys())
        return [self._shot(self._images[stamp], self._truths[stamp]) for stamp in stamps]

    def segment(self, shot: Shot, **prompt: Any) -> tuple[SegmentedObject, float]:
        """Segment what a prompt means; return the best mask, and how long it took [s]."""
        stamp_ns = stamp_to_ns(shot.header.stamp)
        found, seconds = self._ask(lambda: self.sam.segment(stamp_ns=stamp_ns, **prompt))
        return found[0], seconds

    def plan(self, shot: Shot, **prompt: Any) -> tuple[GraspPlan, float]:
        """Plan grasps of what a prompt means; return them, and how long it took [s]."""
        stamp_ns = stamp_to_ns(shot.header.stamp)
        return self._ask(lambda: self.sam.plan(stamp_ns=stamp_ns, **prompt))

    def depth(self, shot: Shot) -> tuple[Float32Array, CameraModel]:
        """Return a frame's depth, float32 (H, W) [m], NaN: no reading; and its camera."""
        stamp_ns = stamp_to_ns(shot.header.stamp)
        self.until(
            lambda: self._camera_info and stamp_ns in self._depths,
            'depth of the frame, and camera_info, under /camera/aligned_depth_to_color',
        )
        depth_m = depth_from_compressed(self._depths[stamp_ns])
        height, width = depth_m.shape
        camera = camera_from_msg(
            self._camera_info[-1], (width, height), rectified='false', topic=''
        )
        return depth_m, camera

    def tf_camera(self, shot: Shot, frame: str) -> FloatArray:
        """Return the transform (4, 4) from a frame to the camera's, when it took the frame."""
        camera, stamp = shot.header.frame_id, Time.from_msg(shot.header.stamp)
        if frame == camera:  # TF knows no frame that nobody broadcasts, not even to itself
            return np.eye(4)
        self.until(
            lambda: self._tf.can_transform(camera, frame, stamp), f'TF from {frame} to {camera}'
        )
        return matrix_from_msg(self._tf.lookup_transform(camera, frame, stamp).transform)

    def segment_everything(self, shot: Shot) -> tuple[list[SegmentedObject], float]:
        """Segment everything in a frame; return it, and how long it took [s]."""
        stamp_ns = stamp_to_ns(shot.header.stamp)
        return self._ask(lambda: self.sam.segment_everything(stamp_ns=stamp_ns))

    def click(self, x: float, y: float) -> tuple[ObjectMaskArray, float]:
        """Click on the live image; return the first result on the stream, and its delay [s]."""
        self.until(self._clicks.get_subscription_count, 'the node to listen for clicks')
        self.streamed.clear()
        begin = perf_counter()
        self._clicks.publish(Point(x=x, y=y))
        self.until(lambda: self.streamed, 'masks on /sam/objects')
        result, seconds = self.streamed[0], perf_counter() - begin
        self.sam.reset()
        return result, seconds

    def next_pass(self) -> Shot:
        """Wait until the bag has begun anew, and the node believes that; return a frame since."""
        passes = self.passes
        self.until(lambda: self.passes > passes, 'the bag to begin anew')
        believed_ns = self._newest_ns + BELIEVED_NS
        self.until(lambda: self._newest_ns >= believed_ns, 'the first second of the bag')
        return self.newest_shot()

    def newest_shot(self) -> Shot:
        """Return the camera's newest frame; its ground truth is known."""
        self.until(lambda: self._newest_ns in self._truths, 'the ground truth of a frame')
        return self._shot(self._images[self._newest_ns], self._truths[self._newest_ns])

    def shot_at(self, stamp: Any) -> Shot | None:
        """Return a frame by its stamp, if it was seen."""
        stamp_ns = stamp_to_ns(stamp)
        if stamp_ns not in self._images or stamp_ns not in self._truths:
            return None
        return self._shot(self._images[stamp_ns], self._truths[stamp_ns])

    def close(self) -> None:
        """Leave ROS."""
        self.sam.close()
        self._node.destroy_node()

    def _on_image(self, msg: CompressedImage) -> None:
        stamp_ns = stamp_to_ns(msg.header.stamp)
        self._images[stamp_ns] = msg
        self.passes += stamp_ns < self._newest_ns
        self._newest_ns = stamp_ns

    def _ask(self, ask: Callable[[], T]) -> tuple[T, float]:
        """Ask until it succeeds: a frame that is no longer buffered comes again with the loop."""
        deadline = monotonic() + 20.0
        while True:
            begin = perf_counter()
            try:
                return ask(), perf_counter() - begin
            except ServiceError as error:
                again = 'buffered' in str(error) or 'no image' in str(error)
                if not again or monotonic() > deadline:
                    raise
            rclpy.spin_once(self._node, timeout_sec=0.1)

    def _shot(self, image: CompressedImage, truth: ObjectMaskArray) -> Shot:
        names = {obj.id: obj.label for obj in truth.objects}
        return Shot(image.header, compressed_to_rgb(image), labels_of(truth), names)
