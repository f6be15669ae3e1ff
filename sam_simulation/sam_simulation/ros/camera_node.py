# SPDX-License-Identifier: Apache-2.0
"""A simulated RGB-D camera over a tabletop, with ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import qos_profile_sensor_data
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from tf2_ros import TransformBroadcaster

from sam_common.ros.parameters import declare
from sam_common.ros.run_node import run_node
from sam_interfaces.msg import ObjectMaskArray
from sam_simulation.camera.renderer import Renderer
from sam_simulation.physics.evaluator import GraspEvaluator
from sam_simulation.ros import conversions as convert
from sam_simulation.ros.parameters import CameraNodeOptions, options
from sam_simulation.video.showing import still_life, there_and_back
from sam_simulation.video.video import Video

COLOR, DEPTH = '~/color', '~/aligned_depth_to_color'
PNG_LEVEL = 3  # fast rather than small


class CameraNode(Node):
    """Publishes what somebody subscribes to, at `rate_hz`; all of a frame shares one header.

    Where the camera is in the world is on /tf with each frame.

    Raises
    ------
    RenderingError
        If there is no OpenGL to render with.

    """

    def __init__(self) -> None:
        super().__init__('camera')
        declare(self, CameraNodeOptions)
        self._options = now = options(self)
        if now.video and now.rest:
            raise InvalidParameterValueException(
                'rest', now.rest, 'in a video things move as the seed decides; leave it false'
            )
        if now.video and now.object_count:
            raise InvalidParameterValueException(
                'object_count',
                now.object_count,
                'in a video the seed decides; leave object_count 0',
            )
        self._showing = (
            there_and_back(Video(now.seed))
            if now.video
            else still_life(now.seed, object_count=now.object_count or None)
        )
        scene = self._showing.scene
        if now.rest:
            motions = GraspEvaluator(scene).motions
            self._showing = replace(self._showing, motions=lambda _: motions)
        self._renderer = Renderer(scene, (now.width, now.height), fine=now.fine)
        self._broadcaster = TransformBroadcaster(self)
        self._start_ns = self.get_clock().now().nanoseconds
        jpeg = partial(convert.color_to_compressed, jpeg_quality=now.jpeg_quality)
        png = partial(convert.depth_to_compressed, png_level=PNG_LEVEL)
        self._outputs: list[tuple[Publisher[Any], Callable[..., Any]]] = [
            self._output(kind, topic, make)
            for kind, topic, make in (
                (CameraInfo, f'{COLOR}/camera_info', convert.camera_info_to_msg),
                (CameraInfo, f'{DEPTH}/camera_info', convert.camera_info_to_msg),
                (Image, f'{COLOR}/image_raw', convert.color_to_msg),
                (Image, f'{DEPTH}/image_raw', convert.depth_to_msg),
                (CompressedImage, f'{COLOR}/image_raw/compressed', jpeg),
                (CompressedImage, f'{DEPTH}/image_raw/compressedDepth', png),
                (ObjectMaskArray, '~/ground_truth', partial(convert.truth_to_msg, scene)),
            )
        ]
        self.create_timer(1.0 / now.rate_hz, self._publish_frame)
        names = ', '.join(item.class_name for item in scene.objects)
        self.get_logger().info(f'scene {now.seed}: {names}; {now.width} x {now.height} px')

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def _output(
        self, kind: Any, topic: str, make: Callable[..., Any]
    ) -> tuple[Publisher[Any], Callable[..., Any]]:
        publisher = self.create_publisher(
            kind,
            topic,
            qos_profile_sensor_data,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        return publisher, make

    def _publish_frame(self) -> None:
        stamp_ns = self.get_clock().now().nanoseconds
        time_s = (stamp_ns - self._start_ns) / convert.NANOSECONDS
        pose = self._showing.camera(time_s if self._options.moving else 0.0)
        header = convert.make_header(stamp_ns)
        # Before the images, so that it is known when they come; without them, too: it costs
        # nothing, and who looks at the first image needs the time before.
        self._broadcaster.sendTransform(convert.pose_to_transform(pose, header))
        wanted = [output for output in self._outputs if output[0].get_subscription_count()]
        if not wanted:
            return
        motions = self._showing.motions(time_s)
        frame = self._renderer.render(pose, time_s=time_s, motions=motions)
        for publisher, make in wanted:
            publisher.publish(make(frame, header))


def main() -> None:
    """Run the node until it is told to stop."""
    run_node(CameraNode)


if __name__ == '__main__':
    main()
