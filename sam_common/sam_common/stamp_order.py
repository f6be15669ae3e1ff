# SPDX-License-Identifier: Apache-2.0
"""Whether a stream's stamps go on, hold one odd one, or went back for good."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, Protocol, TypeVar

NANOSECONDS = 1_000_000_000

# So many in a row are no accident; three are enough when a second lies between them.
SEVERAL = 5
_FEW, _A_SECOND = 3, NANOSECONDS
# After so many that were all out of order the stream goes on with whatever comes.
_AT_LAST = 20
# A stamp is far ahead when it leaps over so many of the longest intervals seen of late, and by
# more than the time that has passed since, with this margin.
_LEAP, _MARGIN_NS = 4, NANOSECONDS // 10


class Stamped(Protocol):
    """What has a time."""

    @property
    def stamp_ns(self) -> int:
        """When [ns]."""


T = TypeVar('T', bound=Stamped)


def stays(items: Sequence[Stamped]) -> bool:
    """Tell whether what differs in these successive frames has come to stay."""
    if len(items) >= SEVERAL:
        return True
    return len(items) >= _FEW and items[-1].stamp_ns - items[0].stamp_ns >= _A_SECOND


class StampOrder(Generic[T]):
    """Judges the items of a stream by their stamps, each when it arrives.

    One item that is out of order costs nothing but itself. A leap ahead is taken up with the
    second item that makes it. Stamps that stay back begin a new era. When the stream goes on from
    before a leap, the leap was the odd one, and the era goes on.

    Parameters
    ----------
    clock : callable
        Returns the time that has passed since any moment [s].

    Attributes
    ----------
    era : int
        Grows by one whenever the stamps went back and stayed back.
    newest_ns : int or None
        The newest stamp in order [ns]; None: there was none.
    skipped : int
        Items that were out of order.
    run : list
        Items out of order, in a row; after an item that is in order, those that it proves to be
        in order, too.

    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self.era = 0
        self.newest_ns: int | None = None
        self.skipped = 0
        self.run: list[T] = []
        self._clock = clock
        self._arrived_s = 0.0
        self._in_a_row = 0
        self._intervals: deque[int] = deque(maxlen=8)
        # The last stamp before the last leap, while that may still be the odd one. None: it may
        # not. The first item of all may be odd, too: then there is nothing before it.
        self._before_ns: float | None = None
        self._since_leap: list[T] = []

    def judge(self, item: T) -> bool:
        """Take note of an item, and return whether it is in order.

        If it is, and `run` is not empty, then the items in `run` were in order as well.
        """
        stamp_ns, newest_ns = item.stamp_ns, self.newest_ns
        if newest_ns is None:
            self._before_ns = float('-inf')
            return self._accept(item, leaps=True)
        if stamp_ns == newest_ns:
            return self._accept(item)
        if stamp_ns > newest_ns and not self._is_far(stamp_ns, newest_ns):
            if stamp_ns - newest_ns > 2 * max(self._intervals, default=0):
                self._before_ns = newest_ns
                return self._accept(item, leaps=True)
            return self._accept(item)
        self._hold(item)
        enough = self._in_a_row >= _AT_LAST
        if stamp_ns > newest_ns:
            if len(self.run) > 1 or enough:
                self._before_ns = newest_ns
                return self._go_on(leaps=True)
        elif stays(self.run) or enough:
            before_ns, self._before_ns = self._before_ns, None
            if before_ns is None or self.run[0].stamp_ns <= before_ns:
                self.era += 1
            self._intervals.clear()
            return self._go_on()
        self.skipped += 1
        return False

    def _hold(self, item: T) -> None:
        if not self._in_a_row:
            self.run = []  # what the item before has proven to be in order
        last = self.run[-1] if self.run else None
        self._in_a_row += 1
        newest_ns = self.newest_ns
        if last is not None and newest_ns is not None:
            step_ns, is_ahead = item.stamp_ns - last.stamp_ns, item.stamp_ns > newest_ns
            if (
                step_ns < 0
                or is_ahead != (last.stamp_ns > newest_ns)
                or (is_ahead and step_ns > max(self._leap_ns(), _A_SECOND))
            ):
                self.run = []
        self.run.append(item)

    def _go_on(self, *, leaps: bool = False) -> bool:
        """Accept the items that were held."""
        run, self.run = self.run, []
        interval = run[-1].stamp_ns - run[-2].stamp_ns if len(run) > 1 else 0
        self._accept(run[-1], leaps=leaps, interval=interval)
        self.run = run[:-1]
        self.skipped -= len(self.run)
        return True

    def _accept(self, item: T, *, leaps: bool = False, interval: int | None = None) -> bool:
        if interval is None and self.newest_ns is not None:
            interval = item.stamp_ns - self.newest_ns
        if interval:
            self._intervals.append(interval)
        if leaps:
            self._since_leap = []
        if self._before_ns is not None:
            self._since_leap.append(item)
            if self._before_ns == float('-inf') and len(self._since_leap) > 1:
                self._before_ns = self._since_leap[0].stamp_ns
            if stays(self._since_leap):
                self._before_ns = None
        self.newest_ns = item.stamp_ns
        self._arrived_s = self._clock()
        self.run = []
        self._in_a_row = 0
        return True

    def _is_far(self, stamp_ns: int, newest_ns: int) -> bool:
        passed_ns = (self._clock() - self._arrived_s) * NANOSECONDS
        allowed = max(self._leap_ns(), 2 * passed_ns + _MARGIN_NS)
        return stamp_ns - newest_ns > allowed

    def _leap_ns(self) -> int:
        return _LEAP * max(self._intervals) if self._intervals else _A_SECOND


def format_stamp(stamp_ns: int) -> str:
    """Return a stamp [ns] as seconds with nine decimals."""
    seconds, rest = divmod(abs(stamp_ns), NANOSECONDS)
    return f'{"-" * (stamp_ns < 0)}{seconds}.{rest:09d}'
