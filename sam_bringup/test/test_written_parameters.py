# SPDX-License-Identifier: Apache-2.0
"""The parameter files and the tables of the docs say what the nodes' options state."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sam_common.ros.parameters import parameters_of
from sam_grasping.core.plan import CAUSES
from sam_grasping.ros.parameters import GraspNodeOptions
from sam_segmentation.ros.parameters import SamNodeOptions

REPOSITORY = Path(__file__).parents[2]
SCRIPT, CONFIG = Path('scripts/write_parameters.py'), Path('sam_bringup/config')
WRITTEN = [CONFIG / 'sam.yaml', CONFIG / 'grasp.yaml', 'docs/sam_node.md', 'docs/grasp_node.md']


def check(repository):
    command = [sys.executable, repository / SCRIPT, '--check']
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_files_and_tables_are_those_that_the_options_give():
    checked = check(REPOSITORY)
    assert checked.returncode == 0, checked.stderr


def test_what_was_edited_by_hand_is_named(tmp_path):
    for name in (SCRIPT, *WRITTEN):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, tmp_path / name)
    for name in ('docs/sam_node.md', CONFIG / 'grasp.yaml'):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace('60.0', '61.0'))
    checked = check(tmp_path)
    assert checked.returncode == 1
    assert checked.stderr.startswith(f'docs/sam_node.md, {CONFIG}/grasp.yaml differ')


@pytest.mark.parametrize(
    ('name', 'options'), [('sam.yaml', SamNodeOptions), ('grasp.yaml', GraspNodeOptions)]
)
def test_a_parameter_file_gives_each_default_to_ros(name, options):
    file = yaml.safe_load((REPOSITORY / CONFIG / name).read_text())
    defaults = {
        one.name: list(one.default) if isinstance(one.default, tuple) else one.default
        for one in parameters_of(options)
    }
    assert file['/**']['ros__parameters'] == defaults


def test_the_docs_explain_every_cause_of_a_rejection():
    page = (REPOSITORY / 'docs' / 'grasp_node.md').read_text()
    assert [cause for cause in CAUSES if f'| `{cause}` |' not in page] == []
