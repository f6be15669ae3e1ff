# SPDX-License-Identifier: Apache-2.0
"""One model at work: its embeddings, its tracker, its worker, and how long it takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from sam_segmentation.core.embedding_cache import EmbeddingCache
from sam_segmentation.core.errors import DeviceError, naming_prompt
from sam_segmentation.core.frame_ring import Frame
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import Embedding, EverythingOptions, Segmenter
from sam_segmentation.core.tracker_options import TrackerOptions
from sam_segmentation.core.tracking_session import TrackingSession
from sam_segmentation.core.worker import Steps, Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar('T')
ImageSource = Callable[[], npt.NDArray[np.uint8]]


class Engine:
    """A model that answers for many images and many callers.

    `segment`, `segment_everything` and `step` are to be called from jobs of `worker`.

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

    Raises
    ------
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
    ) -> None:
        self.worker = Worker(max_pending, on_stream_error)
        try:
            # OpenMP keeps threads for every thread that it was used from. Once there are more of
            # them than cores it no longer lets them spin, which cost 10 % of a prompt on 2 cores:
            # so torch is used from the worker's thread alone, for loading, too.
            self.segmenter = self.worker.submit(load).result()
            tracker = self.worker.submit(lambda: self.segmenter.make_tracker(tracking)).result()
        except BaseException:
            self.worker.stop()
            raise
        self.cache = EmbeddingCache(self.segmenter, cache_size)
        self.session = TrackingSession(tracker, history=history, on_reset=on_reset)
        self.model_times_s: deque[float] = deque(maxlen=30)
        self.step_times_s: deque[float] = deque(maxlen=30)

    def segment(
        self,
        key: Hashable,
        image_rgb: ImageSource,
        prompts: Sequence[Prompt],
        *,
        multimask: bool = False,
        refine_rounds: int = 0,
    ) -> list[list[ScoredMask]]:
        """Answer prompts on one image: one list per prompt, best first.

        `key` is equal for equal images only; `image_rgb` is called if the image is a new one.
        Raises what `Segmenter.embed` and `Segmenter.segment` raise.
        """
        with self._model_at_work(key, image_rgb) as embedding:
            results = []
            for number, prompt in enumerate(prompts, start=1):
                with naming_prompt(number, len(prompts)):
                    results.append(
                        self.segmenter.segment(
                            embedding, prompt, multimask=multimask, refine_rounds=refine_rounds
                        )
                    )
            return results

    def segment_everything(
        self, key: Hashable, image_rgb: ImageSource, options: EverythingOptions
    ) -> tuple[list[ScoredMask], tuple[int, int]]:
        """Find every object in one image: the masks, largest first, and the image's size_wh."""
        with self._model_at_work(key, image_rgb) as embedding:
            return self.segmenter.segment_everything(embedding, options), embedding.size_wh

    def step(self, frame: Frame) -> None:
        """Follow the tracked objects into a frame; raises what `TrackingSession.step` raises."""
        begin = perf_counter()
        with self._freeing():
            if self.session.step(frame):
                self.step_times_s.append(perf_counter() - begin)

    def track(self, steps: Steps[T]) -> Future[T]:
        """Run a request to the tracker, part by part, in the worker's thread.

        What it returns, or raises, is in the future; raises BusyError itself.
        """
        return self.worker.submit_steps(self._track(steps))

    def close(self) -> None:
        """Stop the worker and free the model."""
        self.worker.stop()
        self.cache.clear()
        self.session.close()
        self.segmenter.close()

    def _track(self, steps: Steps[T]) -> Steps[T]:
        with self._freeing():
            return (yield from steps)

    @contextmanager
    def _model_at_work(self, key: Hashable, image_rgb: ImageSource) -> Iterator[Embedding]:
        begin = perf_counter()
        with self._freeing():
            yield self.cache.get(key, image_rgb)
        self.model_times_s.append(perf_counter() - begin)

    @contextmanager
    def _freeing(self) -> Iterator[None]:
        """Free what can be freed when the device is, most likely, out of memory."""
        try:
            yield
        except DeviceError:
            # So that the next one works.
            self.cache.clear()
            raise
