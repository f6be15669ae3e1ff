# SPDX-License-Identifier: Apache-2.0
"""The depth camera's calibration, as it was published last."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from sam_common.camera_model import CameraModel
from sam_common.errors import CameraModelError
from sam_common.ros.conversions import calibration_from_msg, camera_from_msg
from sam_common.ros.parameters import NodeOptions, read_options
from sam_common.ros.topic_input import TopicInput


class CameraInfoInput(TopicInput):
    """Subscribes to the calibration and keeps the newest.

    Parameters
    ----------
    node : Node
        Its parameter `rectified` says which part of the calibration is made use of.

    """

    def __init__(self, node: Node) -> None:
        self._newest: CameraInfo | None = None
        super().__init__(node, CameraInfo, '~/camera_info', self._keep, latched=True)

    def camera(self, size_wh: tuple[int, int], image_topic: str) -> CameraModel:
        """Return the camera of an image of a size [px]; raises CameraModelError."""
        rectified = read_options(self._node, NodeOptions).rectified
        return camera_from_msg(self._message(), size_wh, rectified=rectified, topic=image_topic)

    def in_use(self, image_topic: str) -> str:
        """Return in words which part of the calibration is made use of; raises as `camera`."""
        rectified = read_options(self._node, NodeOptions).rectified
        return calibration_from_msg(self._message(), rectified=rectified, topic=image_topic)

    def _message(self) -> CameraInfo:
        if self._newest is None:
            raise CameraModelError(
                f'no camera_info has arrived on {self.topic}; remap ~/camera_info to that of the '
                'depth image'
            )
        return self._newest

    def _keep(self, msg: CameraInfo) -> None:
        self._newest = msg
