# SPDX-License-Identifier: Apache-2.0
"""Depth images in metres, whatever their encoding (REP 118)."""

from __future__ import annotations

import numpy as np

from sam_common.errors import DepthError
from sam_common.types import AnyArray, BoolArray, Float32Array

# Encoding -> the pixels' type and how many of their units make a metre.
ENCODINGS = {
    '16UC1': (np.uint16, 1000),
    'mono16': (np.uint16, 1000),
    '32FC1': (np.float32, 1),
}
# No scene that a gripper works in is all beyond the one, or all within the other [m].
FARTHEST_M, NEAREST_M = 20.0, 0.02
# Objects are seldom farther or nearer: named as a likely cause when something else fails [m].
FAR_M, NEAR_M = 3.0, 0.1
# Below this share of readings, that is named, too.
FEW = 0.2
UNITS = '16UC1 and mono16 are millimetres, 32FC1 metres (REP 118)'


def depth_to_metres(pixels: AnyArray, encoding: str) -> Float32Array:
    """Return depth [m], NaN where there is no reading.

    Parameters
    ----------
    pixels : array of uint16 [mm] or float32 [m], shape (H, W)
        No reading: 0 [mm]; not above 0 or not finite [m].
    encoding : str
        As the image message names it: '16UC1', 'mono16' or '32FC1'.

    Returns
    -------
    array of float32, shape (H, W)

    Raises
    ------
    DepthError
        If the encoding is none of depth, or the pixels are not of its type or not (H, W).

    """
    if encoding not in ENCODINGS:
        raise DepthError(
            f'the depth image is encoded as {encoding!r}; publish 16UC1 [mm] or 32FC1 [m]'
        )
    dtype, units_per_m = ENCODINGS[encoding]
    if pixels.ndim != 2 or pixels.dtype != dtype:
        raise DepthError(
            f'the depth image is {pixels.dtype} of shape {pixels.shape}, encoded as {encoding}; '
            f'that means {np.dtype(dtype)} of shape (H, W)'
        )
    metres = pixels.astype(np.float32)
    if units_per_m != 1:
        metres /= units_per_m
    metres[~(np.isfinite(metres) & (metres > 0))] = np.nan
    return metres


def check_scene(depth_m: Float32Array) -> None:
    """Raise DepthError for depth (H, W) [m] that is none of a scene within reach.

    That is, if there is no reading at all, or nearly all of them are too far or too near.
    """
    readings = _readings(depth_m)
    if not len(readings):
        raise DepthError(
            'no pixel of the depth image has a reading: all are 0, NaN, infinite or negative; '
            'check the camera, and that this is its depth image'
        )
    near, median, far = np.quantile(readings, [0.1, 0.5, 0.9])
    if near > FARTHEST_M or far < NEAREST_M:
        raise DepthError(
            f'the depth image says that the scene is {near:.3g} to {far:.3g} m away (median '
            f'{median:.3g} m); {UNITS}: publish it in the unit of its encoding'
        )


def remark(depth_m: Float32Array, mask: BoolArray) -> str:
    """Return what is odd about depth (H, W) [m] and may be why no grasp is found; or ''.

    Parameters
    ----------
    depth_m : array of float32, shape (H, W)
    mask : array of bool, shape (H, W)
        The object's pixels.

    """
    on_object = depth_m[mask]
    if not len(on_object):
        return ''
    readings = on_object[np.isfinite(on_object)]
    share = len(readings) / len(on_object)
    if not len(readings) or share < FEW:
        whole = np.isfinite(depth_m).mean()
        return f'{share:.0%} of the pixels of the mask have depth, {whole:.0%} of all'
    median = float(np.median(readings))
    if NEAR_M <= median <= FAR_M:
        return ''
    return (
        f'by its depth the object is {median:.3g} m away; if it is not, the unit is wrong: {UNITS}'
    )


def _readings(depth_m: Float32Array) -> Float32Array:
    """Return enough readings to judge by; all, if there are few."""
    stride = max(1, min(depth_m.shape) // 60)
    some = depth_m[::stride, ::stride]
    readings: Float32Array = some[np.isfinite(some)]
    if not len(readings):
        readings = depth_m[np.isfinite(depth_m)]
    return readings
