# SPDX-License-Identifier: Apache-2.0
"""Imports run one way: down the folders of a package, and down the packages."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

REPOSITORY = Path(__file__).parents[2]
# From the ground up: a package imports only what is named beside it.
PACKAGES = {
    'sam_common': (),
    'sam_segmentation': ('sam_common',),
    'sam_grasping': ('sam_common',),
    'sam_simulation': ('sam_common', 'sam_grasping'),
    'sam_bringup': ('sam_common', 'sam_segmentation', 'sam_grasping', 'sam_simulation'),
}
# What another package may import beside what a package's own name exports.
PUBLIC = ('sam_common.', 'sam_grasping.ros.moveit')
# Folders of a package from the ground up; each imports only those before it.
FOLDERS = {
    'sam_common': ('', 'ros'),
    'sam_segmentation': ('core', 'evaluation', 'models', 'streaming', 'offline', 'ros'),
    'sam_grasping': ('core', 'core.observe', 'core.geometric', 'ros'),
    'sam_simulation': ('', 'scene', 'camera', 'video', 'physics', 'ros'),
    'sam_bringup': ('',),
}
# `offline` reads bags by rosbags, which is no part of ROS: it needs none.
ROS = {
    *('ament_index_python', 'builtin_interfaces', 'cv_bridge', 'diagnostic_msgs'),
    *('geometry_msgs', 'lifecycle_msgs', 'message_filters', 'moveit_msgs', 'rcl_interfaces'),
    *('rclpy', 'sam_interfaces', 'sensor_msgs', 'std_msgs', 'tf2_geometry_msgs', 'tf2_msgs'),
    *('tf2_py', 'tf2_ros', 'vision_msgs', 'visualization_msgs'),
}
HEAVY = {'mujoco', 'rosbags', 'sam2', 'segment_anything', 'torch', 'torchvision', 'transformers'}


class Import(NamedTuple):
    """One import: which module does it, of what, and whether when it is imported itself."""

    module: str
    target: str
    line: int
    at_once: bool

    def __str__(self) -> str:
        return f'{self.module}, line {self.line}, imports {self.target}'


def module_files(package: str) -> dict[str, Path]:
    """Return the files of a package by their modules' names."""
    root = REPOSITORY / package
    return {
        '.'.join(path.relative_to(root).with_suffix('').parts).removesuffix('.__init__'): path
        for path in sorted((root / package).rglob('*.py'))
    }


FILES = {name: path for package in PACKAGES for name, path in module_files(package).items()}


def imports_of(module: str, source: str) -> Iterator[Import]:
    """Yield the imports in a source, but for those that only a type checker reads."""

    def walk(node: ast.AST, at_once: bool) -> Iterator[Import]:
        if isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test):
            return
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno, at_once)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f'{node.module}.{alias.name}'
                target = full if full in FILES else node.module or '.'
                yield Import(module, target, node.lineno, at_once)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, at_once and not inside)

    yield from walk(ast.parse(source), True)


IMPORTS = [one for name, path in FILES.items() for one in imports_of(name, path.read_text())]


def package_of(module: str) -> str:
    return module.partition('.')[0]


def folder_of(module: str) -> str:
    """Return the longest folder of FOLDERS that a module lies in."""
    package = package_of(module)
    inside = module.removeprefix(package).removeprefix('.')
    fitting = [f for f in FOLDERS[package] if f'{inside}.'.startswith(f'{f}.') or not f]
    return max(fitting, key=len, default='')


def is_upward(one: Import) -> bool:
    """Tell whether an import runs from a package or folder to one that stands on it."""
    here, there = package_of(one.module), package_of(one.target)
    if there not in PACKAGES:
        return False
    if here != there:
        return there not in PACKAGES[here]
    if one.module == here:
        return False
    order = FOLDERS[here]
    if folder_of(one.target) not in order or one.target == there:
        return True
    return order.index(folder_of(one.target)) > order.index(folder_of(one.module))


def is_into_an_inside(one: Import) -> bool:
    """Tell whether an import reaches past what another package lets others import."""
    there = package_of(one.target)
    if there not in PACKAGES or there == package_of(one.module):
        return False
    return one.target != there and not one.target.startswith(PUBLIC)


def is_of_nothing(one: Import) -> bool:
    """Tell whether an import asks for a module that is not there."""
    return package_of(one.target) in PACKAGES and one.target not in FILES


def is_of_ros(one: Import) -> bool:
    """Tell whether a module outside `ros` imports ROS, or what does."""
    if package_of(one.module) == 'sam_bringup' or 'ros' in one.module.split('.'):
        return False
    return package_of(one.target) in ROS or 'ros' in one.target.split('.')[1:]


def first_cycle(edges: dict[str, set[str]]) -> list[str]:
    """Return modules each of which imports the next, and the last the first; none: empty."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        for target in sorted(edges.get(module, ())):
            if found := visit(target, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in sorted(edges) if (found := visit(module, []))), [])


@pytest.mark.parametrize('rule', [is_of_nothing, is_upward, is_into_an_inside, is_of_ros])
def test_no_import_breaks_the_rule(rule):
    broken = [str(one) for one in IMPORTS if rule(one)]
    assert not broken, broken[0]


def test_no_imports_run_round_in_a_cycle():
    edges: dict[str, set[str]] = {}
    for one in IMPORTS:
        # What a function imports when it is called may close no cycle either.
        if one.target in FILES and one.target != one.module:
            edges.setdefault(one.module, set()).add(one.target)
    assert not (cycle := first_cycle(edges)), ' -> '.join(cycle)


def test_every_folder_is_in_the_order():
    for module in FILES:
        if '.' in module:
            assert folder_of(module) in FOLDERS[package_of(module)], f'add the folder of {module}'


@pytest.mark.parametrize(
    ('rule', 'module', 'source'),
    [
        (is_of_nothing, 'sam_common.x', 'from sam_common.nowhere import y'),
        (is_upward, 'sam_segmentation.core.x', 'from sam_segmentation.streaming import engine'),
        (is_upward, 'sam_common.x', 'import sam_segmentation'),
        (is_upward, 'sam_grasping.core.x', 'from sam_grasping import Plan'),
        (is_upward, 'sam_grasping.ros.x', 'from sam_segmentation import Prompt'),
        (is_into_an_inside, 'sam_simulation.x', 'from sam_grasping.core.grasp import Grasp'),
        (is_of_ros, 'sam_segmentation.offline.x', 'def f():\n    import rclpy'),
        (is_of_ros, 'sam_common.x', 'from sam_common.ros import conversions'),
    ],
)
def test_what_breaks_a_rule_is_found(rule, module, source):
    assert [one for one in imports_of(module, source) if rule(one)]


def test_a_cycle_is_found():
    assert first_cycle({'a': {'b'}, 'b': {'c'}, 'c': {'b'}}) == ['b', 'c']


@pytest.mark.parametrize('package', ['sam_segmentation', 'sam_grasping'])
def test_importing_a_library_loads_neither_ros_nor_a_heavy_package(package):
    code = (
        f'import sys; sys.path = {sys.path}; import {package}\n'
        f'print([name for name in {sorted(ROS | HEAVY)} if name in sys.modules])'
    )
    done = subprocess.run([sys.executable, '-S', '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == '[]', done.stderr
