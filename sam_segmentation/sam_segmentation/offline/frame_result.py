# SPDX-License-Identifier: Apache-2.0
"""What is kept of one object in one frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sam_common.types import BoolArray
from sam_segmentation.core.tracked_mask import ObjectState, TrackedMask
from sam_segmentation.offline.coco_rle import decode_rle, encode_rle


@dataclass(frozen=True)
class ObjectResult:
    """What is kept of one object in one frame.

    Parameters
    ----------
    object_id : int
    state : ObjectState
    score, presence : float
        As `TrackedMask` has them [0-1].
    counts : str
        The mask as COCO's compressed run lengths.

    """

    object_id: int
    state: ObjectState
    score: float
    presence: float
    counts: str

    def mask(self, size_wh: tuple[int, int]) -> BoolArray:
        """Return the mask, bool (H, W); raises ValueError if it is of another size."""
        return decode_rle(self.counts, size_wh)


def kept(tracked: TrackedMask) -> ObjectResult:
    """Return what is kept of a tracked object."""
    return ObjectResult(
        tracked.object_id,
        tracked.state,
        tracked.score,
        tracked.presence,
        encode_rle(tracked.mask),
    )


def to_line(frame: int, results: Sequence[ObjectResult] | None) -> str:
    """Return a frame's results as one line of JSON; None: the frame was skipped."""
    rows = None
    if results is not None:
        rows = [[r.object_id, int(r.state), r.score, r.presence, r.counts] for r in results]
    return json.dumps([frame, rows], separators=(',', ':')) + '\n'


def from_line(line: str) -> tuple[int, list[ObjectResult] | None]:
    """Return the frame and its results; None if it was skipped.

    Raises
    ------
    ValueError
        If the line is not what `to_line` writes.

    """
    try:
        frame, rows = json.loads(line)
        return int(frame), None if rows is None else [_result(*row) for row in rows]
    except (TypeError, RecursionError) as error:
        raise ValueError(f'{line[:80]!r} is no result: {error}') from error


def _result(object_id: Any, state: Any, score: Any, presence: Any, counts: Any) -> ObjectResult:
    return ObjectResult(
        int(object_id), ObjectState(state), float(score), float(presence), str(counts)
    )
