# SPDX-License-Identifier: Apache-2.0
"""What the Python packages install beside their modules."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITH_DATA = ['sam_grasping', 'sam_segmentation']


def data_files(folder):
    return {
        path.relative_to(folder)
        for path in folder.rglob('*')
        if path.is_file() and path.suffix not in ('.py', '.pyc')
    }


@pytest.mark.parametrize('package', WITH_DATA)
def test_weights_are_installed_with_their_package(package, tmp_path):
    source, built = tmp_path / 'source', tmp_path / 'built'
    shutil.copytree(ROOT / package, source)
    command = [sys.executable, 'setup.py', '--quiet', 'build_py', '--build-lib', str(built)]
    subprocess.run(command, cwd=source, check=True)
    found = data_files(source / package)
    assert found
    assert data_files(built / package) == found


def test_no_other_package_has_files_to_install_beside_its_modules():
    packages = [path.parent.name for path in ROOT.glob('sam_*/setup.py')]
    assert sorted(name for name in packages if data_files(ROOT / name / name)) == WITH_DATA
