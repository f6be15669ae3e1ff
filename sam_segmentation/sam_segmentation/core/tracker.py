# SPDX-License-Identifier: Apache-2.0
"""What every tracker offers: several objects followed through live frames, each under its id."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sam_common.errors import ImageError, MissingFrameError
from sam_common.images import check_image
from sam_common.types import UInt8Array
from sam_segmentation.core.errors import PromptError, TooManyObjectsError, UnknownObjectError
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.core.prompt import Prompt, check_text
from sam_segmentation.core.track import Track, TrackState, pack, unpack
from sam_segmentation.core.tracked_mask import ObjectState, Observation, TrackedMask
from sam_segmentation.core.tracker_options import TrackerOptions

MAX_ID = 65535  # what a label image holds
# How often a lost object with a name is looked for [frames].
_LOOK_EVERY = 10

Finder = Callable[[UInt8Array, str], Prompt | None]


class Tracker(ABC):
    """Follows objects through a stream, one frame at a time, in constant memory.

    Not thread-safe: one thread at a time calls it. An id is used once, over resets, too: what was
    removed does not come back under it unless `new_id` asks for that. Only when each of the 65535
    was used does the one that is gone for longest come back.

    Parameters
    ----------
    name : str
        Canonical name of the model.
    device : str
        Where it runs, as torch names it: 'cpu', 'cuda:0'.
    options : TrackerOptions

    Attributes
    ----------
    finder : callable or None
        `finder(image_rgb, text)` returns a prompt for the thing of that name, or None: for prompts
        of text, and to look for lost objects that were named. None: text is only a label.
    steps : int
        Frames that were stepped since the last reset.

    Examples
    --------
    >>> import numpy as np
    >>> from sam_segmentation import Prompt, load_tracker
    >>> tracker = load_tracker('grabcut')
    >>> frame_rgb = np.full((120, 160, 3), 40, np.uint8)
    >>> frame_rgb[30:90, 50:110] = (220, 60, 40)
    >>> _ = tracker.step(frame_rgb)
    >>> red = tracker.add(Prompt(box_xyxy=(45, 25, 115, 95)))
    >>> for tracked in tracker.step(frame_rgb):
    ...     print(tracked.object_id, tracked.state.name, tracked.mask.shape)
    1 VISIBLE (120, 160)

    """

    def __init__(self, name: str, *, device: str, options: TrackerOptions) -> None:
        self.name = name
        self.device = device
        self.options = options
        self.finder: Finder | None = None
        self.steps = 0
        self._size_wh: tuple[int, int] | None = None
        self._image: UInt8Array | None = None
        self._tracks: dict[int, Track] = {}
        # Every id that was used: at first the one whose object is gone for longest.
        self._used: dict[int, None] = {}

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Width and height of the frames [px]; None before the first one."""
        return self._size_wh

    @property
    def objects(self) -> list[TrackedMask]:
        """Every tracked object in the frame last stepped, by id."""
        return [track.tracked(object_id) for object_id, track in sorted(self._tracks.items())]

    def step(self, image_rgb: UInt8Array) -> list[TrackedMask]:
        """Follow every object into the next frame.

        Parameters
        ----------
        image_rgb : array of uint8, shape (H, W, 3)
            Not to be written to while it is the newest.

        Returns
        -------
        list of TrackedMask
            One per object, by id; an object that is not seen has an empty mask or a low presence.

        Raises
        ------
        ImageError
            If the array is of another type or shape, or of another size than the frames before.
        DeviceError
            If the device runs out of memory; no object's track is changed.

        """
        check_image(image_rgb)
        size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        if self._size_wh not in (None, size_wh):
            width, height = self._size_wh or size_wh
            raise ImageError(
                f'the frame is {size_wh[0]} x {size_wh[1]} px, but those before were '
                f'{width} x {height}; reset the tracker, or scale the frame'
            )
        expected = {
            object_id: track.motion.copy()
            for object_id, track in self._tracks.items()
            if track.motion
        }
        for motion in expected.values():
            motion.predict()
        observations = self._step(image_rgb, expected)
        self._size_wh, self._image = size_wh, image_rgb
        self.steps += 1
        for object_id, observation in observations.items():
            self._tracks[object_id].motion = expected.get(object_id)
            self._tracks[object_id].update(observation, size_wh)
        self._look_for_lost(image_rgb)
        return self.objects

    def add(
        self,
        prompt: Prompt,
        object_id: int | None = None,
        *,
        new_id: int | None = None,
        label: str = '',
    ) -> TrackedMask:
        """Track a new object, or correct one, on the frame last stepped.

        Parameters
        ----------
        prompt : Prompt
            In pixels of that frame. A text beside points, a box or a mask is the object's label.
        object_id : int or None
            A tracked object that is to be corrected; None: a new one.
        new_id : int or None
            The id for a new object [1-65535]; None: the next free one.
        label : str
            What the object is called; empty: the prompt's text, or what it was called before.

        Returns
        -------
        TrackedMask
            The object in the frame last stepped, with its id.

        Raises
        ------
        MissingFrameError
            If no frame was stepped.
        PromptError
            If the prompt does not fit the frame, the model cannot read it, `new_id` is taken, or
            the label is too long or holds a control character.
        UnknownObjectError
            If `object_id` is not tracked.
        TooManyObjectsError
            If `max_objects` are tracked already.
        DeviceError
            If the device runs out of memory.

        """
        if self._size_wh is None or self._image is None:
            raise MissingFrameError('no frame has come yet; step one, then prompt on it')
        if object_id is not None and new_id is not None:
            raise PromptError('object_id and new_id are both given; give one of them')
        self._check_tracked(object_id)
        check_text(label, 'label')
        text = prompt.text
        prompt = self._without_text(prompt, self._image)
        prompt.check_fits(self._size_wh)
        if object_id is not None:
            observation = self._refine(object_id, prompt)
            track = self._tracks[object_id]
            track.label = label or text or track.label
            track.text = text or track.text
            track.motion = None
            track.update(observation, self._size_wh)
            return track.tracked(object_id)
        object_id = self.reserve_id(new_id)
        observation = self._add(object_id, prompt)
        state = TrackState(self.options.lost_after)
        track = self._tracks[object_id] = Track(state, label or text, text, None, observation)
        track.update(observation, self._size_wh)
        return track.tracked(object_id)

    def reserve_id(self, new_id: int | None = None) -> int:
        """Return an id that no other object will get: `new_id`, or the next free one.

        Raises
        ------
        PromptError
            If `new_id` is taken, or not 1 to 65535.
        TooManyObjectsError
            If `max_objects` are tracked already.

        """
        object_id = self._free_id(new_id)
        self._use(object_id)
        return object_id

    def rename(self, object_id: int, label: str) -> None:
        """Call a tracked object something else.

        Raises UnknownObjectError if it is not tracked, PromptError for a label as in `add`.
        """
        self._check_tracked(object_id)
        check_text(label, 'label')
        self._tracks[object_id].label = label

    def remove(self, object_id: int) -> None:
        """Stop tracking an object; raises UnknownObjectError if it is not tracked."""
        self._check_tracked(object_id)
        self._remove(object_id)
        del self._tracks[object_id]
        self._use(object_id)

    def reset(self) -> None:
        """Stop tracking everything; the next frame may be of any size."""
        self._reset()
        for object_id in self._tracks:
            self._use(object_id)
        self._tracks.clear()
        self._size_wh = self._image = None
        self.steps = 0

    def branch(self, object_id: int | None = None, *, steps_back: int = 0) -> Tracker:
        """Return a tracker on the same model that runs beside this one, to catch up from the past.

        Parameters
        ----------
        object_id : int or None
            An object that it begins with, as this one knew it then; None: with nothing.
        steps_back : int
            How many of the last frames it does not know [0 and up]. What a model has forgotten of
            the time before stays forgotten.

        Raises
        ------
        UnknownObjectError
            If the object is not tracked.

        """
        self._check_tracked(object_id)
        other = self._empty()
        other.finder = self.finder
        if object_id is not None:
            other._tracks[object_id] = self._tracks[object_id].moved()
            other._copy_object(object_id, self, steps_back)
        return other

    def merge(self, branch: Tracker) -> None:
        """Take over a branch's objects, in place of those of the same id.

        The branch must have stepped the same frame last as this tracker.

        Raises
        ------
        ImageError
            If the branch saw frames of another size, or none.
        TooManyObjectsError
            If there would be more than `max_objects`.

        """
        if branch.size_wh is None or branch.size_wh != self._size_wh:
            raise ImageError(
                f'the branch saw frames of {branch.size_wh}, this tracker of {self._size_wh} px; '
                'step both to the same frame'
            )
        if len(self._tracks.keys() | branch._tracks.keys()) > self.options.max_objects:
            raise self._full()
        for object_id, track in branch._tracks.items():
            self._copy_object(object_id, branch, 0)
            self._tracks[object_id] = track.moved()

    def snapshot(self) -> dict[str, Any]:
        """Return all that `restore` needs to go on from here.

        Returns
        -------
        dict
            Of str keys; nested dicts, lists, arrays, numbers, strings and None only.

        """
        return {
            'model': self.name,
            'size_wh': list(self._size_wh) if self._size_wh else None,
            'steps': self.steps,
            'next_id': max(self._used, default=0) + 1,
            'tracks': {str(object_id): pack(t) for object_id, t in self._tracks.items()},
            'memory': self._snapshot(),
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Go on from a snapshot; `add` needs a frame to be stepped first.

        Raises
        ------
        ImageError
            If it was made by another model.

        """
        if snapshot['model'] != self.name:
            raise ImageError(
                f'the snapshot was made by {snapshot["model"]!r}, not by {self.name!r}'
            )
        self.reset()
        self._restore(snapshot['memory'])
        size_wh = snapshot['size_wh']
        self._size_wh = (int(size_wh[0]), int(size_wh[1])) if size_wh else None
        self.steps = int(snapshot['steps'])
        self._used = dict.fromkeys(range(1, min(int(snapshot['next_id']), MAX_ID + 1)))
        self._tracks = {
            int(object_id): unpack(packed, self.options.lost_after)
            for object_id, packed in snapshot['tracks'].items()
        }

    def close(self) -> None:
        """Stop tracking and free the model's memory; the tracker cannot be used afterwards."""
        self.reset()

    def _look_for_lost(self, image_rgb: UInt8Array) -> None:
        if self.finder is None or self.steps % _LOOK_EVERY:
            return
        for object_id, track in self._tracks.items():
            if track.text and track.state.value is ObjectState.LOST:
                prompt = self.finder(image_rgb, track.text)
                if prompt is not None:
                    self.add(prompt, object_id)

    def _without_text(self, prompt: Prompt, image_rgb: UInt8Array) -> Prompt:
        if not prompt.text:
            return prompt
        if (
            len(prompt.points_xy)
            or prompt.box_xyxy is not None
            or prompt.mask is not None
            or prompt.logits is not None
        ):
            return replace(prompt, text='')
        if self.finder is None:
            raise PromptError(
                f'{self.name} reads no text ({prompt.text!r}); give points, a box or a mask'
            )
        found = self.finder(image_rgb, prompt.text)
        if found is None:
            raise PromptError(f'nothing called {prompt.text!r} is seen in the frame')
        return found

    def _free_id(self, new_id: int | None) -> int:
        if len(self._tracks) >= self.options.max_objects:
            raise self._full()
        if new_id is None:
            return self._next_id()
        if not 1 <= new_id <= MAX_ID:
            raise PromptError(f'object id {new_id} is out of range; give 1 to {MAX_ID}')
        if new_id in self._tracks:
            raise PromptError(
                f'object id {new_id} is tracked already; refine it, remove it, or use another id'
            )
        return new_id

    def _next_id(self) -> int:
        above = max(self._used, default=0) + 1
        if above <= MAX_ID:
            return above
        unused = (i for i in range(1, MAX_ID + 1) if i not in self._used)
        gone = (i for i in self._used if i not in self._tracks)
        return next(unused, 0) or next(gone)

    def _use(self, object_id: int) -> None:
        """Take note that an id is in use now: it becomes free again after all others."""
        self._used.pop(object_id, None)
        self._used[object_id] = None

    def _full(self) -> TooManyObjectsError:
        return TooManyObjectsError(
            f'{len(self._tracks)} objects are tracked, and max_objects is '
            f'{self.options.max_objects}; remove one, or raise max_objects'
        )

    def _check_tracked(self, object_id: int | None) -> None:
        if object_id is None or object_id in self._tracks:
            return
        ids = ', '.join(map(str, sorted(self._tracks))) or 'none'
        was = ' any more' if object_id in self._used else ''
        raise UnknownObjectError(
            f'object {object_id} is not tracked{was}; tracked are: {ids}; add it anew'
        )

    @abstractmethod
    def _step(
        self, image_rgb: UInt8Array, expected: Mapping[int, BoxMotion]
    ) -> dict[int, Observation]:
        """Return an observation of every object in the next frame.

        `expected` holds, for each object that was ever seen, where its motion leads to in this
        frame; not to be changed.
        """

    @abstractmethod
    def _add(self, object_id: int, prompt: Prompt) -> Observation:
        """Begin to track an object on the frame last stepped, by a checked prompt without text."""

    @abstractmethod
    def _refine(self, object_id: int, prompt: Prompt) -> Observation:
        """Correct an object on the frame last stepped, by a checked prompt without text."""

    @abstractmethod
    def _remove(self, object_id: int) -> None:
        """Forget an object."""

    @abstractmethod
    def _reset(self) -> None:
        """Forget every object and frame."""

    @abstractmethod
    def _empty(self) -> Tracker:
        """Return a tracker with the same model and options that tracks nothing."""

    @abstractmethod
    def _copy_object(self, object_id: int, source: Any, steps_back: int) -> None:
        """Take over the memory of an object from another tracker of this kind.

        What it learned in the last `steps_back` frames is left out. The frame last stepped here
        then stands for the one that the source stepped that many frames before its last.
        """

    @abstractmethod
    def _snapshot(self) -> dict[str, Any]:
        """Return the memory of every object, as `snapshot` describes."""

    @abstractmethod
    def _restore(self, memory: Mapping[str, Any]) -> None:
        """Put back what `_snapshot` returned, after a reset."""
