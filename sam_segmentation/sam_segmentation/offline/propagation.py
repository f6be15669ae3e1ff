# SPDX-License-Identifier: Apache-2.0
"""Tracks through a video in one direction, going on from what is there already."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sam_common.errors import SamError
from sam_segmentation.core.tracked_mask import TrackedMask
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.offline.errors import BadFrameError, InputError, OutputError
from sam_segmentation.offline.frame_source import FrameSource, VideoFrame
from sam_segmentation.offline.pass_store import PassStore
from sam_segmentation.offline.passes import Pass
from sam_segmentation.offline.prompt_file import PromptEntry


def run_pass(
    source: FrameSource,
    store: PassStore,
    get_tracker: Callable[[], Tracker],
    progress: Callable[[int], object],
    *,
    skips_bad: bool = False,
) -> int:
    """Complete the results of a pass.

    Parameters
    ----------
    source : FrameSource
    store : PassStore
        What is there of it, and where the rest goes.
    get_tracker : callable
        Called if there is anything left to track.
    progress : callable
        Called with how many frames more are there.
    skips_bad : bool
        Whether damaged frames are left out, rather than end the run.

    Returns
    -------
    int
        How many frames were tracked.

    Raises
    ------
    SamError
        If a frame or a prompt cannot be used.

    """
    done = store.count_done()
    if done == len(store.segments):
        progress(_frames(store.segments))
        return 0
    begin, snapshot = store.resume(done)
    progress(_frames(store.segments[:begin]))
    tracker = get_tracker()
    tracker.reset()
    if snapshot is not None:
        _restore(tracker, snapshot)
    entries = defaultdict(list)
    objects: list[TrackedMask] | None
    for entry in store.plan.entries:
        entries[entry.frame].append(entry)
    frames = _walk(source, store.plan, store.segments[begin][0])
    for number in range(begin, len(store.segments)):
        with store.writing(number) as writer:
            for _ in range(_frames([store.segments[number]])):
                frame = next(frames)
                said = entries.get(frame.index, ())
                try:
                    objects = follow(tracker, frame, said)
                except BadFrameError as error:
                    if not skips_bad:
                        raise
                    if said:
                        raise InputError(
                            f'{said[0].where}: its frame is damaged ({error}); prompt on another'
                        ) from error
                    objects = None
                writer.add(frame.index, objects)
                progress(1)
            if number + 1 < len(store.segments):
                store.save_snapshot(number + 1, tracker.snapshot())
    return _frames(store.segments[begin:])


def follow(
    tracker: Tracker, frame: VideoFrame, entries: Sequence[PromptEntry]
) -> list[TrackedMask]:
    """Step to the next frame, do what the entries on it say, and return its objects.

    Raises
    ------
    SamError
        If the model cannot use a prompt; names the entry.

    """
    objects = tracker.step(frame.read())
    for entry in entries:
        try:
            _apply(tracker, entry)
        except SamError as error:
            raise type(error)(f'{entry.where}: {error}') from error
    return tracker.objects if entries else objects


def _apply(tracker: Tracker, entry: PromptEntry) -> None:
    if entry.prompt is None:
        tracker.remove(entry.object_id)
    elif any(one.object_id == entry.object_id for one in tracker.objects):
        tracker.add(entry.prompt, object_id=entry.object_id)
    else:
        tracker.add(entry.prompt, new_id=entry.object_id)


def _restore(tracker: Tracker, snapshot: Mapping[str, Any]) -> None:
    try:
        tracker.restore(snapshot)
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as e:
        raise OutputError(
            f'the stored state of the tracker does not fit it ({type(e).__name__}: {e}); begin '
            'anew by --force'
        ) from e


def _walk(source: FrameSource, plan: Pass, first: int) -> Iterator[VideoFrame]:
    if plan.sign < 0:
        return source.reversed(first, plan.last)
    return source.frames(first)


def _frames(segments: Sequence[tuple[int, int]]) -> int:
    return sum(abs(last - first) + 1 for first, last in segments)
