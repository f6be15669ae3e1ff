# SPDX-License-Identifier: Apache-2.0
"""The command works, bags included, on a machine that never heard of ROS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from recorded import RED_BOX, images, objects, write_bag, write_prompts
from test_no_ros import ROS, imported

import sam_segmentation

FOLDER = Path(sam_segmentation.__file__).parent / 'offline'
FILES = sorted(FOLDER.glob('*.py'))
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


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.name)
def test_a_file_of_the_tool_imports_no_ros(path):
    for name in imported(path):
        assert name.partition('.')[0] not in ROS - {'rosbags'}
        assert not name.startswith('sam_segmentation.ros')


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
    code = WITHOUT_ROS.format(names=sorted(ROS - {'rosbags'}), path=sys.path)
    command = [sys.executable, '-S', '-c', code, str(bag), '--prompts', str(prompts)]
    done = subprocess.run(
        [*command, '--output', str(tmp_path / 'out')], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert all(1 in found for found in objects(tmp_path / 'out').values())
