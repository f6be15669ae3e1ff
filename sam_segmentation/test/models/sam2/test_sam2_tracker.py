# SPDX-License-Identifier: Apache-2.0
"""The tracker's logits are the official predictor's, and its memory does not grow."""

from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
import torch
from official_video import (
    FRAMES,
    SIZE_WH,
    OfficialVideo,
    components,
    official_predictor,
    write_frames,
)
from sam2.utils import misc
from small_models import write_small_sam2

from sam_segmentation import Prompt, TrackerOptions, load_segmenter
from sam_segmentation.models.sam2.network import upscaled

MAX_DIFFERENCE = 1e-4
# On the processor the same is computed in the same order.
EXACT = 1e-6
# What is disturbed has to differ by far more.
CLEAR_DIFFERENCE = 1e-2
MASK = np.zeros(SIZE_WH[::-1], bool)
MASK[25:36, 62:99] = True
CLICK = Prompt(points_xy=[(20, 40)], labels=[1])
BOX = Prompt(box_xyxy=(100, 70, 130, 95))
LATE = Prompt(points_xy=[(80, 40), (10, 100)], labels=[1, 0])
CORRECTION = Prompt(points_xy=[(60, 42), (150, 110)], labels=[1, 0])
AGAIN = Prompt(points_xy=[(56, 40)], labels=[1])


@pytest.fixture(scope='module', autouse=True)
def _kernel():
    """Give the official predictor the kernel for holes that its CUDA extension would have."""
    with mock.patch.object(misc, 'get_connected_components', components):
        yield


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    return write_small_sam2(tmp_path_factory.mktemp('sam2'), image_size=128, embed_dim=24)


@pytest.fixture(scope='module')
def segmenter(small):
    return load_segmenter(str(small[0]), checkpoint=small[1], device='cpu')


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('video')


@pytest.fixture(scope='module')
def frames(folder):
    return write_frames(folder)


@pytest.fixture(scope='module')
def official(small, folder, frames):
    """Three objects, 60 frames."""
    video = OfficialVideo(official_predictor(*small), folder)
    video.add(0, 1, points=CLICK.points_xy, labels=CLICK.labels)
    video.add(0, 2, box=BOX.box_xyxy)
    video.add(0, 3, mask=MASK)
    video.propagate(0, FRAMES - 1)
    return video.logits


@pytest.fixture(scope='module')
def official_changes(small, folder, frames):
    """A fourth one added on frame 10, the first one corrected on 20, the second removed on 30."""
    video = OfficialVideo(official_predictor(*small), folder)
    video.add(0, 1, points=CLICK.points_xy, labels=CLICK.labels)
    video.add(0, 2, box=BOX.box_xyxy)
    video.add(0, 3, mask=MASK)
    video.propagate(0, 10)
    video.add(10, 4, points=LATE.points_xy, labels=LATE.labels)
    video.propagate(11, 20)
    video.add(20, 1, points=CORRECTION.points_xy, labels=CORRECTION.labels, keep=True)
    video.add(20, 1, points=AGAIN.points_xy, labels=AGAIN.labels, keep=True)
    # From the frame after it: the correction itself would be tracked over.
    video.propagate(21, 30)
    video.remove(2)
    video.propagate(31, FRAMES - 1)
    return video.logits


def video_logits(tracked):
    logits = torch.from_numpy(tracked.logits)[None, None]
    return upscaled(logits, SIZE_WH[::-1])[0, 0].numpy()


def track(tracker, frames, events, *, each_frame=lambda: None):
    """Track; `events[frame]` are calls on the tracker. Returns logits per frame and id."""
    logits = []
    for number, image in enumerate(frames):
        tracker.step(image)
        for event in events.get(number, ()):
            event(tracker)
        logits.append({one.object_id: video_logits(one) for one in tracker.objects})
        each_frame()
    return logits


def add(prompt, object_id=None):
    return lambda tracker: tracker.add(prompt, object_id)


THREE = {0: [add(CLICK), add(BOX), add(Prompt(mask=MASK))]}
CHANGES = {
    **THREE,
    10: [add(LATE)],
    20: [add(CORRECTION, 1), add(AGAIN, 1)],
    30: [lambda tracker: tracker.remove(2)],
}


def largest_difference(ours, theirs):
    assert len(ours) == len(theirs)
    return max(
        float(np.abs(one[object_id] - other[object_id]).max())
        for one, other in zip(ours, theirs, strict=True)
        for object_id in one
    )


@pytest.fixture(scope='module')
def three(segmenter, frames):
    return track(segmenter.make_tracker(TrackerOptions()), frames, THREE)


def test_one_object_equals_the_official_predictor(segmenter, frames, official):
    logits = track(segmenter.make_tracker(TrackerOptions()), frames, {0: [add(CLICK)]})
    assert all(set(one) == {1} for one in logits)
    assert largest_difference(logits, official) <= EXACT


def test_click_box_and_mask_at_once_equal_the_official_predictor(three, official):
    assert all(set(one) == {1, 2, 3} for one in three)
    assert largest_difference(three, official) <= EXACT


