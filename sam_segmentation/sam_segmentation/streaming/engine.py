# SPDX-License-Identifier: Apache-2.0
"""One model at work: its embeddings, its tracker, its worker, and how long it takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING

from sam_common.bounds import check_answer
from sam_common.errors import SamError
from sam_common.scored_mask import ScoredMask
from sam_common.steps import Steps, T
from sam_common.types import UInt8Array
from sam_common.worker import Worker
from sam_segmentation.core.errors import DeviceError, naming_prompt
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.core.tracker_options import TrackerOptions
from sam_segmentation.models.registry import make_tracker
from sam_segmentation.streaming.embedding_cache import EmbeddingCache
from sam_segmentation.streaming.frame_buffer import Frame
from sam_segmentation.streaming.session import TrackingSession

if TYPE_CHECKING:
    from collections.abc import Iterator

ImageSource = Callable[[], UInt8Array]
# What a prompt may be answered with when all candidates are asked for.
MASKS_PER_PROMPT = 3
# Requests that may be under way on an image side by side.
_MAX_ON_IMAGES = 4
# How often to look whether loading is to be broken off [s].
_LOOK_S = 0.1


class CancelledError(SamError):
    """Loading was broken off."""


class Engine:
    """A model that answers for many images and many callers.

    `segment`, `segment_everything` and `track` may be called from anywhere, `step` from jobs of
    `worker`.

    Parameters
    ----------
    load : callable
        Returns the segmenter; called once, in the worker's thread.
    tracking : TrackerOptions
    history : int
        How many past frames a prompt to the tracker can speak of.
    cache_size : int
        Of how many images the embedding is kept.
    max_pending : int
        Requests that may wait.
    on_stream_error : callable
        Told what a job of the stream raised.
    on_reset : callable
        Told why the tracker had to be reset, in the worker's thread.
    is_cancelled : callable
        Returns whether loading is to be broken off.

    Raises
    ------
    CancelledError
        If it was.
    Exception
        What `load` raises.

    Attributes
    ----------
    worker : Worker
    segmenter : Segmenter
    session : TrackingSession
        Touched by jobs of `worker` only; its attributes may be read from anywhere.
    model_times_s : deque of float
        How long the model took for the last images [s].
    step_times_s : deque of float
        How long the tracker took for the last frames [s].

    """

    def __init__(
        self,
        load: Callable[[], Segmenter],
        *,
        tracking: TrackerOptions,
        history: int,
        cache_size: int,
        max_pending: int,
        on_stream_error: Callable[[Exception], None],
        on_reset: Callable[[str], None],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self.worker = Worker(max_pending, on_stream_error)

        def done(future: Future[T]) -> T:
            while not wait([future], timeout=_LOOK_S).done:
                if is_cancelled():
                    raise CancelledError('loading the model was broken off')
            return future.result()

        def tell(reason: str) -> None:
            if not self.worker.is_stopping:
                on_reset(reason)

        try:
            # OpenMP keeps threads for every thread that it was used from. Once there are more of
            # them than cores it no longer lets them spin, which cost 10 % of a prompt on 2 cores:
            # so torch is used from the worker's thread alone, for loading, too.
            self.segmenter = done(self.worker.submit(load, what='loading'))
            make = partial(make_tracker, self.segmenter, tracking)
            tracker = done(self.worker.submit(make, what='loading'))
        except BaseException:
            self.worker.stop()
            raise
        self.cache = EmbeddingCache(self.segmenter, cache_size)
        self.session = TrackingSession(tracker, history=history, on_reset=tell)
        self._on_images = 0
        self._turns: deque[object] = deque()
        self.model_times_s: deque[float] = deque(maxlen=30)
        self.step_times_s: deque[float] = deque(maxlen=30)

    def segment(
        self,
        key: Callable[[], Hashable],
        image_rgb: ImageSource,
        prompts: Sequence[Prompt],
        *,
        multimask: bool = False,
        refine_rounds: int = 0,
        payload: int = 0,
    ) -> Future[list[list[ScoredMask]]]:
        """Answer prompts on one image: one list per prompt, best first; one prompt a part.

        What this raises in its turn, as `Segmenter.embed` and `Segmenter.segment` do, is in the
        future.

        Parameters
        ----------
        key : callable
            Returns what is equal for equal images only; called in the worker's thread.
        image_rgb : callable
            Returns the image, uint8 (H, W, 3); called there if the image is a new one.
        prompts : sequence of Prompt
        multimask : bool
        refine_rounds : int
            As in `Segmenter.segment`.
        payload : int
            As in `Worker.submit_steps`.

        Raises
        ------
        BusyError
            As `Worker.submit_steps`.

        """
        count = len(prompts)

        def answer(embedding: Embedding) -> Steps[list[list[ScoredMask]]]:
            results = []
            for number, prompt in enumerate(prompts, start=1):
                if number > 1:
                    yield
                with naming_prompt(number, count):
                    masks = self.segmenter.segment(
                        embedding, prompt, multimask=multimask, refine_rounds=refine_rounds
                    )
                # The logits of many masks are large, and nobody asks for them.
                results.append([replace(mask, logits=None) for mask in masks])
            return results

        def check(size_wh: tuple[int, int]) -> None:
            check_answer(count * (MASKS_PER_PROMPT if multimask else 1), size_wh)

        steps = self._on_image(key, image_rgb, check, answer)
        what = f'segment ({count} prompts)'
        return self.worker.submit_steps(self._timed(steps), what=what, payload=payload)

    def segment_everything(
        self,
        key: Callable[[], Hashable],
        image_rgb: ImageSource,
        options: EverythingOptions,
        *,
        payload: int = 0,
    ) -> Future[tuple[list[ScoredMask], tuple[int, int]]]:
        """Find every object in one image: the masks, largest first, and the image's size_wh.

        Parameters and errors are those of `segment`.
        """

        def answer(embedding: Embedding) -> Steps[tuple[list[ScoredMask], tuple[int, int]]]:
            masks = yield from self.segmenter.everything_steps(embedding, options)
            return masks, embedding.size_wh

        steps = self._on_image(key, image_rgb, lambda size_wh: None, answer)
        what = f'segment_everything ({options.points_per_side} points a side)'
        return self.worker.submit_steps(self._timed(steps), what=what, payload=payload)

    def step(self, frame: Frame) -> None:
        """Follow the tracked objects into a frame; raises what `TrackingSession.step` raises."""
        begin = perf_counter()
        with self._freeing():
            if self.session.step(frame):
                self.step_times_s.append(perf_counter() - begin)

    def track(
        self, steps: Steps[T], *, what: str = 'prompting the tracker', payload: int = 0
    ) -> Future[T]:
        """Run a request to the tracker, part by part, in the worker's thread.

        What it returns, or raises, is in the future; the rest is as in `Worker.submit_steps`.
        """
        return self.worker.submit_steps(self._track(steps), what=what, payload=payload)

    def close(self) -> bool:
        """Stop the worker and free the model; return whether it is free already.

        It is not if the model is in the middle of a call that lasts. Then it is freed after that.
        """
        return self.worker.stop(self._free)

    def _free(self) -> None:
        self.cache.clear()
        self.session.close()
        self.segmenter.close()

    def _track(self, steps: Steps[T]) -> Steps[T]:
        with self._freeing():
            return (yield from steps)

    def _on_image(
        self,
        key: Callable[[], Hashable],
        image_rgb: ImageSource,
        check: Callable[[tuple[int, int]], None],
        answer: Callable[[Embedding], Steps[T]],
    ) -> Steps[T]:
        """Embed an image, and run what is to be done with that; `check` refuses its size."""

        def checked() -> UInt8Array:
            image = image_rgb()
            check((image.shape[1], image.shape[0]))
            return image

        # Each of them holds an embedding, whether the cache still knows it or not. Who came first
        # goes first.
        turn = object()
        self._turns.append(turn)
        try:
            while self._on_images >= _MAX_ON_IMAGES or self._turns[0] is not turn:
                yield
        finally:
            self._turns.remove(turn)
        self._on_images += 1
        try:
            misses = self.cache.misses
            embedding = self.cache.get(key(), checked)
            check(embedding.size_wh)
            if self.cache.misses > misses:
                yield
            return (yield from answer(embedding))
        finally:
            self._on_images -= 1

    def _timed(self, steps: Steps[T]) -> Steps[T]:
        """Run a request to the model, and note how long its parts took together."""
        spent = 0.0
        try:
            with self._freeing():
                while True:
                    begin = perf_counter()
                    try:
                        next(steps)
                    except StopIteration as end:
                        self.model_times_s.append(spent + perf_counter() - begin)
                        result: T = end.value
                        return result
                    spent += perf_counter() - begin
                    yield
        finally:
            steps.close()

    @contextmanager
    def _freeing(self) -> Iterator[None]:
        """Free what can be freed when the device is, most likely, out of memory."""
        try:
            yield
        except DeviceError:
            # So that the next one works.
            self.cache.clear()
            raise
