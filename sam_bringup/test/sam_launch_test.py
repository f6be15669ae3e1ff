# SPDX-License-Identifier: Apache-2.0
"""`launch_test sam_launch_test.py`: sam.launch.xml under the real ros2/launch.

Where no ROS 2 is installed, test_launch.py tests the same behaviour through pytest.
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
from vision_msgs.msg import Point2D

from sam_interfaces.msg import Prompt
from sam_interfaces.srv import SegmentRequest


def generate_test_description():
    """Launch the node in a namespace, as a user would."""
    launch_file = get_package_share_directory('sam_bringup') + '/launch/sam.launch.xml'
    arguments = {'namespace': 'robot', 'model': 'grabcut'}
    return launch.LaunchDescription(
        [
            IncludeLaunchDescription(
                AnyLaunchDescriptionSource(launch_file), launch_arguments=arguments.items()
            ),
            launch_testing.actions.ReadyToTest(),
        ]
    )


class TestSegment(unittest.TestCase):
    """The launched node segments an image."""

    def setUp(self):
        """Join ROS."""
        rclpy.init()
        self.node = rclpy.create_node('launch_test_client')

    def tearDown(self):
        """Leave ROS."""
        self.node.destroy_node()
        rclpy.shutdown()

    def test_a_click_on_an_image_gives_its_mask(self):
        """A square on black is found by a click inside it."""
        client = self.node.create_client(SegmentRequest, '/robot/sam/segment')
        assert client.wait_for_service(timeout_sec=20.0)
        pixels = bytearray(64 * 64 * 3)
        for row in range(20, 44):
            pixels[(row * 64 + 20) * 3 : (row * 64 + 44) * 3] = b'\xe0' * (24 * 3)
        image = Image(width=64, height=64, step=192, encoding='rgb8', data=bytes(pixels))
        prompt = Prompt(points=[Point2D(x=32.0, y=32.0)], labels=[1])
        future = client.call_async(SegmentRequest.Request(image=image, prompts=[prompt]))
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=20.0)
        answer = future.result()
        assert answer.success, answer.message
        assert answer.objects[0].area == 24 * 24


@launch_testing.post_shutdown_test()
class TestShutdown(unittest.TestCase):
    """The node ends in order."""

    def test_exit_codes(self, proc_info):
        """Every process ended with status 0."""
        launch_testing.asserts.assertExitCodes(proc_info)
