# SPDX-License-Identifier: Apache-2.0
"""The command works, bags included, on a machine that never heard of ROS."""

import ast
import subprocess
import sys
from pathlib import Path

from recorded import RED_BOX, images, objects, write_bag, write_prompts

import sam_segmentation

FOLDER = Path(sam_segmentation.__file__).parent / 'offline'
FILES = sorted(FOLDER.glob('*.py'))
ROS = (
    'builtin_interfaces',
    'cv_bridge',
    'geometry_msgs',
    'rclpy',
    'sam_interfaces',
    'sensor_msgs',
    'std_msgs',
    'tf2_ros',
    'vision_msgs',
)
WITHOUT_ROS = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {names} or name.startswith('sam_segmentation.ros'):
            raise ImportError(f'ROS was asked for: {{name}}')
sys.path = {path}
sys.meta_path.insert(0, Refuse())
from sam_segmentation.offline.track_video import main
sys.exit(main())
"""


def test_rosbags_is_imported_when_a_bag_is_opened_only():
    for path in FILES:
        names = ('rosbags', 'sam_segmentation.offline.bounded_rosbags')
        names = names[1:] if path.stem == 'bounded_rosbags' else names
        for node in ast.parse(path.read_text()).body:
            for name in names:
                assert not ast.unparse(node).startswith((f'import {name}', f'from {name}'))


def test_a_bag_is_tracked_without_ros(tmp_path):
    bag = write_bag(tmp_path / 'in', {'/image': ('bgr8', images(6))})
    prompts = write_prompts(tmp_path / 'prompts.yaml', {'frame': 2, **RED_BOX})
    code = WITHOUT_ROS.format(names=ROS, path=sys.path)
    command = [sys.executable, '-S', '-c', code, str(bag), '--prompts', str(prompts)]
    done = subprocess.run(
        [*command, '--output', str(tmp_path / 'out')], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert all(1 in found for found in objects(tmp_path / 'out').values())
