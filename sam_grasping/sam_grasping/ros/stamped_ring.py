# SPDX-License-Identifier: Apache-2.0
"""The last messages of a topic, found again by their stamps."""

from __future__ import annotations

from collections import deque
from typing import Generic, Protocol, TypeVar


class Stamped(Protocol):
    """What has a time."""

    @property
    def stamp_ns(self) -> int:
        """When [ns]."""


T = TypeVar('T', bound=Stamped)


class StampedRing(Generic[T]):
    """The newest items, at most `capacity`; safe to use from several threads."""

    def __init__(self, capacity: int) -> None:
        self._items: deque[T] = deque(maxlen=capacity)

    def add(self, item: T) -> None:
        """Keep an item as the newest; the oldest goes when the ring is full."""
        self._items.append(item)

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