def test_batched_as_on_a_gpu_they_equal_it_but_for_rounding(segmenter, frames, official):
    tracker = segmenter.make_tracker(TrackerOptions())
    tracker._network.max_batch = 16
    logits = track(tracker, frames[:40], THREE)
    assert EXACT < largest_difference(logits, official[:40]) <= MAX_DIFFERENCE


def test_a_model_that_leans_on_its_memory_equals_the_official_predictor(small, folder, frames):
    config, checkpoint = small
    weights = torch.load(checkpoint, weights_only=True)['model']
    for name, weight in weights.items():
        if 'cross_attn_image' in name and name.endswith('weight'):
            weight *= 4
        if name.startswith('memory_encoder.out_proj') or name == 'maskmem_tpos_enc':
            weight *= 5
    strong = checkpoint.with_name('strong.pt')
    torch.save({'model': weights}, strong)
    video = OfficialVideo(official_predictor(config, strong), folder)
    for object_id, x in ((1, 20), (2, 110)):
        video.add(0, object_id, points=[(x, 40)], labels=[1])
    video.propagate(0, 29)
    tracker = load_segmenter(str(config), checkpoint=strong).make_tracker(TrackerOptions())
    clicks = [add(Prompt(points_xy=[(x, 40)], labels=[1])) for x in (20, 110)]
    logits = track(tracker, frames[:30], {0: clicks})
    assert largest_difference(logits, video.logits[:30]) <= MAX_DIFFERENCE


def test_objects_that_come_change_and_go_equal_the_official_predictor(
    segmenter, frames, official_changes, three
):
    logits = track(segmenter.make_tracker(TrackerOptions()), frames, CHANGES)
    assert [sorted(logits[number]) for number in (9, 10, 29, 30)] == [
        [1, 2, 3],
        [1, 2, 3, 4],
        [1, 2, 3, 4],
        [1, 3, 4],
    ]
    assert largest_difference(logits, official_changes) <= EXACT
    # The corrected one goes other ways, the rest does not notice.
    assert np.abs(logits[21][1] - three[21][1]).max() > CLEAR_DIFFERENCE
    assert largest_difference([{3: one[3]} for one in logits], three) <= MAX_DIFFERENCE


def forget_a_maskmem(tracker):
    for memory in tracker._memories.values():
        newest = max(memory.frames)
        blank = torch.zeros_like(memory.frames[newest].maskmem)
        memory.frames[newest] = replace(memory.frames[newest], maskmem=blank)


def remember_too_few_pointers(tracker):
    tracker._policy._pointers = 7


def remember_too_few_maps(tracker):
    tracker._policy.count -= 1


def forget_everything(tracker):
    for memory in tracker._memories.values():
        memory.frames.clear()


@pytest.mark.parametrize(
    'disturb',
    [forget_a_maskmem, remember_too_few_pointers, remember_too_few_maps, forget_everything],
)
def test_a_disturbed_memory_is_noticed(segmenter, frames, official, disturb):
    tracker = segmenter.make_tracker(TrackerOptions())
    logits = track(tracker, frames[:26], {0: [add(CLICK)], 18: [disturb]})
    assert largest_difference(logits[:19], official[:19]) <= MAX_DIFFERENCE
    assert largest_difference(logits, official[:26]) > CLEAR_DIFFERENCE


def test_times_that_are_scaled_by_the_frames_so_far_are_noticed(segmenter, frames, official):
    model = segmenter._predictor.model
    tracker = segmenter.make_tracker(TrackerOptions())
    tracker.step(frames[0])
    tracker.add(CLICK)
    with mock.patch.object(model, 'max_obj_ptrs_in_encoder', 2):
        tracked = tracker.step(frames[1])
    assert np.abs(video_logits(tracked[0]) - official[1][1]).max() > 5 * MAX_DIFFERENCE


def test_without_the_official_kernel_only_holes_differ(small, segmenter, folder, frames):
    video = OfficialVideo(official_predictor(*small, fill_hole_area=0), folder)
    video.add(0, 1, points=CLICK.points_xy, labels=CLICK.labels)
    video.propagate(0, 20)
    tracker = segmenter.make_tracker(TrackerOptions(fill_hole_area=0))
    logits = track(tracker, frames[:21], {0: [add(CLICK)]})
    assert largest_difference(logits, video.logits[:21]) <= MAX_DIFFERENCE
    filled = track(segmenter.make_tracker(TrackerOptions()), frames[:21], {0: [add(CLICK)]})
    assert largest_difference(filled, video.logits[:21]) > CLEAR_DIFFERENCE


def test_the_memory_is_as_large_on_frame_60_as_on_frame_30(segmenter, frames):
    tracker = segmenter.make_tracker(TrackerOptions())
    held = []

    def note():
        tensors = [one for m in tracker._memories.values() for one in m.tensors()]
        held.append((len(tensors), sum(one.nbytes for one in tensors)))

    corrections = {n: [add(AGAIN, 1), add(CORRECTION, 1)] for n in range(1, FRAMES, 2)}
    track(tracker, frames, {0: [add(CLICK)], **corrections}, each_frame=note)
    # The first frame, the newest 7 maps and 16 pointers, and this frame's clicks.
    assert held[FRAMES // 2 - 1] == held[-1]
    assert held[-1][0] == 2 + 7 + 16 + 2
    assert held[-1][1] > held[5][1]
