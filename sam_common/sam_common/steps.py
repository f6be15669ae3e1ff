# SPDX-License-Identifier: Apache-2.0
"""Work in parts, between which others have their turn."""

from __future__ import annotations

from collections.abc import Generator
from time import monotonic
from typing import TypeVar

T = TypeVar('T')
# A request in parts: it goes on from each `yield` when its turn comes again.
Steps = Generator[None, None, T]


class Pace:
    """Ends a part of a request when it has lasted long enough.

    Small steps are taken together, so that a stream that has its turn after each part does not
    slow the request down out of all proportion.
    """

    PART_S = 0.1

    def __init__(self) -> None:
        self._begin = monotonic()

    def pause(self) -> Steps[None]:
        """Let others have their turn, if it is time."""
        if monotonic() - self._begin >= self.PART_S:
            yield
            self._begin = monotonic()


def finish(steps: Steps[T]) -> T:
    """Run a request's parts one after the other, and return what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
