# SPDX-License-Identifier: Apache-2.0
"""The library works on a machine that never heard of ROS."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sam_segmentation

ROOT = Path(sam_segmentation.__file__).parent
ROS = {
    'builtin_interfaces',
    'cv_bridge',
    'diagnostic_msgs',
    'geometry_msgs',
    'lifecycle_msgs',
    'message_filters',
    'rcl_interfaces',
    'rclpy',
    'rosbags',
    'sam_interfaces',
    'sensor_msgs',
    'std_msgs',
    'tf2_ros',
    'vision_msgs',
}
FILES = sorted([*ROOT.glob('*.py'), *ROOT.glob('core/**/*.py'), *ROOT.glob('backends/**/*.py')])


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or '.'


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_the_core_imports_no_ros(path):
    for name in imported(path):
        assert name.partition('.')[0] not in ROS
        assert not name.startswith('sam_segmentation.ros')


def test_the_files_are_found():
    assert len(FILES) > 15


def test_importing_the_library_loads_neither_ros_nor_torch():
    heavy = sorted(ROS | {'torch', 'torchvision', 'sam2', 'segment_anything'})
    code = (
        'import sys, sam_segmentation, sam_segmentation.core.download\n'
        f'print([name for name in {heavy} if name in sys.modules])'
    )
    done = subprocess.run(
        [sys.executable, '-S', '-c', f'import sys; sys.path = {sys.path}\n{code}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == '[]'
