# SPDX-License-Identifier: Apache-2.0
"""`motion_aware`: which mask is taken, what is remembered, and who loses a merged mask.

On crafted answers and random weights: what it gains in accuracy takes a trained model to see.
"""

from unittest import mock

import numpy as np
import pytest
import torch
from official_video import SIZE_WH, moving_shapes
from small_models import write_small_sam2

from sam_segmentation import Prompt, TrackerOptions, load_segmenter
from sam_segmentation.core.motion import BoxMotion
from sam_segmentation.models.sam2.answers import Candidates, Chosen
from sam_segmentation.models.sam2.memory import FrameMemory, ObjectMemory
from sam_segmentation.models.sam2.motion_aware import MotionAware, boxes_of

HERE, THERE = (slice(4, 8), slice(4, 8)), (slice(4, 8), slice(20, 24))
HERE_XYXY = (19.5, 14.5, 39.5, 29.5)  # 32 cells on 160 x 120 px
OPTIONS = TrackerOptions(memory='motion_aware')


@pytest.fixture(scope='module')
def segmenter(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sam2')
    config, checkpoint = write_small_sam2(folder, image_size=64, embed_dim=24)
    return load_segmenter(str(config), checkpoint=checkpoint, device='cpu')


@pytest.fixture
def policy(segmenter):
    return MotionAware(segmenter._predictor.model)


def logits_at(*places):
    logits = torch.full((1, len(places), 32, 32), -5.0)
    for i, place in enumerate(places):
        logits[0, i][place] = 5.0
    return logits


def candidates(ious, *places):
    ious = torch.tensor([ious])
    return Candidates(logits_at(*places), ious, torch.zeros(1, len(places), 8), torch.ones(1, 1))


def steady(box=HERE_XYXY):
    motion = BoxMotion(box)
    for _ in range(3):
        motion.predict()
        motion.update(box)
    motion.predict()
    assert motion.is_steady
    return motion


def test_boxes_of_masks_are_in_pixels_of_the_frame():
    found = boxes_of(torch.cat([logits_at(HERE), torch.full((1, 1, 32, 32), -1.0)]), SIZE_WH)
    assert found == [[HERE_XYXY], [None]]


def test_motion_decides_between_masks_that_are_almost_as_good(policy):
    twins = candidates([0.80, 0.85], HERE, THERE)
    assert policy.pick(twins, [None], SIZE_WH).tolist() == [1]
    assert policy.pick(twins, [BoxMotion(HERE_XYXY)], SIZE_WH).tolist() == [1]  # not steady yet
    assert policy.pick(twins, [steady()], SIZE_WH).tolist() == [0]


def test_a_much_better_mask_wins_against_the_motion(policy):
    assert policy.pick(candidates([0.5, 0.9], HERE, THERE), [steady()], SIZE_WH).tolist() == [1]


def test_the_pointer_is_that_of_the_mask_that_was_taken(segmenter):
    tracker = segmenter.make_tracker(OPTIONS)
    tracker.step(moving_shapes(0))
    tracker.add(Prompt(points_xy=[(20, 40)], labels=[1]))
    tracker.step(moving_shapes(1))
    network = tracker._network
    with torch.inference_mode():
        features = network.features(moving_shapes(2))
        recalled = tracker._policy.recall(tracker._memories[1], 2)
        answers = network.decode(network.with_memory(features, [recalled]), features)
        pointers = []
        for i in range(3):
            chosen = network.choose(answers, torch.tensor([i]))
            assert torch.equal(chosen.logits, answers.logits[:, i : i + 1])
            assert chosen.ious == answers.ious[0, i]
            pointers.append(chosen.obj_ptrs)
    assert not torch.allclose(pointers[0], pointers[1])
    best = int(answers.ious.argmax())
    with torch.inference_mode():
        assert torch.equal(network.choose(answers).obj_ptrs, pointers[best])


def remembered(policy, sure, *, total):
    memory = ObjectMemory(0, 0, FrameMemory(torch.zeros(4), torch.zeros(1, 2)))
    for index in range(1, total + 1):
        memory.step()
        memory.put(FrameMemory(torch.zeros(4), torch.zeros(1, 2), index in sure))
        policy.forget(memory)
    return memory


def recalled_frames(policy, memory):
    times = {id(one.maskmem): index for index, one in memory.frames.items()}
    recalled = policy.recall(memory, memory.now + 1)
    return [(place, times[id(kept)]) for place, kept in recalled.maskmems[1:]]


def test_the_newest_sure_frames_and_the_last_one_are_recalled(policy):
    memory = remembered(policy, {1, 2, 3, 5, 8, 13, 14}, total=40)
    assert recalled_frames(policy, memory) == [(1, 3), (2, 5), (3, 8), (4, 13), (5, 14), (6, 40)]


def test_with_few_sure_frames_the_newest_keeps_its_place(policy):
    assert recalled_frames(policy, remembered(policy, {2}, total=9)) == [(5, 2), (6, 9)]


@pytest.mark.parametrize('sure', [set(range(1000)), set(), {1, 2, 3}], ids=['all', 'none', 'old'])
def test_however_long_it_was_unsure_the_store_is_bounded(policy, sure):
    sizes = [len(remembered(policy, sure, total=total).tensors()) for total in (60, 300)]
    assert sizes[0] == sizes[1] <= 2 + 16 + 3 + 9


def chosen(places, *, ious, presences):
    return Chosen(
        torch.cat([logits_at(place) for place in places]),
        torch.tensor(ious),
        torch.zeros(len(places), 8),
        torch.tensor(presences)[:, None],
        3,
    )


def test_sure_is_what_is_good_seen_and_not_against_the_motion(policy):
    answers = chosen([HERE] * 5, ious=[0.9, 0.4, 0.9, 0.9, 0.9], presences=[2.0, 2, -1, 2, 2])
    elsewhere = (100.0, 80.0, 120.0, 95.0)
    motions = {1: steady(), 4: steady(elsewhere), 5: BoxMotion(elsewhere)}
    assert policy.assess([1, 2, 3, 4, 5], answers, motions, SIZE_WH).sure == {1, 5}


def test_a_switched_identity_is_not_seen_and_learns_nothing(segmenter):
    tracker = segmenter.make_tracker(OPTIONS)
    tracker.step(moving_shapes(0))
    for x in (20, 80):
        tracker.add(Prompt(points_xy=[(x, 40)], labels=[1]))
    tracker.step(moving_shapes(1))
    before = {one: list(memory.frames) for one, memory in tracker._memories.items()}
    assert before == {1: [1], 2: [1]}
    motions = {1: steady(), 2: steady((99.5, 14.5, 119.5, 29.5))}
    merged = chosen([HERE, HERE], ious=[0.9, 0.9], presences=[2.0, 2.0])
    wide = Chosen(merged.logits, merged.ious, torch.zeros(2, 256), merged.object_score_logits, 3)
    with mock.patch.object(tracker, '_follow', return_value=([1, 2], wide)):
        seen = tracker._step(moving_shapes(2), motions)
    assert seen[1].is_seen
    assert not seen[2].is_seen
    assert seen[2].area == 0
    assert list(tracker._memories[1].frames) == [1, 2]
    assert list(tracker._memories[2].frames) == [1]
    assert tracker.step(moving_shapes(3))  # and goes on


def test_the_official_policy_accuses_nobody(segmenter):
    tracker = segmenter.make_tracker(TrackerOptions())
    merged = chosen([HERE, HERE], ious=[0.9, 0.9], presences=[2.0, 2.0])
    motions = {1: steady(), 2: steady((99.5, 14.5, 119.5, 29.5))}
    assert not tracker._policy.assess([1, 2], merged, motions, SIZE_WH).identity_switches


def test_objects_at_once_go_as_each_would_alone(segmenter):
    # The random model sees everything everywhere, so the guard stays out of it.
    def tracked(points):
        tracker = segmenter.make_tracker(OPTIONS)
        tracker.step(moving_shapes(0))
        for point in points:
            tracker.add(Prompt(points_xy=[point], labels=[1]))
        return [tracker.step(moving_shapes(number)) for number in range(1, 12)]

    both = tracked([(20, 40), (80, 40)])
    for i, point in enumerate([(20, 40), (80, 40)]):
        for together, alone in zip(both, tracked([point]), strict=True):
            assert np.abs(together[i].logits - alone[0].logits).max() < 1e-4
