# SPDX-License-Identifier: Apache-2.0
import gc
import tracemalloc
import weakref

import pytest
from recorded import track
from toy_tracker import RED, frame

from sam_segmentation.offline import frame_source, pass_store, run
from sam_segmentation.offline.frame_source import FrameSource, VideoFrame

SIZE_WH = (64, 48)
SHORT, LONG = 120, 480


class Endless(FrameSource):
    """Draws its frames when they are asked for, and knows how many of them are still held."""

    size_wh, fps = SIZE_WH, 30.0

    def __init__(self, path, count):
        self.path, self.count, self.held, self.most = path, count, 0, 0

    def frames(self, start=0):
        for index in range(start, self.count):
            yield VideoFrame(index, '', lambda index=index: self._draw(index))

    def piece(self, start, stop):
        return [self._draw(index) for index in range(start, stop)]

    def _draw(self, index):
        image = frame((RED, index % 50, 10), size_wh=self.size_wh)
        self.held += 1
        self.most = max(self.most, self.held)
        weakref.finalize(image, self._let_go)
        return image

    def _let_go(self):
        self.held -= 1


def track_endless(tmp_path, monkeypatch, count):
    """Track an object from the middle in both directions; returns the source and the peak [B]."""
    (tmp_path / 'in').write_text('')
    source = Endless(tmp_path / 'in', count)
    monkeypatch.setattr(run, 'open_input', lambda path, topic: source)
    middle = count // 2
    red = {'frame': middle, 'object': 1, 'points': [[middle % 50 + 4, 14]], 'labels': [1]}
    gc.collect()
    tracemalloc.start()
    summary = track(tmp_path / 'in', tmp_path / f'{count}', red, snapshot_every=50)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert summary.tracked == count + 1
    assert summary.states[1].total() == count
    return source, peak


def test_memory_does_not_grow_with_the_video(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_source, '_PIECE_FRAMES', 8)
    # What is made once, when first needed, counts for neither.
    track_endless(tmp_path, monkeypatch, 60)
    short, short_peak = track_endless(tmp_path, monkeypatch, SHORT)
    long, long_peak = track_endless(tmp_path, monkeypatch, LONG)
    # A piece for going back, and one that the tracker still has.
    assert short.most <= long.most <= 8 + 2
    assert long_peak < 1.1 * short_peak + 50_000


@pytest.mark.parametrize(
    ('size_wh', 'frames'), [((64, 48), 64), ((1920, 1080), 21), ((30000, 30000), 1)]
)
def test_large_frames_are_held_in_smaller_numbers(size_wh, frames):
    assert frame_source.piece_frames(size_wh) == frames


def test_of_a_long_video_some_states_are_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(pass_store, 'MAX_SNAPSHOTS', 4)
    (tmp_path / 'in').write_text('')
    source = Endless(tmp_path / 'in', 200)
    monkeypatch.setattr(run, 'open_input', lambda path, topic: source)
    red = {'frame': 0, 'object': 1, 'points': [[4, 14]], 'labels': [1]}
    track(tmp_path / 'in', tmp_path / 'out', red)
    kept = sorted(int(file.stem) for file in (tmp_path / 'out/work/forward').glob('*.npz'))
    assert kept == [16, 32, 39]
    # A late correction is cheap, an early one costs at most a stride more.
    late = {'frame': 198, 'object': 1, 'points': [[198 % 50 + 4, 14]], 'labels': [1]}
    assert track(tmp_path / 'in', tmp_path / 'out', red, late).tracked == 5
    early = late | {'frame': 100}
    early['points'] = [[100 % 50 + 4, 14]]
    assert track(tmp_path / 'in', tmp_path / 'out', red, early).tracked == 120
