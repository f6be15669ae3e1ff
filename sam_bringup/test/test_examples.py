# SPDX-License-Identifier: Apache-2.0
"""The examples in the docstrings of the public names give what they say."""

import doctest
import inspect
import os
import subprocess
import sys
from importlib import import_module

import pytest

PUBLIC = {
    f'{package}.{name}': getattr(import_module(package), name)
    for package in ('sam_segmentation', 'sam_grasping')
    for name in import_module(package).__all__
}
MODULES = ('boxes', 'camera_model', 'masks', 'scored_mask', 'stamp_buffer', 'transforms')
SHARED = {
    f'sam_common.{module}.{name}': value
    for module in MODULES
    for name, value in vars(import_module(f'sam_common.{module}')).items()
    if getattr(value, '__module__', '') == f'sam_common.{module}'
}


@pytest.mark.parametrize('name', [*PUBLIC, *SHARED])
def test_an_example_gives_what_it_says(name):
    thing = {**PUBLIC, **SHARED}[name]
    names = vars(sys.modules[thing.__module__]).copy()
    for test in doctest.DocTestFinder(recurse=False).find(thing, name, globs=names):
        runner = doctest.DocTestRunner()
        said: list[str] = []
        assert not runner.run(test, out=said.append).failed, ''.join(said)


@pytest.mark.parametrize('name', PUBLIC)
def test_a_public_name_shows_an_example(name):
    assert '>>> ' in (inspect.getdoc(PUBLIC[name]) or ''), name


def test_public_names_import_neither_torch_nor_ros():
    code = (
        'import sys, sam_segmentation, sam_grasping; '
        'print({"torch", "rclpy"} & sys.modules.keys())'
    )
    done = subprocess.run(
        [sys.executable, '-c', code], capture_output=True, text=True, env=os.environ, check=True
    )
    assert done.stdout.strip() == 'set()'
