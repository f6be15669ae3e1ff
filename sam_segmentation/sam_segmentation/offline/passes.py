# SPDX-License-Identifier: Apache-2.0
"""In which order a video is walked through, and what is said on the way."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sam_segmentation.core.errors import PromptError
from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.prompt_file import PromptEntry

FORWARD, BACKWARD, BOTH = 'forward', 'backward', 'both'
DIRECTIONS = (BOTH, FORWARD, BACKWARD)


@dataclass(frozen=True, eq=False)
class Pass:
    """One walk through the video.

    Parameters
    ----------
    direction : str
        FORWARD or BACKWARD.
    first, last : int
        The frames that it begins and ends with.
    entries : tuple of PromptEntry
        As they are met, those on one frame in the file's order.

    """

    direction: str
    first: int
    last: int
    entries: tuple[PromptEntry, ...]

    @property
    def sign(self) -> int:
        """1 forward, -1 backward."""
        return 1 if self.direction == FORWARD else -1

    def segments(self, length: int) -> list[tuple[int, int]]:
        """Cut the walk where frames are multiples of a length; (first, last) of each piece."""
        pieces, first = [], self.first
        while (self.last - first) * self.sign >= 0:
            begin = first // length * length
            end = begin + length - 1 if self.sign > 0 else begin
            last = self.sign * min(self.sign * end, self.sign * self.last)
            pieces.append((first, last))
            first = last + self.sign
        return pieces

    def key(self, last: int, base: str) -> str:
        """Return what the results up to a frame depend on, as a digest."""
        digest = hashlib.sha256(f'{base} {self.direction}'.encode())
        for entry in self.entries:
            if (last - entry.frame) * self.sign >= 0:
                digest.update(entry.digest.encode())
        return digest.hexdigest()


def plan_passes(
    entries: Sequence[PromptEntry], *, count: int, size_wh: tuple[int, int], direction: str
) -> list[Pass]:
    """Check the entries against the video and share them out to one pass or two.

    With BOTH, every object is followed forward from its first prompt on through all that is said
    of it, and backward from that frame by what is said there; a removal before its first prompt
    ends the way back. With one direction, all is said in that direction.

    Raises
    ------
    InputError
        If a frame does not exist, a prompt does not fit the image, or an object is removed that
        is not tracked.

    """
    for entry in entries:
        if entry.frame >= count:
            raise InputError(
                f'{entry.where}: frame {entry.frame} is beyond the end; the input has {count} '
                f'frames, 0 to {count - 1}'
            )
        if entry.prompt is not None:
            try:
                entry.prompt.check_fits(size_wh)
            except PromptError as error:
                raise InputError(f'{entry.where}: {error}') from error
    _check_removals(entries)
    if direction != BOTH:
        return [_made(direction, entries, count)]
    starts = _first_frames(entries)
    ahead = [e for e in entries if e.object_id not in starts or e.frame >= starts[e.object_id]]
    back = [
        e
        for e in entries
        if starts.get(e.object_id, 0) > 0
        and (e.prompt is None or e.frame == starts[e.object_id])
        and e.frame <= starts[e.object_id]
    ]
    passes = [_made(FORWARD, ahead, count)]
    if back:
        passes.append(_made(BACKWARD, back, count))
    return passes


def labels_of(entries: Iterable[PromptEntry]) -> dict[int, str]:
    """Return what each object is called; raises InputError if it is called by two names."""
    labels: dict[int, str] = {}
    for entry in entries:
        known = labels.setdefault(entry.object_id, entry.label)
        if entry.label and known and entry.label != known:
            raise InputError(
                f'{entry.where} calls object {entry.object_id} {entry.label!r}, but it was '
                f'called {known!r} before; give it one label'
            )
        labels[entry.object_id] = known or entry.label
    return labels


def _first_frames(entries: Iterable[PromptEntry]) -> dict[int, int]:
    starts: dict[int, int] = {}
    for entry in entries:
        if entry.prompt is not None:
            starts[entry.object_id] = min(entry.frame, starts.get(entry.object_id, entry.frame))
    return starts


def _check_removals(entries: Sequence[PromptEntry]) -> None:
    spoken_of = Counter((entry.object_id, entry.frame) for entry in entries)
    for entry in entries:
        if entry.prompt is None and spoken_of[entry.object_id, entry.frame] > 1:
            raise InputError(
                f'{entry.where} removes object {entry.object_id} on frame {entry.frame}, of '
                'which another entry speaks too; leave one of them out'
            )


def _made(direction: str, entries: Iterable[PromptEntry], count: int) -> Pass:
    sign = 1 if direction == FORWARD else -1
    met = sorted(entries, key=lambda entry: sign * entry.frame)
    tracked: set[int] = set()
    for entry in met:
        if entry.prompt is not None:
            tracked.add(entry.object_id)
        elif entry.object_id in tracked:
            tracked.remove(entry.object_id)
        else:
            raise InputError(
                f'{entry.where} removes object {entry.object_id}, which is not tracked on frame '
                f'{entry.frame} going {direction}; prompt for it first, or leave the entry out'
            )
    last = count - 1 if sign > 0 else 0
    return Pass(direction, met[0].frame, last if tracked else met[-1].frame, tuple(met))
