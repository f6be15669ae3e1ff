# SPDX-License-Identifier: Apache-2.0
"""Where each tracked object was in the last frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sam_common.boxes import BoxXyxy

Boxes = Mapping[int, BoxXyxy | None]


class Timeline:
    """The last frames that were stepped, and in each one the box of every followed object.

    An object that was caught up from the past went through other frames than the rest, so what it
    went through is kept for each one.

    Parameters
    ----------
    capacity : int
        How many frames are remembered.

    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._moments: dict[int, dict[int, BoxXyxy | None]] = {}
        self._since: dict[int, int] = {}
        self._prompted: dict[int, set[int]] = {}

    @property
    def first_ns(self) -> int | None:
        """Stamp of the oldest frame that is remembered [ns]; None: there is none."""
        return next(iter(self._moments), None)

    def step(self, stamp_ns: int, boxes: Boxes) -> None:
        """Remember a new frame: one box per object, None for an object that is not seen."""
        self._moments[stamp_ns] = dict(boxes)
        self._trim()

    def put(self, stamp_ns: int, object_id: int, box_xyxy: BoxXyxy | None) -> None:
        """Remember that an object was added, or corrected, in the frame stepped last."""
        self._since.setdefault(object_id, stamp_ns)
        self._prompted.setdefault(object_id, set()).add(stamp_ns)
        self._moments.setdefault(stamp_ns, {})[object_id] = box_xyxy

    def replace(self, object_id: int, path: Mapping[int, BoxXyxy | None]) -> None:
        """Let an object have gone through other frames, from the first of these on.

        Parameters
        ----------
        object_id : int
        path : mapping of int to box or None
            Its boxes by stamp [ns]; at least one. In the first of these frames it was prompted.

        """
        begin = min(path)
        self._since.setdefault(object_id, begin)
        prompted = self._prompted.setdefault(object_id, set())
        prompted -= {stamp for stamp in prompted if stamp > begin}
        prompted.add(begin)
        for stamp_ns, boxes in self._moments.items():
            if stamp_ns >= begin:
                boxes.pop(object_id, None)
        for stamp_ns, box in path.items():
            self._moments.setdefault(stamp_ns, {})[object_id] = box
        self._moments = dict(sorted(self._moments.items()))
        self._trim()

    def since_ns(self, object_id: int) -> int:
        """Return the stamp of the frame that an object was first prompted on [ns]."""
        return self._since[object_id]

    def was_prompted(self, object_id: int, stamp_ns: int) -> bool:
        """Tell whether an object was added or corrected in the frame of a stamp [ns]."""
        return stamp_ns in self._prompted[object_id]

    def steps_after(self, stamp_ns: int) -> int:
        """Return how many remembered frames are later than a stamp [ns]."""
        return sum(stamp > stamp_ns for stamp in self._moments)

    def steps_from(self, object_id: int, stamp_ns: int) -> int:
        """Return how many frames an object went through from a stamp on, inclusive [ns]."""
        return sum(
            stamp >= stamp_ns and object_id in boxes for stamp, boxes in self._moments.items()
        )

    def boxes_at(self, stamp_ns: int) -> Boxes:
        """Return the boxes in the frame of a stamp [ns]; empty if it is not remembered."""
        return self._moments.get(stamp_ns, {})

    def forget(self, object_ids: Iterable[int]) -> None:
        """Forget objects."""
        for object_id in object_ids:
            self._since.pop(object_id, None)
            self._prompted.pop(object_id, None)
            for boxes in self._moments.values():
                boxes.pop(object_id, None)

    def rewind(self, stamp_ns: int) -> None:
        """Forget the frames from a stamp on [ns], whose own stamps were wrong."""
        for stamp in [stamp for stamp in self._moments if stamp >= stamp_ns]:
            del self._moments[stamp]
        for object_id, since_ns in self._since.items():
            self._since[object_id] = min(since_ns, stamp_ns)
        for stamps in self._prompted.values():
            stamps -= {stamp for stamp in stamps if stamp >= stamp_ns}

    def clear(self) -> None:
        """Forget every frame and object."""
        self._moments.clear()
        self._since.clear()
        self._prompted.clear()

    def _trim(self) -> None:
        while len(self._moments) > self._capacity:
            oldest = next(iter(self._moments))
            del self._moments[oldest]
            for stamps in self._prompted.values():
                stamps.discard(oldest)
