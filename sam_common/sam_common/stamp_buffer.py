# SPDX-License-Identifier: Apache-2.0
"""The last messages of a topic, found again by their stamps."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

from sam_common.stamp_order import Stamped, StampOrder

T = TypeVar('T', bound=Stamped)


class StampBuffer(Generic[T]):
    """The newest items, at most `capacity`; safe to use from several threads.

    When the stamps go back and stay back, as those of a bag that loops, what came before is
    forgotten.

    Attributes
    ----------
    order : StampOrder
        What is known of the stream's time.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> frames = StampBuffer(capacity=2)
    >>> for stamp_ns in (100, 200, 300):
    ...     frames.add(SimpleNamespace(stamp_ns=stamp_ns))
    >>> len(frames), frames.near(210, tolerance_ns=20).stamp_ns
    (2, 200)
    >>> frames.near(100) is None
    True

    """

    def __init__(self, capacity: int) -> None:
        self.order = StampOrder[T]()
        self._items: deque[T] = deque(maxlen=capacity)

    def add(self, item: T) -> None:
        """Keep an item as the newest; the oldest goes when the buffer is full."""
        era = self.order.era
        self.order.judge(item)
        if self.order.era != era:
            # In one step, for those who read meanwhile.
            self._items = deque(self.order.run, self._items.maxlen)
        self._items.append(item)

    def is_past(self, stamp_ns: int) -> bool:
        """Tell whether the stream has gone on from a time [ns], so that no item of it comes."""
        newest = self.newest()
        newest_ns = self.order.newest_ns
        # One odd stamp, be it ahead or back, proves nothing.
        if newest is None or newest_ns is None:
            return False
        return stamp_ns < min(newest.stamp_ns, newest_ns)

    def clear(self) -> None:
        """Forget every item."""
        self._items.clear()

    def newest_first(self) -> list[T]:
        """Return the items, the one that was added last at first."""
        # In one step: a deque that is appended to meanwhile can't be iterated over.
        return list(reversed(self._items.copy()))

    def newest(self) -> T | None:
        """Return the item that was added last."""
        return next(iter(self.newest_first()), None)

    def near(self, stamp_ns: int, tolerance_ns: int = 0) -> T | None:
        """Return the item nearest in time, of several the newest; None: none is near enough."""
        nearest = min(
            self.newest_first(), key=lambda item: abs(item.stamp_ns - stamp_ns), default=None
        )
        if nearest is None or abs(nearest.stamp_ns - stamp_ns) > tolerance_ns:
            return None
        return nearest

    def __len__(self) -> int:
        return len(self._items)
