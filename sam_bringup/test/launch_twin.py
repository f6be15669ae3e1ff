# SPDX-License-Identifier: Apache-2.0
"""What the tests under the real ros2/launch share: `*_launch_test.py`."""

from __future__ import annotations

import unittest
from typing import Any

import launch
import launch_testing
import launch_testing.actions
import launch_testing.asserts
import rclpy
from ament_index_python.packages import get_package_share_directory
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

TIMEOUT_S = 20.0


def description_of(name: str, **arguments: str) -> launch.LaunchDescription:
    """Launch a file of sam_bringup in the namespace `robot`, as a user would."""
    path = f'{get_package_share_directory("sam_bringup")}/launch/{name}.launch.xml'
    included = IncludeLaunchDescription(
        AnyLaunchDescriptionSource(path),
        launch_arguments={'namespace': 'robot', **arguments}.items(),
    )
    return launch.LaunchDescription([included, launch_testing.actions.ReadyToTest()])


class LaunchedTestCase(unittest.TestCase):
    """A node beside the launched ones."""

    def setUp(self) -> None:
        """Join ROS."""
        rclpy.init()
        self.node = rclpy.create_node('launch_test_client')

    def tearDown(self) -> None:
        """Leave ROS."""
        self.node.destroy_node()
        rclpy.shutdown()

    def client(self, kind: Any, service: str) -> Any:
        """Return a client of a service that is there."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(timeout_sec=TIMEOUT_S), service
        return client

    def call(self, kind: Any, service: str, request: Any) -> Any:
        """Return a service's answer."""
        future = self.client(kind, service).call_async(request)
        rclpy.spin_until_future_complete(self.node, future, timeout_sec=TIMEOUT_S)
        return future.result()


@launch_testing.post_shutdown_test()
class TestShutdown(unittest.TestCase):
    """The nodes end in order."""

    def test_exit_codes(self, proc_info: Any) -> None:
        """Every process ended with status 0."""
        launch_testing.asserts.assertExitCodes(proc_info)
