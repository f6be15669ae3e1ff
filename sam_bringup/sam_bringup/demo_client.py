# SPDX-License-Identifier: Apache-2.0
"""The demo's side of ROS: it watches the camera and asks the nodes, as any other one would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic, perf_counter
from typing import Any

import numpy as np
import rclpy
import tf2_ros
from geometry_msgs.msg import Point
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import CameraInfo, CompressedImage
from vision_msgs.msg import Point2D

from sam_common.camera_model import CameraModel
from sam_common.ros.compressed_depth import depth_from_compressed
from sam_common.ros.conversions import (
    box_to_msg,
    camera_from_msg,
    compressed_to_rgb,
    matrix_from_msg,
    stamp_to_ns,
)
from sam_common.types import Float32Array, FloatArray, UInt8Array, UInt16Array
from sam_interfaces.msg import GraspArray, ObjectMask, ObjectMaskArray, Prompt
from sam_interfaces.srv import PlanGrasps, SegmentEverything, SegmentRequest, Track


class DemoError(Exception):
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
    image = message.label_image
    return np.frombuffer(image.data, np.uint16).reshape(image.height, image.width)


# One odd stamp begins nothing anew: the node waits for several frames, or for those of a second.
BELIEVED_NS = 1_000_000_000


class DemoClient:
    """Collects frames with their ground truth and calls the services of both nodes.

    Attributes
    ----------
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
        self._segment = self._node.create_client(SegmentRequest, '/sam/segment')
        self._everything = self._node.create_client(SegmentEverything, '/sam/segment_everything')
        self._track = self._node.create_client(Track, '/sam/track')
        self._plan = self._node.create_client(PlanGrasps, '/sam_grasping/plan')

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> None:
        """Wait for a condition; raises DemoError when it does not come."""
        deadline = monotonic() + timeout_s
        while not condition():
            if monotonic() > deadline:
                raise DemoError(f'{what}: nothing within {timeout_s:g} s')
            rclpy.spin_once(self._node, timeout_sec=0.05)

    def wait_for_node(self) -> None:
        """Wait until the nodes offer their services."""
        for client in (self._segment, self._everything, self._track, self._plan):
            self.until(client.service_is_ready, f'service {client.srv_name}')

    def shots(self, count: int) -> list[Shot]:
        """Wait for `count` different frames with ground truth; return them in order of time."""
        self.until(
            lambda: len(self._images.keys() & self._truths.keys()) >= count,
            f'{count} images on /camera/color/image_raw/compressed with ground truth',
        )
        stamps = sorted(self._images.keys() & self._truths.keys())
        return [self._shot(self._images[stamp], self._truths[stamp]) for stamp in stamps]

    def segment(self, shot: Shot, prompts: list[Prompt]) -> tuple[list[ObjectMask], float]:
        """Segment one object per prompt; return them, and how long it took [s]."""
        request = SegmentRequest.Request(prompts=prompts, stamp=shot.header.stamp)
        answer, seconds = self._ask(self._segment, request)
        return answer.objects, seconds

    def plan(self, shot: Shot, prompt: Prompt) -> tuple[GraspArray, float]:
        """Plan grasps of what a prompt means; return them, and how long it took [s]."""
        request = PlanGrasps.Request(prompt=prompt, stamp=shot.header.stamp)
        answer, seconds = self._ask(self._plan, request, empty_is_fine=True)
        return answer.grasps, seconds

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

    def segment_everything(self, shot: Shot) -> tuple[ObjectMaskArray, float]:
        """Segment everything in a frame; return it, and how long it took [s]."""
        request = SegmentEverything.Request(stamp=shot.header.stamp)
        answer, seconds = self._ask(self._everything, request)
        return answer.objects, seconds

    def click(self, x: float, y: float) -> tuple[ObjectMaskArray, float]:
        """Click on the live image; return the first result on the stream, and its delay [s]."""
        self.until(self._clicks.get_subscription_count, 'the node to listen for clicks')
        self.streamed.clear()
        begin = perf_counter()
        self._clicks.publish(Point(x=x, y=y))
        self.until(lambda: self.streamed, 'masks on /sam/objects')
        result, seconds = self.streamed[0], perf_counter() - begin
        self.track(Track.Request(command=Track.Request.RESET))
        return result, seconds

    def track(self, *requests: Track.Request) -> list[ObjectMask]:
        """Change what is tracked, all at once; return the objects of the answers, in order."""
        futures = [self._track.call_async(request) for request in requests]
        self.until(lambda: all(future.done() for future in futures), 'answers of /sam/track')
        answers = [future.result() for future in futures]
        for answer in answers:
            if not answer.success:
                raise DemoError(f'/sam/track: {answer.message}')
        return [obj for answer in answers for obj in answer.objects]

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
        self._node.destroy_node()

    def _on_image(self, msg: CompressedImage) -> None:
        stamp_ns = stamp_to_ns(msg.header.stamp)
        self._images[stamp_ns] = msg
        self.passes += stamp_ns < self._newest_ns
        self._newest_ns = stamp_ns

    def _ask(self, client: Any, request: Any, *, empty_is_fine: bool = False) -> tuple[Any, float]:
        """Call until it succeeds: a frame that is no longer buffered comes again with the loop."""
        answer = None
        deadline = monotonic() + 20.0
        while monotonic() < deadline:
            begin = perf_counter()
            future = client.call_async(request)
            self.until(future.done, f'answer of {client.srv_name}')
            answer, seconds = future.result(), perf_counter() - begin
            if answer.success or (empty_is_fine and 'no grasp was found' in answer.message):
                return answer, seconds
            if 'buffered' not in answer.message and 'no image' not in answer.message:
                break
            rclpy.spin_once(self._node, timeout_sec=0.1)
        raise DemoError(f'{client.srv_name}: {answer.message if answer else "no answer"}')

    def _shot(self, image: CompressedImage, truth: ObjectMaskArray) -> Shot:
        names = {obj.id: obj.label for obj in truth.objects}
        return Shot(image.header, compressed_to_rgb(image), labels_of(truth), names)


def click_prompt(x: float, y: float) -> Prompt:
    """Return a prompt of one point on the object."""
    return Prompt(points=[Point2D(x=x, y=y)], labels=[1])


def box_prompt(box_xyxy: tuple[float, float, float, float]) -> Prompt:
    """Return a prompt of a box round the object."""
    return Prompt(box=box_to_msg(box_xyxy))
