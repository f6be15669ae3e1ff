# SPDX-License-Identifier: Apache-2.0
"""What was computed of one pass, on disk: results in segments, and the tracker between them.

A segment is whole or not there: it gets its name when its last frame is in. It bears a key, the
digest of all that its results depend on, so that what is still valid after a change is found by
comparing keys. `NUMBER.npz` beside `NUMBER.jsonl` is the tracker as it was before that segment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sam_segmentation.core.tracked_mask import TrackedMask
from sam_segmentation.offline.archive import load_archive, save_archive
from sam_segmentation.offline.errors import OutputError
from sam_segmentation.offline.frame_result import ObjectResult, from_line, kept, to_line
from sam_segmentation.offline.passes import Pass

# Snapshots of a large model are tens of megabytes; of a long video only some are kept.
MAX_SNAPSHOTS = 64


class SegmentWriter:
    """Takes the results of a segment's frames."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def add(self, frame: int, objects: Sequence[TrackedMask] | None) -> None:
        """Append one frame's results; None if it was skipped."""
        results = None if objects is None else [kept(one) for one in objects]
        self._stream.write(to_line(frame, results))


class PassStore:
    """The results of one pass.

    Parameters
    ----------
    folder : path
        Made if it does not exist.
    plan : Pass
    length : int
        Frames of a segment.
    base : str
        What all results depend on beside the prompts.

    """

    def __init__(self, folder: Path, plan: Pass, *, length: int, base: str) -> None:
        self.plan = plan
        self.segments = plan.segments(length)
        self._keys = [plan.key(last, base) for _, last in self.segments]
        self._names = [f'{first // length:06d}' for first, _ in self.segments]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._length = length
        self._folder = folder
        self._read: tuple[str, dict[int, list[ObjectResult] | None]] = ('', {})
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def frames(self) -> int:
        """How many frames the pass has."""
        return abs(self.plan.last - self.plan.first) + 1

    def count_done(self) -> int:
        """Return how many segments from the first on are there and valid."""
        for number, key in enumerate(self._keys):
            if self._header(self._segment(number)) != key:
                return number
        return len(self._keys)

    def resume(self, done: int) -> tuple[int, dict[str, Any] | None]:
        """Return the segment to go on with, at most this one, and the tracker before it.

        What cannot be used any more is deleted.
        """
        found: tuple[int, dict[str, Any] | None] = (0, None)
        for number in range(done, 0, -1):
            snapshot = self._load(number)
            if snapshot is not None:
                found = (number, snapshot)
                break
        for file in list(self._folder.iterdir()):
            number = self._numbers.get(file.stem, len(self._names))
            limit = found[0] if file.suffix == '.npz' else done - 1
            if number > limit:
                file.unlink()
        return found

    @contextmanager
    def writing(self, number: int) -> Iterator[SegmentWriter]:
        """Let a segment be written; it appears when all went well."""
        target = self._segment(number)
        part = target.with_suffix('.part')
        # Line by line, so that progress can be looked at.
        with part.open('w', encoding='ascii', buffering=1) as stream:
            stream.write(json.dumps({'key': self._keys[number]}) + '\n')
            yield SegmentWriter(stream)
            os.fsync(stream.fileno())
        part.replace(target)

    def save_snapshot(self, number: int, snapshot: dict[str, Any]) -> None:
        """Keep the tracker as it is before a segment."""
        target = self._snapshot(number)
        part = target.with_suffix('.part')
        save_archive(part, {'key': self._keys[number - 1], 'tracker': snapshot})
        part.replace(target)
        self._thin_out(number)

    def results(self, frame: int) -> list[ObjectResult] | None:
        """Return the objects of a frame, None if it was skipped; fast for frames in order.

        Raises
        ------
        OutputError
            If the results are damaged.

        """
        first, last = sorted((self.plan.first, self.plan.last))
        if not first <= frame <= last:
            return []
        name = f'{frame // self._length:06d}'
        if self._read[0] != name:
            self._read = (name, self._frames(self._segment(self._numbers[name])))
        if frame not in self._read[1]:
            raise self._damaged(name)
        return self._read[1][frame]

    def _frames(self, path: Path) -> dict[int, list[ObjectResult] | None]:
        try:
            with path.open(encoding='ascii') as stream:
                next(stream)
                return dict(from_line(line) for line in stream)
        except (OSError, ValueError, StopIteration) as error:
            raise self._damaged(path.stem) from error

    def _damaged(self, name: str) -> OutputError:
        path = self._folder / f'{name}.jsonl'
        return OutputError(f'{path} is damaged; delete it and type the command again')

    def _segment(self, number: int) -> Path:
        return self._folder / f'{self._names[number]}.jsonl'

    def _snapshot(self, number: int) -> Path:
        return self._folder / f'{self._names[number]}.npz'

    def _header(self, path: Path) -> Any:
        try:
            with path.open(encoding='ascii') as stream:
                return json.loads(stream.readline())['key']
        except (OSError, ValueError, KeyError, TypeError):
            return None  # what cannot be read is computed again

    def _load(self, number: int) -> dict[str, Any] | None:
        try:
            content = load_archive(self._snapshot(number))
        except (OSError, ValueError):
            return None  # an earlier one serves too
        if content.get('key') != self._keys[number - 1]:
            return None
        tracker = content.get('tracker')
        return tracker if isinstance(tracker, dict) else None

    def _thin_out(self, newest: int) -> None:
        """Delete every second snapshot, fourth, ... until few enough are left."""
        stride = 1
        while newest / stride > MAX_SNAPSHOTS:
            stride *= 2
        for file in self._folder.glob('*.npz'):
            number = self._numbers.get(file.stem, 0)
            if number % stride and number != newest:
                file.unlink()
