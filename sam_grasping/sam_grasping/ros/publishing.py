# SPDX-License-Identifier: Apache-2.0
"""What `grasp_node` publishes of its plans."""

from __future__ import annotations

from collections.abc import Sequence

from geometry_msgs.msg import PoseArray
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
from visualization_msgs.msg import MarkerArray

from sam_common.ros.published_topics import PublishedTopics
from sam_grasping.core.gripper import Gripper
from sam_grasping.ros.conversions import (
    grasps_to_msg,
    points_to_msg,
    pose_array_to_msg,
    rejections_to_msg,
)
from sam_grasping.ros.markers import markers_to_msg
from sam_grasping.ros.planning import Planned, rejections_of
from sam_interfaces.msg import GraspArray


class Publishing(PublishedTopics):
    """The topics that grasps come out on."""

    def __init__(self, node: LifecycleNode) -> None:
        super().__init__(node)
        self._grasps = self.add(GraspArray, '~/grasps')
        self._poses = self.add(PoseArray, '~/grasp_poses')
        self._points = self.add(PointCloud2, '~/object_points')
        self._markers = self.add(MarkerArray, '~/markers')

    def publish(self, planned: Sequence[Planned], header: Header, gripper: Gripper) -> GraspArray:
        """Publish the plans for one depth image, and return their grasps.

        Without any, what was drawn before goes.

        Parameters
        ----------
        planned : sequence of Planned
        header : Header
            Of what is published.
        gripper : Gripper
            To draw.

        """
        array = grasp_array(planned, header)
        if self._grasps.get_subscription_count():
            self._grasps.publish(array)
        if self._poses.get_subscription_count():
            self._poses.publish(pose_array_to_msg(array.grasps, header))
        if self._points.get_subscription_count():
            clouds = [(one.object_id, one.points) for one in planned]
            self._points.publish(points_to_msg(clouds, header))
        if self._markers.get_subscription_count():
            grasps = [(one.object_id, one.grasps) for one in planned]
            self._markers.publish(markers_to_msg(grasps, gripper, header))
        return array


def grasp_array(planned: Sequence[Planned], header: Header) -> GraspArray:
    """Return all grasps of one depth image, best first, and why there are not more."""
    grasps = [msg for one in planned for msg in grasps_to_msg(one.grasps, one.object_id)]
    return GraspArray(
        header=header,
        grasps=sorted(grasps, key=lambda grasp: -grasp.score),
        rejections=rejections_to_msg(rejections_of(planned).items()),
    )
