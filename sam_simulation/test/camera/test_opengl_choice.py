# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest

from sam_common.errors import SamError
from sam_simulation.camera import gl
from sam_simulation.errors import RenderingError


def run(code, **environment):
    kept = {k: v for k, v in os.environ.items() if k not in ('MUJOCO_GL', 'PYOPENGL_PLATFORM')}
    return subprocess.run(
        [sys.executable, '-c', code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_no_opengl_at_all_names_the_packages_to_install(monkeypatch):
    def nothing(name):
        raise OSError(f'{name}: cannot open shared object file')

    monkeypatch.delenv('MUJOCO_GL', raising=False)
    monkeypatch.setattr(gl.ctypes, 'CDLL', nothing)
    with pytest.raises(RenderingError, match='sudo apt-get install libegl1 libegl-mesa0') as info:
        gl.load_mujoco()
    assert isinstance(info.value, SamError)
    assert 'MUJOCO_GL' not in os.environ


def test_osmesa_is_taken_where_egl_does_not_work(monkeypatch):
    monkeypatch.setattr(gl, '_egl_works', lambda: False)
    monkeypatch.setattr(gl, '_osmesa_works', lambda: True)
    assert gl._choose() == 'osmesa'


def test_a_wrong_mujoco_gl_is_named():
    done = run('from sam_simulation.camera.gl import load_mujoco; load_mujoco()', MUJOCO_GL='opal')
    assert 'RenderingError' in done.stderr
    assert "MUJOCO_GL='opal'" in done.stderr


def test_a_windowed_opengl_without_a_screen_is_an_error_with_a_remedy():
    code = 'from sam_simulation.camera.dataset import frames; next(frames([0], size_wh=(32, 32)))'
    done = run(code, MUJOCO_GL='glfw', DISPLAY='', WAYLAND_DISPLAY='')
    last = done.stderr.strip().splitlines()[-1]
    assert 'RenderingError' in last
    assert "MUJOCO_GL='glfw'" in last
    assert 'apt-get install' in last


def test_the_users_mujoco_gl_is_kept():
    code = (
        'import os; from sam_simulation.camera.gl import load_mujoco; load_mujoco()\n'
        "print(os.environ['MUJOCO_GL'])"
    )
    assert run(code, MUJOCO_GL='off').stdout.strip() == 'off'


def test_rendering_works_though_mujoco_was_imported_first():
    code = (
        'import mujoco\n'
        'from sam_simulation.camera.dataset import frames\n'
        'print(next(frames([0], size_wh=(32, 32)))[1].labels.shape)'
    )
    done = run(code)
    assert done.stdout.strip() == '(32, 32)', done.stderr


def test_core_imports_neither_ros_nor_mujoco():
    code = (
        'import sys, pkgutil, importlib, sam_simulation\n'
        "for module in pkgutil.walk_packages(sam_simulation.__path__, 'sam_simulation.'):\n"
        "    if not module.name.startswith('sam_simulation.ros'):\n"
        '        importlib.import_module(module.name)\n'
        "print([m for m in ('rclpy', 'std_msgs', 'mujoco') if m in sys.modules])"
    )
    assert run(code).stdout.strip() == '[]'
