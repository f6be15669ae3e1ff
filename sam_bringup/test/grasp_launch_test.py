# SPDX-License-Identifier: Apache-2.0
"""`launch_test grasp_launch_test.py`: grasp.launch.xml under the real ros2/launch.

Where no ROS 2 is installed, test_grasp_launch.py tests the same behaviour through pytest.
"""

import sys
from pathlib import Path

from sensor_msgs.msg import Image

from sam_interfaces.srv import PlanGrasps, SegmentRequest

# launch_test loads this file by its path alone.
sys.path.append(str(Path(__file__).parent))

from launch_twin import LaunchedTestCase, TestShutdown, description_of

__all__ = ['TestPlan', 'TestShutdown', 'generate_test_description']


def generate_test_description():
    """Launch the nodes in a namespace."""
    return description_of('grasp', depth_topic='/cam/depth')


class TestPlan(LaunchedTestCase):
    """The launched nodes offer their services and answer."""

    def test_a_mask_without_a_camera_is_answered_with_what_is_missing(self):
        """The answer names the topic that the launch argument gave."""
        mask = Image(width=8, height=8, step=8, encoding='mono8', data=bytes(64))
        request = PlanGrasps.Request(mask=mask)
        answer = self.call(PlanGrasps, '/robot/sam_grasping/plan', request)
        assert not answer.success
        assert 'no depth image has arrived on /cam/depth' in answer.message, answer.message

    def test_the_segmenting_node_is_there_too(self):
        """Prompts are forwarded to it."""
        self.client(SegmentRequest, '/robot/sam/segment')
