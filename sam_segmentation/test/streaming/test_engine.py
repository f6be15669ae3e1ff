# SPDX-License-Identifier: Apache-2.0
"""Frames, embeddings and prompts meet in the engine: each image is embedded once."""

from functools import partial
from threading import Event, active_count, get_ident

import numpy as np
import pytest
from toy_tracker import ToyTracker

from sam_common import bounds
from sam_common.errors import MissingFrameError, TooLargeError
from sam_common.scored_mask import ScoredMask
from sam_common.worker import BusyError
from sam_segmentation.core.errors import DeviceError, PromptError
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import EverythingOptions, Segmenter
from sam_segmentation.core.tracker_options import TrackerOptions
from sam_segmentation.streaming.embedding_cache import EmbeddingCache
from sam_segmentation.streaming.engine import CancelledError, Engine
from sam_segmentation.streaming.frame_buffer import Frame, FrameBuffer
from sam_segmentation.streaming.requests import NewObject, add

IMAGE = np.zeros((6, 8, 3), np.uint8)
CLICK = Prompt(points_xy=[(2, 2)], labels=[1])


class Counting(Segmenter):
    """Counts embeddings; runs out of memory when told to."""

    name = 'counting'
    embedded = 0
    full = False

    def _embed(self, image_rgb):
        self.embedded += 1
        if self.full:
            raise DeviceError('out of memory')
        return None

    def _segment(self, embedding, prompt, multimask):
        return [ScoredMask(np.ones((6, 8), bool), 0.5)]

    def _everything_steps(self, embedding, options):
        yield
        return []

    def make_tracker(self, options):
        return ToyTracker(options)


def make_engine(load=Counting, **options):
    defaults = {
        'tracking': TrackerOptions(), 'history': 10, 'cache_size': 2, 'max_pending': 2,
        'on_stream_error': print, 'on_reset': print,
    }  # fmt: skip
    return Engine(load, **defaults | options)


def ask(engine, key, prompts):
    return engine.segment(lambda: key, lambda: IMAGE, prompts).result(10)


@pytest.fixture
def engine():
    engine = make_engine()
    yield engine
    engine.close()


def test_an_image_is_embedded_once_however_often_it_is_prompted(engine):
    for _ in range(3):
        assert len(ask(engine, 'a', [CLICK, CLICK])) == 2
    assert engine.segmenter.embedded == 1
    assert (engine.cache.hits, engine.cache.misses) == (2, 1)


def test_the_embedding_used_longest_ago_goes_first():
    segmenter = Counting()
    cache = EmbeddingCache(segmenter, 2)
    for key in ('a', 'b', 'a', 'c', 'a', 'b'):
        cache.get(key, lambda: IMAGE)
    assert segmenter.embedded == 4  # a, b, c, and b anew


def test_out_of_memory_empties_the_cache_and_the_next_one_works(engine):
    ask(engine, 'a', [CLICK])
    engine.segmenter.full = True
    with pytest.raises(DeviceError):
        ask(engine, 'b', [CLICK])
    engine.segmenter.full = False
    ask(engine, 'a', [CLICK])
    assert engine.segmenter.embedded == 3


def test_the_bad_prompt_of_several_is_named(engine):
    outside = Prompt(points_xy=[(99, 2)], labels=[1])
    with pytest.raises(PromptError, match=r'prompt 2: .*outside'):
        ask(engine, 'a', [CLICK, outside])
    with pytest.raises(PromptError, match=r'^point'):
        ask(engine, 'a', [outside])


def test_the_model_is_loaded_in_the_thread_that_runs_it():
    threads = []

    class Threads(Counting):
        def __init__(self):
            threads.append(get_ident())

        def _embed(self, image_rgb):
            threads.append(get_ident())

    engine = make_engine(Threads)
    ask(engine, 'a', [CLICK])
    engine.close()
    assert threads[0] == threads[1] != get_ident()


def test_the_tracker_is_made_and_used_in_that_thread_too():
    threads = []

    class Threads(Counting):
        def make_tracker(self, options):
            threads.append(get_ident())
            return TrackerThreads(options)

    class TrackerThreads(ToyTracker):
        def _step(self, image_rgb, expected):
            threads.append(get_ident())
            return super()._step(image_rgb, expected)

    engine = make_engine(Threads)
    buffer = FrameBuffer(3)
    buffer.add(frame(1))
    view = engine.track(add(engine.session, buffer, [NewObject(CLICK)])).result(10)
    assert [obj.object_id for obj in view.objects] == [1]
    engine.worker.submit(lambda: engine.step(frame(2))).result(10)
    engine.close()
    assert len(threads) == 3
    assert set(threads) == {threads[0]} != {get_ident()}


