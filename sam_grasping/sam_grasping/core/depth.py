# SPDX-License-Identifier: Apache-2.0
"""Depth images in metres, whatever their encoding (REP 118)."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam_grasping.core.errors import DepthError

# Encoding -> the pixels' type and how many of their units make a metre.
ENCODINGS = {
    '16UC1': (np.uint16, 1000),
    'mono16': (np.uint16, 1000),
    '32FC1': (np.float32, 1),
}


def depth_to_metres(pixels: npt.NDArray[Any], encoding: str) -> npt.NDArray[np.float32]:
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
