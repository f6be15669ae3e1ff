# SPDX-License-Identifier: Apache-2.0
"""Rows of different length in flat arrays, as SciPy's CSR matrices hold them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Numbers = npt.NDArray[Any]


def expand(starts: Ints, stops: Ints) -> tuple[Ints, Ints]:
    """Return all numbers of the half-open ranges in turn, and which range each is of."""
    counts = stops - starts
    owner = np.repeat(np.arange(len(starts)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(owner)) - (before - starts)[owner], owner


def smallest(values: Numbers, owner: Ints, rows: int) -> Numbers:
    """Return each row's least value; infinity for a row without any. `owner` is sorted."""
    return _reduced(np.minimum, values, owner, rows, np.inf)


def largest(values: Numbers, owner: Ints, rows: int) -> Numbers:
    """Return each row's greatest value; minus infinity for a row without any."""
    return _reduced(np.maximum, values, owner, rows, -np.inf)


def _reduced(function: np.ufunc, values: Numbers, owner: Ints, rows: int, empty: float) -> Numbers:
    result = np.full(rows, empty, values.dtype)
    if len(values):
        first = np.flatnonzero(np.diff(owner, prepend=-1))
        result[owner[first]] = function.reduceat(values, first)
    return result
