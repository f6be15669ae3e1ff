# SPDX-License-Identifier: Apache-2.0
"""Which OpenGL renders: EGL, else OSMesa, chosen before MuJoCo is imported.

MuJoCo decides by the environment variable MUJOCO_GL when it is imported, and takes a windowed
OpenGL if it is unset; so nothing else in this package imports mujoco at its top.
"""

from __future__ import annotations

import ctypes
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from sam_simulation.errors import RenderingError

REMEDY = 'type: sudo apt-get install libegl1 libegl-mesa0 libgl1-mesa-dri'
_EGL_PLATFORM_DEVICE = 0x313F
_MAX_DEVICES = 16


def load_mujoco() -> ModuleType:
    """Import mujoco with an OpenGL that needs no screen; MUJOCO_GL, where set, is respected.

    Raises
    ------
    RenderingError
        If there is neither EGL nor OSMesa, or what MUJOCO_GL names cannot be loaded.

    """
    if not os.environ.get('MUJOCO_GL') and sys.platform == 'linux':
        os.environ['MUJOCO_GL'] = _choose()
    try:
        return import_module('mujoco')
    except (ImportError, RuntimeError, AttributeError) as error:
        raise RenderingError(
            f'MuJoCo cannot load with MUJOCO_GL={_name()!r}: {error}; unset MUJOCO_GL, or {REMEDY}'
        ) from error


def make_context(size_wh: tuple[int, int]) -> Any:
    """Return an OpenGL context of MuJoCo's, made current in this thread.

    Raises
    ------
    RenderingError
        If the context cannot be made.

    """
    mujoco = load_mujoco()
    try:
        # By name: whoever imported mujoco before us has fixed mujoco.GLContext to a windowed one.
        headless = _name() in ('egl', 'osmesa')
        module = import_module(f'mujoco.{_name()}') if headless else mujoco
        context = module.GLContext(*size_wh)
        context.make_current()
    except Exception as error:  # PyOpenGL raises whatever its platform does
        raise RenderingError(
            f'cannot render with MUJOCO_GL={_name()!r}: {error!r}; unset MUJOCO_GL, or {REMEDY}'
        ) from error
    return context


def make_render_context(model: Any, *, samples: int) -> Any:
    """Return MuJoCo's buffers and textures for a model, in the current OpenGL context.

    Parameters
    ----------
    model : mujoco.MjModel
    samples : int
        Per pixel, that colour is averaged over; 0: none.

    Raises
    ------
    RenderingError
        If there is no usable OpenGL: a windowed one without a screen shows it only here.

    """
    mujoco = load_mujoco()
    model.vis.quality.offsamples = samples
    try:
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    except mujoco.FatalError as error:
        raise RenderingError(
            f'cannot render with MUJOCO_GL={_name()!r}: {error}; unset MUJOCO_GL, or {REMEDY}'
        ) from error
    context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
    return context


def _name() -> str:
    return os.environ.get('MUJOCO_GL', '').lower().strip()


def _choose() -> str:
    if _egl_works():
        return 'egl'
    if _osmesa_works():
        return 'osmesa'
    raise RenderingError(f'found neither EGL nor OSMesa to render without a screen; {REMEDY}')


def _osmesa_works() -> bool:
    try:
        ctypes.CDLL('libOSMesa.so')
    except OSError:
        return False
    return True


def _egl_works() -> bool:
    # The library alone proves nothing: it is a dispatcher that may find no driver behind it.
    # Asked through ctypes, since PyOpenGL cannot change its platform after a failed try.
    try:
        egl = ctypes.CDLL('libEGL.so.1')
    except OSError:
        return False
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    egl.eglGetProcAddress.argtypes = [ctypes.c_char_p]
    query_address = egl.eglGetProcAddress(b'eglQueryDevicesEXT')
    display_address = egl.eglGetProcAddress(b'eglGetPlatformDisplayEXT')
    if not query_address or not display_address:
        return False
    query = ctypes.CFUNCTYPE(
        ctypes.c_uint, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int)
    )(query_address)
    get_display = ctypes.CFUNCTYPE(
        ctypes.c_void_p, ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p
    )(display_address)
    egl.eglInitialize.argtypes = [ctypes.c_void_p] * 3
    devices, count = (ctypes.c_void_p * _MAX_DEVICES)(), ctypes.c_int()
    if not query(_MAX_DEVICES, devices, ctypes.byref(count)):
        return False
    displays = (get_display(_EGL_PLATFORM_DEVICE, devices[i], None) for i in range(count.value))
    return any(display and egl.eglInitialize(display, None, None) for display in displays)
