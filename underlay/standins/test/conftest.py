# SPDX-License-Identifier: Apache-2.0
"""A package to launch, whose one executable writes down how it was started."""

import os
import stat
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

# Where a ROS 2 is installed, the stand-ins are not, and there is nothing to test.
collect_ignore_glob = [] if find_spec('ros2_standin') else ['test_*.py']

PROBE = f"""#!{sys.executable}
import json, os, sys, yaml
args, words = [], iter(sys.argv[1:])
for word in words:
    args.append(word)
    if word == '--params-file':
        args.append(yaml.safe_load(open(next(words))))
path = os.path.join(os.environ['PROBE_FOLDER'], str(os.getpid()))
with open(path + '.part', 'w') as stream:
    json.dump({{'args': args, 'cwd': os.getcwd()}}, stream)
os.rename(path + '.part', path + '.json')
"""

FILES = {
    'included.launch.xml': '<launch><arg name="inner"/><let name="set_inside" value="2"/>'
    '<node pkg="probe_package" exec="probe" args="$(var inner)"/></launch>',
    'params.yaml': '/**: {ros__parameters: {q: 5}}\n',
}


def make_probe_package(folder: Path) -> dict[str, str]:
    """Make the package and return the environment variables that it needs."""
    library = folder / 'lib' / 'probe_package'
    share = folder / 'share' / 'probe_package'
    index = folder / 'share' / 'ament_index' / 'resource_index' / 'packages'
    for made in (library, share, index):
        made.mkdir(parents=True)
    (index / 'probe_package').touch()
    (share / 'shared.launch.xml').write_text(
        '<launch><node pkg="probe_package" exec="probe" args="shared"/></launch>'
    )
    probe = library / 'probe'
    probe.write_text(PROBE)
    probe.chmod(probe.stat().st_mode | stat.S_IXUSR)
    return {
        'AMENT_PREFIX_PATH': f'{folder}{os.pathsep}{os.environ.get("AMENT_PREFIX_PATH", "")}',
        'PROBE': str(probe),
    }


@pytest.fixture
def probe_package(tmp_path, monkeypatch):
    """A folder for launch files, with those that others include, and the package set up."""
    for name, value in make_probe_package(tmp_path / 'prefix').items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('PROBE_FOLDER', str(tmp_path / 'started'))
    monkeypatch.setenv('ROS_LOG_DIR', str(tmp_path / 'log'))
    (tmp_path / 'started').mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path
