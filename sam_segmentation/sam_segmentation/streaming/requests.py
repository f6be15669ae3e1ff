# SPDX-License-Identifier: Apache-2.0
"""Prompts on a tracked stream, on its newest frame or on a past one.

Each request is a generator. It ends a part with every `yield`, after at most about the time that
the tracker takes for a frame, so that a stream can go on in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from sam_common.errors import ImageError, MissingFrameError, SamError
from sam_common.stamp_order import SEVERAL, format_stamp
from sam_common.steps import Steps
from sam_segmentation.core.errors import (
    PromptError,
    TooManyObjectsError,
    UnknownObjectError,
    naming_prompt,
)
from sam_segmentation.core.prompt import Prompt, check_text
from sam_segmentation.core.tracker import Tracker
from sam_segmentation.streaming.catch_up import CatchUp
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer
from sam_segmentation.streaming.session import SessionView, TrackingSession


@dataclass(frozen=True, eq=False)
class NewObject:
    """An object that is to be tracked.

    Parameters
    ----------
    prompt : Prompt
    label : str
        What it is called; empty: the prompt's text.
    object_id : int
        The id to use [1-65535]; 0: the next free one.
    score : float
        How sure a detector is of it: when there is no room for all, the lowest are left out.

    Raises
    ------
    PromptError
        If the label is longer than 256 characters or holds a control character.

    """

    prompt: Prompt
    label: str = ''
    object_id: int = 0
    score: float = 0.0

    def __post_init__(self) -> None:
        check_text(self.label, 'label')


Refuse = Callable[[NewObject, SamError], None]


def add(
    session: TrackingSession, buffer: FrameBuffer, new: Sequence[NewObject], *, stamp_ns: int = 0
) -> Steps[SessionView]:
    """Begin to track objects that were prompted on one frame.

    Parameters
    ----------
    session : TrackingSession
    buffer : FrameBuffer
        The stream's last frames.
    new : sequence of NewObject
        With prompts in pixels of that frame.
    stamp_ns : int
        The frame's stamp [ns]; 0: the newest frame.

    Returns
    -------
    generator
        Returns the objects, with their ids, in the frame last stepped.

    Raises
    ------
    MissingFrameError
        If no frame has come, or the frame is not buffered.
    ImageError
        If the frame cannot be read, or the camera has changed since.
    PromptError
        If a prompt does not fit the frame, the model cannot read it, or an id is taken.
    TooManyObjectsError
        If there would be more than `max_objects`.
    UnknownObjectError
        If the tracker was reset before the present was reached.
    DeviceError
        If the device runs out of memory.

    """
    frame = yield from bring_up(session, buffer, stamp_ns)
    ids = yield from add_on(session, buffer, frame, new)
    return session.view(ids)


def refine(
    session: TrackingSession,
    buffer: FrameBuffer,
    object_id: int,
    prompt: Prompt,
    *,
    stamp_ns: int = 0,
) -> Steps[SessionView]:
    """Correct a tracked object by a prompt on one frame.

    A correction on a past frame holds from there on: later ones, if there were any, are dropped.
    Parameters, result and errors are those of `add`; UnknownObjectError also if the object is not
    tracked, or no longer when the present is reached.
    """
    session.check_tracked(object_id)
    # Two corrections of an object that catch up side by side would undo each other.
    while object_id in session.catching_up:
        yield
        session.check_tracked(object_id)
    session.catching_up.add(object_id)
    try:
        frame = yield from bring_up(session, buffer, stamp_ns)
        session.check_tracked(object_id)
        edit = partial(Tracker.add, prompt=prompt, object_id=object_id)
        if frame is session.last:
            edit(session.tracker)
            session.edited([object_id])
        else:
            branch = _branch(session, object_id, frame)
            still_there = partial(session.check_tracked, object_id)
            yield from _catch_up(session, buffer, frame, branch, [edit], still_there)
    finally:
        session.catching_up.discard(object_id)
    return session.view([object_id])


def bring_up(session: TrackingSession, buffer: FrameBuffer, stamp_ns: int) -> Steps[Frame]:
    """Step the newest frame unless the one that a prompt is for was stepped; return that one.

    A frame that is out of order is none that can be prompted on.
    """
    newest = buffer.newest()
    frame = buffer.at(stamp_ns) if stamp_ns else buffer.current or newest
    _check_in_stream(frame)
    if session.last is None or _is_ahead(frame, session.last, buffer):
        if session.last is not None:
            session.see_sizes(buffer.after(session.last)[-SEVERAL:])
        current = buffer.current
        if current is not None:
            session.step(current)
        yield
    last = session.last
    if last is None:
        raise MissingFrameError('the newest frame could not be tracked in; prompt on another one')
    if not stamp_ns or frame.stamp_ns == last.stamp_ns:
        return last
    _check_in_stream(frame)
    if frame.era != last.era:
        raise MissingFrameError(
            f'the frame of {format_stamp(stamp_ns)} came before the stamps went back; prompt on '
            'one that came since'
        )
    height, width = frame.image_rgb.shape[:2]
    if session.tracker.size_wh != (width, height):
        raise ImageError(
            f'the frame of {format_stamp(stamp_ns)} is {width} x {height} px, which is no longer '
            "the camera's size; prompt on one that came since"
        )
    return frame


def _check_in_stream(frame: Frame) -> None:
    if frame.skipped:
        raise MissingFrameError(
            f'the frame of {format_stamp(frame.stamp_ns)} was skipped: {frame.skipped}; prompt on '
            'another one'
        )


def _is_ahead(frame: Frame, last: Frame, buffer: FrameBuffer) -> bool:
    return frame is not last and frame in buffer.after(last)


def add_on(
    session: TrackingSession,
    buffer: FrameBuffer,
    frame: Frame,
    new: Sequence[NewObject],
    *,
    refuse: Refuse | None = None,
) -> Steps[list[int]]:
    """Add objects that were prompted on a frame from `bring_up`; return their ids.

    `refuse` gets each one that cannot be added, and why; the others are added all the same.
    None: then none is added.
    """
    limit = session.tracker.options.max_objects
    count = len(session.objects) + len(session.reserved)
    height, width = frame.image_rgb.shape[:2]
    fitting = []
    for number, entry in enumerate(new, start=1):
        try:
            with naming_prompt(number, len(new) if refuse is None else 1):
                entry.prompt.check_fits((width, height))
            fitting.append(entry)
        except (ImageError, PromptError) as error:
            if refuse is None:
                raise
            refuse(entry, error)
    if count + len(fitting) > limit:
        too_many = TooManyObjectsError(
            f'{count} objects are tracked and {len(fitting)} more were asked for, but max_objects '
            f'is {limit}; remove some, or raise max_objects'
        )
        if refuse is None:
            raise too_many
        best_first = sorted(fitting, key=lambda entry: -entry.score)
        for entry in best_first[max(0, limit - count) :]:
            fitting.remove(entry)
            refuse(entry, too_many)
    if not fitting:
        return []
    ids = [_reserve(session, entry.object_id) for entry in fitting]
    added: list[int] = []

    def edit(tracker: Tracker, entry: NewObject, object_id: int) -> None:
        try:
            tracker.add(entry.prompt, new_id=object_id, label=entry.label)
            added.append(object_id)
        except PromptError as error:
            if refuse is None:
                raise
            refuse(entry, error)

    edits = [
        partial(edit, entry=entry, object_id=object_id)
        for entry, object_id in zip(fitting, ids, strict=True)
    ]
    try:
        if frame is session.last and len(edits) == 1:
            edits[0](session.tracker)
            session.edited(added)
        else:
            branch = session.tracker.branch()
            yield from _catch_up(session, buffer, frame, branch, edits, lambda: None)
    finally:
        session.reserved.difference_update(ids)
    return added


def _reserve(session: TrackingSession, wanted: int) -> int:
    if wanted in session.reserved:
        raise PromptError(f'object id {wanted} is being added already; use another id')
    object_id = session.tracker.reserve_id(wanted or None)
    session.reserved.add(object_id)
    return object_id


def _branch(session: TrackingSession, object_id: int, frame: Frame) -> Tracker:
    """Return a branch that knows an object as it was before a past frame."""
    timeline = session.timeline
    since_ns = timeline.since_ns(object_id)
    if frame.stamp_ns < since_ns:
        raise PromptError(
            f'object {object_id} is tracked from {format_stamp(since_ns)} on, but the prompt is '
            f'for {format_stamp(frame.stamp_ns)}; prompt on a later frame, or add it anew'
        )
    steps_back = timeline.steps_from(object_id, frame.stamp_ns)
    if timeline.was_prompted(object_id, frame.stamp_ns):
        # What that prompt taught is kept: the branch then sees the frame a second time.
        steps_back -= 1
    return session.tracker.branch(object_id, steps_back=steps_back)


def _catch_up(
    session: TrackingSession,
    buffer: FrameBuffer,
    frame: Frame,
    branch: Tracker,
    edits: Sequence[Callable[[Tracker], object]],
    still_there: Callable[[], None],
) -> Steps[None]:
    """Apply edits on a past frame in a branch, bring it to the present, and merge it."""
    epoch = session.epoch

    def last() -> Frame:
        still_there()
        if session.epoch != epoch or session.last is None:
            raise UnknownObjectError(
                f'the prompt was dropped: {session.reset_reason}; prompt anew'
            )
        return session.last

    catch_up = CatchUp(branch, frame, buffer)
    for edit in edits:
        yield
        last()
        edit(branch)
    # As densely as the stream was followed, where it was; else as densely as is bearable.
    first_ns = session.timeline.first_ns
    followed = first_ns is not None and first_ns <= frame.stamp_ns
    catch_up.aim(last(), session.timeline.steps_after(frame.stamp_ns) if followed else None)
    while catch_up.frame is not last():
        yield
        catch_up.advance(last())
    session.tracker.merge(branch)
    session.merged(catch_up.path)
