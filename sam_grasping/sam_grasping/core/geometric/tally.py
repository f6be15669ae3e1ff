# SPDX-License-Identifier: Apache-2.0
"""Counts what is rejected, by cause."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


class Tally:
    """Which of some candidates are left, and why the others are not.

    Parameters
    ----------
    count : int
        How many there are at first.
    rejections : Counter
        Is counted into.

    Attributes
    ----------
    left : array of bool, shape (count,)

    """

    def __init__(self, count: int, rejections: Counter[str]) -> None:
        self.left: Bools = np.ones(count, bool)
        self._rejections = rejections

    def reject(self, cause: str, bad: Bools) -> None:
        """Reject those that are left and bad; each counts for the first cause only."""
        bad = bad & self.left
        if bad.any():
            self._rejections[cause] += int(np.count_nonzero(bad))
            self.left &= ~bad
