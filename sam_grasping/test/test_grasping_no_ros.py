# SPDX-License-Identifier: Apache-2.0
"""Grasps are planned on a machine that never heard of ROS."""

import subprocess
import sys
from pathlib import Path

import pytest
from test_no_ros import ROS, imported

import sam_grasping

ROOT = Path(sam_grasping.__file__).parent
MORE_ROS = ROS | {'moveit_msgs', 'tf2_geometry_msgs', 'tf2_msgs', 'tf2_py', 'visualization_msgs'}
FILES = sorted([*ROOT.glob('*.py'), *ROOT.glob('core/**/*.py')])


@pytest.mark.parametrize('path', FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_of_the_grasping_core_imports_no_ros(path):
    for name in imported(path):
        assert name.partition('.')[0] not in MORE_ROS
        assert not name.startswith(('sam_grasping.ros', 'sam_segmentation.ros'))


def test_the_files_of_grasping_are_found():
    assert len(FILES) > 15


def test_importing_grasping_loads_neither_ros_nor_torch():
    heavy = sorted(MORE_ROS | {'torch', 'mujoco', 'sam_simulation'})
    code = (
        'import sys, sam_grasping, sam_grasping.core.observe\n'
        f'print([name for name in {heavy} if name in sys.modules])'
    )
    done = subprocess.run(
        [sys.executable, '-S', '-c', f'import sys; sys.path = {sys.path}\n{code}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == '[]'