def test_out_of_memory_in_the_tracker_empties_the_cache_too(engine, monkeypatch):
    def full(tracker, image_rgb, expected):
        raise DeviceError('out of memory')

    monkeypatch.setattr(ToyTracker, '_step', full)
    buffer = FrameBuffer(3)
    buffer.add(frame(1))
    for step in (
        lambda: engine.track(add(engine.session, buffer, [NewObject(CLICK)])).result(10),
        lambda: engine.step(frame(2)),
    ):
        ask(engine, 'a', [CLICK])
        embedded = engine.segmenter.embedded
        with pytest.raises(DeviceError):
            step()
        ask(engine, 'a', [CLICK])
        assert engine.segmenter.embedded == embedded + 1


def test_prompts_are_answered_one_a_part_in_turn_with_the_stream(engine, monkeypatch):
    order = []
    answer = Counting._segment
    monkeypatch.setattr(
        Counting, '_segment', lambda *args: (order.append('prompt'), answer(*args))[1]
    )
    held, release = Event(), Event()
    engine.worker.submit(lambda: (held.set(), release.wait(10)))
    assert held.wait(10)

    def step():
        order.append('frame')
        engine.worker.offer(step)

    engine.worker.offer(step)
    future = engine.segment(lambda: 'a', lambda: IMAGE, [CLICK] * 3)
    release.set()
    assert len(future.result(10)) == 3
    assert ' '.join(order).startswith('frame frame prompt frame prompt frame prompt')


def test_only_a_few_requests_hold_an_embedding_at_once(monkeypatch):
    begun, at_once = [], []

    def steps(segmenter, embedding, options):
        begun.append(True)
        at_once.append(len(begun))
        yield
        yield
        begun.pop()
        return []

    monkeypatch.setattr(Counting, '_everything_steps', steps)
    engine = make_engine(max_pending=20)
    futures = [
        engine.segment_everything(lambda n=n: n, lambda: IMAGE, EverythingOptions())
        for n in range(12)
    ]
    assert [future.result(10) for future in futures] == [([], (8, 6))] * 12
    assert 1 < max(at_once) <= 4
    engine.close()


def test_an_answer_that_would_be_too_large_is_refused_before_the_model_sees_the_image(
    engine, monkeypatch
):
    monkeypatch.setattr(bounds, 'MAX_ANSWER_BYTES', 2 * 6 * 8)
    assert len(ask(engine, 'a', [CLICK] * 2)) == 2
    with pytest.raises(TooLargeError, match=r'3 masks of 8 x 6 px .*fewer prompts'):
        ask(engine, 'b', [CLICK] * 3)
    assert engine.segmenter.embedded == 1
    # All candidates of a prompt count, and so does an image that is known already.
    with pytest.raises(TooLargeError, match='3 masks'):
        engine.segment(lambda: 'a', lambda: IMAGE, [CLICK], multimask=True).result(10)


def test_loading_can_be_broken_off():
    release = Event()
    with pytest.raises(CancelledError):
        make_engine(lambda: release.wait(10), is_cancelled=lambda: True)
    release.set()


def test_a_model_in_the_middle_of_a_long_call_is_freed_after_it(monkeypatch):
    running, release, freed = Event(), Event(), Event()

    class Stuck(Counting):
        def _embed(self, image_rgb):
            running.set()
            release.wait(10)

        def close(self):
            assert release.is_set()
            freed.set()

    engine = make_engine(Stuck)
    future = engine.segment(lambda: 'a', lambda: IMAGE, [CLICK])
    assert running.wait(10)
    monkeypatch.setattr(engine.worker, 'stop', partial(engine.worker.stop, timeout_s=0.01))
    assert not engine.close()
    with pytest.raises(BusyError, match='the worker was stopped'):
        future.result(0)
    # Another one works meanwhile.
    other = make_engine()
    assert ask(other, 'a', [CLICK])
    assert other.close()
    release.set()
    assert freed.wait(10)


def test_what_loading_raises_is_raised_and_leaves_no_thread():
    before = active_count()
    with pytest.raises(ZeroDivisionError):
        make_engine(lambda: 1 / 0)
    assert active_count() == before


def frame(stamp_ns):
    return Frame(stamp_ns, None, lambda: IMAGE)


def test_a_ring_keeps_the_newest_and_finds_by_stamp():
    buffer = FrameBuffer(3)
    with pytest.raises(MissingFrameError, match='no image has arrived'):
        buffer.newest()
    with pytest.raises(MissingFrameError, match='no image has arrived'):
        buffer.at(5)
    frames = [frame(stamp) for stamp in (1, 2, 3, 4)]
    for one in frames:
        buffer.add(one)
    assert buffer.newest() is frames[3]
    assert buffer.at(2) is frames[1]
    with pytest.raises(
        MissingFrameError, match=r'0\.000000001 .* 3 .*0\.000000002 to 0\.000000004'
    ):
        buffer.at(1)
    again = frame(2)  # as when a bag loops
    buffer.add(again)
    assert buffer.at(2) is again


def test_a_frame_is_decoded_once():
    calls = []
    lazy = Frame(1, None, lambda: calls.append(1) or IMAGE)
    assert lazy.image_rgb is lazy.image_rgb
    assert calls == [1]
