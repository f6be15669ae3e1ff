# SPDX-License-Identifier: Apache-2.0
"""The depth camera's calibration, as it was published last."""

from __future__ import annotations

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from sam_grasping.core.errors import CameraModelError
from sam_segmentation.ros.topic_input import TopicInput


class CameraInfoInput(TopicInput):
    """Subscribes to the calibration and keeps the newest."""

    def __init__(self, node: Node) -> None:
        self._newest: CameraInfo | None = None
        super().__init__(node, CameraInfo, '~/camera_info', self._keep, latched=True)

    def newest(self) -> CameraInfo:
        """Return the newest calibration; raises CameraModelError if none has arrived."""
        if self._newest is None:
            raise CameraModelError(
                f'no camera_info has arrived on {self.topic}; remap ~/camera_info to that of the '
                'depth image'
            )
        return self._newest

    def _keep(self, msg: CameraInfo) -> None:
        self._newest = msg
