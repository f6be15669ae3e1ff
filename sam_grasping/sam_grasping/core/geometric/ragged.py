# SPDX-License-Identifier: Apache-2.0
"""Rows of different length in flat arrays, as SciPy's CSR matrices hold them."""

from __future__ import annotations

import numpy as np

from sam_common.types import AnyArray, IntArray


def expand(starts: IntArray, stops: IntArray) -> tuple[IntArray, IntArray]:
    """Return all numbers of the half-open ranges in turn, and which range each is of."""
    counts = stops - starts
    owner = np.repeat(np.arange(len(starts)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(owner)) - (before - starts)[owner], owner


def smallest(values: AnyArray, owner: IntArray, rows: int) -> AnyArray:
    """Return each row's least value; infinity for a row without any. `owner` is sorted."""
    return _reduced(np.minimum, values, owner, rows, np.inf)


def largest(values: AnyArray, owner: IntArray, rows: int) -> AnyArray:
    """Return each row's greatest value; minus infinity for a row without any."""
    return _reduced(np.maximum, values, owner, rows, -np.inf)


def _reduced(
    function: np.ufunc, values: AnyArray, owner: IntArray, rows: int, empty: float
) -> AnyArray:
    result = np.full(rows, empty, values.dtype)
    if len(values):
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        result[owner[first]] = function.reduceat(values, first)
    return result
