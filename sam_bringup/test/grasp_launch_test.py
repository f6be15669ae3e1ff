# SPDX-License-Identifier: Apache-2.0
"""`launch_test grasp_launch_test.py`: grasp.launch.xml under the real ros2/launch.

Where no ROS 2 is installed, test_grasp_launch.py tests the same behaviour through pytest.
"""

import unittest

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource
from sensor_msgs.msg import Image

from sam_interfaces.srv import PlanGrasps, SegmentRequest


def generate_test_description():
    """Launch the nodes in a namespace, as a user would."""
    launch_file = get_package_share_directory('sam_bringup') + '/launch/grasp.launch.xml'
    arguments = {'namespace': 'robot', 'depth_topic': '/cam/depth'}
    return launch.LaunchDescription(
        [
            IncludeLaunchDescription(
                AnyLaunchDescriptionSource(launch_file), launch_arguments=arguments.items()
            ),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestPlan(unittest.TestCase):
    """The launched nodes offer their services and answer."""

    def setUp(self):
        """Join ROS."""
        rclpy.init()
        self.node = rclpy.create_node('launch_test_client')

    def tearDown(self):
        """Leave ROS."""
        self.node.destroy_node()
        rclpy.shutdown()

    def test_a_mask_without_a_camera_is_answered_with_what_is_missing(self):
        """The answer names the topic that the launch argument gave."""
        client = self.node.create_client(PlanGrasps, '/robot/sam_grasping/plan')
        assert client.wait_for_service(timeout_sec=20.0)
        mask = Image(width=8, height=8, step=8, encoding='mono8', data=bytes(64))
        future = client.call_async(PlanGrasps.Request(mask=mask))
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=20.0)
        answer = future.result()
        assert not answer.success
        assert 'no depth image has arrived on /cam/depth' in answer.message, answer.message

    def test_the_segmenting_node_is_there_too(self):
        """Prompts are forwarded to it."""
        client = self.node.create_client(SegmentRequest, '/robot/sam/segment')
        assert client.wait_for_service(timeout_sec=20.0)


@launch_testing.post_shutdown_test()
class TestShutdown(unittest.TestCase):
    """The nodes end in order."""

    def test_exit_codes(self, proc_info):
        """Every process ended with status 0."""
        launch_testing.asserts.assertExitCodes(proc_info)
