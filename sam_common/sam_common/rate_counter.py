# SPDX-License-Identifier: Apache-2.0
"""At what rate something happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic

# Nothing for so long: it has stopped [s].
IDLE_AFTER_S = 2.0
COUNTED = 30


class RateCounter:
    """Counts events and tells their rate; one thread may note while others read.

    Parameters
    ----------
    clock : callable
        Returns the time now [s]; it must not go back.

    Examples
    --------
    >>> times = iter([0.0, 0.5, 1.0, 1.5])
    >>> counter = RateCounter(clock=lambda: next(times))
    >>> for _ in range(3):
    ...     counter.note()
    >>> counter.rate_hz
    2.0

    """

    def __init__(self, *, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=COUNTED)

    def note(self) -> None:
        """Count an event that happens now."""
        self._times.append(self._clock())

    @property
    def rate_hz(self) -> float:
        """At what rate the last 30 events happened [Hz]; 0 when none did for two seconds."""
        times = list(self._times)
        if len(times) < 2 or self._clock() - times[-1] > IDLE_AFTER_S:
            return 0.0
        return (len(times) - 1) / (times[-1] - times[0])
