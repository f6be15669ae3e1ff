# SPDX-License-Identifier: Apache-2.0
"""`launch_test sam_launch_test.py`: sam.launch.xml under the real ros2/launch.

Where no ROS 2 is installed, test_launch.py tests the same behaviour through pytest.
"""

import sys
from pathlib import Path

from sensor_msgs.msg import Image
from vision_msgs.msg import Point2D

from sam_interfaces.msg import Prompt
from sam_interfaces.srv import SegmentRequest

# launch_test loads this file by its path alone.
sys.path.append(str(Path(__file__).parent))

from launch_twin import LaunchedTestCase, TestShutdown, description_of

__all__ = ['TestSegment', 'TestShutdown', 'generate_test_description']


def generate_test_description():
    """Launch the node in a namespace."""
    return description_of('sam', model='grabcut')


class TestSegment(LaunchedTestCase):
    """The launched node segments an image."""

    def test_a_click_on_an_image_gives_its_mask(self):
        """A square on black is found by a click inside it."""
        pixels = bytearray(64 * 64 * 3)
        for row in range(20, 44):
            pixels[(row * 64 + 20) * 3 : (row * 64 + 44) * 3] = b'\xe0' * (24 * 3)
        image = Image(width=64, height=64, step=192, encoding='rgb8', data=bytes(pixels))
        prompt = Prompt(points=[Point2D(x=32.0, y=32.0)], labels=[1])
        request = SegmentRequest.Request(image=image, prompts=[prompt])
        answer = self.call(SegmentRequest, '/robot/sam/segment', request)
        assert answer.success, answer.message
        assert answer.objects[0].area == 24 * 24
