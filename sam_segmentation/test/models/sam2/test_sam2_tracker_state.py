# SPDX-License-Identifier: Apache-2.0
"""Snapshots, branches, prompts of every kind, and what remains after an error."""

from unittest import mock

import numpy as np
import pytest
import torch
from official_video import SIZE_WH, moving_shapes
from small_models import write_small_sam2

from sam_segmentation import Prompt, SamError, TrackerOptions, load_segmenter
from sam_segmentation.core.errors import DeviceError, PromptError
from sam_segmentation.models.sam2.network import Sam2Network

CLICK = Prompt(points_xy=[(20, 40)], labels=[1])
BOX = Prompt(box_xyxy=(100, 70, 130, 95))


@pytest.fixture(scope='module')
def segmenter(tmp_path_factory):
    folder = tmp_path_factory.mktemp('sam2')
    config, checkpoint = write_small_sam2(folder, image_size=64, embed_dim=24)
    return load_segmenter(str(config), checkpoint=checkpoint, device='cpu')


@pytest.fixture(params=['fifo', 'motion_aware'])
def options(request):
    return TrackerOptions(memory=request.param)


def started(segmenter, options=None, *, frames=9):
    tracker = segmenter.make_tracker(options or TrackerOptions())
    tracker.step(moving_shapes(0))
    tracker.add(CLICK)
    tracker.add(BOX)
    for number in range(1, frames):
        tracker.step(moving_shapes(number))
    return tracker


def check_equal(ours, theirs, *, within=0.0):
    assert [one.object_id for one in ours] == [one.object_id for one in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert np.abs(one.logits - other.logits).max() <= within
        assert one.score == pytest.approx(other.score, abs=1e-6)


def kinds(value):
    yield type(value)
    for inner in (
        value.values() if isinstance(value, dict) else value if type(value) is list else ()
    ):
        yield from kinds(inner)


def test_a_restored_tracker_goes_on_bit_for_bit(segmenter, options):
    tracker = started(segmenter, options)
    tracker.add(CLICK, 1)
    snapshot = tracker.snapshot()
    assert set(kinds(snapshot)) <= {dict, list, np.ndarray, int, float, str, type(None)}
    other = segmenter.make_tracker(options)
    other.restore(snapshot)
    for number in range(9, 14):
        check_equal(other.step(moving_shapes(number)), tracker.step(moving_shapes(number)))


def test_a_snapshot_does_not_change_afterwards(segmenter):
    tracker = started(segmenter)
    snapshot = tracker.snapshot()
    expected = tracker.step(moving_shapes(9))
    other = segmenter.make_tracker(TrackerOptions())
    other.restore(snapshot)
    check_equal(other.step(moving_shapes(9)), expected)


def test_a_branch_from_the_past_corrects_and_catches_up(segmenter, options):
    tracker, reference = (
        started(segmenter, options, frames=7),
        started(segmenter, options, frames=5),
    )
    branch = tracker.branch(1, steps_back=3)  # as of frame 3, to go on with frame 4
    branch.step(moving_shapes(4))
    corrected = branch.add(CLICK, 1)
    check_equal([corrected], [reference.add(CLICK, 1)], within=1e-4)
    for number in (5, 6):
        expected = reference.step(moving_shapes(number))[:1]
        check_equal(branch.step(moving_shapes(number)), expected, within=1e-4)
    assert np.abs(expected[0].logits - tracker.objects[0].logits).max() > 1e-2
    tracker.merge(branch)
    check_equal(tracker.objects[:1], branch.objects)
    assert tracker._memories[1].now == tracker._memories[2].now == 6
    merged = tracker.step(moving_shapes(7))[:1]
    check_equal(merged, branch.step(moving_shapes(7)), within=1e-4)


def test_a_branch_of_now_goes_on_alike(segmenter, options):
    tracker = started(segmenter, options)
    branch = tracker.branch(2)
    alone = branch.step(moving_shapes(9))
    check_equal(alone, tracker.step(moving_shapes(9))[1:], within=1e-4)


def test_an_object_is_not_seen_before_it_was_added(segmenter):
    tracker = started(segmenter, frames=3)
    branch = tracker.branch(1, steps_back=5)
    assert not branch.step(moving_shapes(0))[0].is_seen
    again = branch.add(CLICK, 1)
    fresh = segmenter.make_tracker(TrackerOptions())
    fresh.step(moving_shapes(0))
    check_equal([again], [fresh.add(CLICK)])
    check_equal(branch.step(moving_shapes(1)), fresh.step(moving_shapes(1)))


@pytest.mark.parametrize('part', ['features', 'with_memory', 'decode', 'choose', 'memorize'])
def test_out_of_memory_in_a_step_changes_no_object(segmenter, part):
    tracker, reference = started(segmenter), started(segmenter)
    failing = mock.Mock(side_effect=RuntimeError('CUDA out of memory. Tried to allocate 2 GiB'))
    with mock.patch.object(Sam2Network, part, failing), pytest.raises(DeviceError):
        tracker.step(moving_shapes(9))
    check_equal(tracker.objects, reference.objects)
    check_equal([tracker.add(CLICK, 1)], [reference.add(CLICK, 1)])
    check_equal(tracker.step(moving_shapes(9)), reference.step(moving_shapes(9)))


@pytest.mark.parametrize('part', ['decode', 'memorize'])
def test_out_of_memory_in_a_prompt_changes_no_object(segmenter, part):
    tracker, reference = started(segmenter), started(segmenter)
    failing = mock.Mock(side_effect=MemoryError)
    with mock.patch.object(Sam2Network, part, failing):
        for object_id in (1, None):
            with pytest.raises(DeviceError):
                tracker.add(CLICK, object_id)
    check_equal(tracker.step(moving_shapes(9)), reference.step(moving_shapes(9)))


def test_the_weights_are_the_segmenters_and_its_answers_stay(segmenter):
    image = moving_shapes(0)
    before = segmenter.segment(segmenter.embed(image), CLICK)[0].logits
    tracker = started(segmenter)
    assert tracker._network.model is segmenter._predictor.model
    assert np.array_equal(before, segmenter.segment(segmenter.embed(image), CLICK)[0].logits)


@pytest.mark.parametrize('bias', [-50.0, 50.0])
def test_what_is_chosen_is_what_the_official_heads_choose(segmenter, bias):
    tracker = started(segmenter)
    network = tracker._network
    model = network.model
    head = model.sam_mask_decoder.pred_obj_score_head.layers[-1]
    with (
        torch.inference_mode(),
        mock.patch.object(head, 'bias', torch.nn.Parameter(head.bias + bias)),
    ):
        features = network.features(moving_shapes(9))
        recalled = [tracker._policy.recall(m, 9) for m in tracker._memories.values()]
        fused = network.with_memory(features, recalled)
        chosen = network.choose(network.decode(fused, features))
        official = model._forward_sam_heads(
            fused,
            high_res_features=[one.expand(2, -1, -1, -1) for one in features.fine],
            multimask_output=True,
        )
    _, _, ious, logits, _, pointers, presence = official
    assert torch.equal(chosen.logits, logits)
    assert torch.equal(chosen.ious, ious.max(dim=1).values)
    assert torch.equal(chosen.obj_ptrs, pointers)
    assert torch.equal(chosen.object_score_logits, presence)
    assert bool((chosen.logits[0] == -1024).all()) == (bias < 0)


def first_answer(segmenter, prompt, *, refine_rounds=0):
    tracker = segmenter.make_tracker(TrackerOptions(refine_rounds=refine_rounds))
    tracker.step(moving_shapes(0))
    return tracker.add(prompt)


def test_a_rough_mask_beside_a_click_goes_into_the_decoder(segmenter):
    mask = np.zeros(SIZE_WH[::-1], bool)
    mask[25:60, 5:60] = True
    plain = first_answer(segmenter, CLICK)
    rough = first_answer(segmenter, Prompt(points_xy=[(20, 40)], labels=[1], mask=mask))
    refined = first_answer(segmenter, Prompt([(20, 40)], [1], logits=plain.logits))
    alone = first_answer(segmenter, Prompt(logits=plain.logits))
    taken = first_answer(segmenter, Prompt(mask=mask))
    answers = [plain, rough, refined, alone, taken]
    assert all(
        np.abs(one.logits - other.logits).max() > 1e-3
        for i, one in enumerate(answers)
        for other in answers[:i]
    )
    assert np.count_nonzero(taken.mask ^ mask) < 0.2 * mask.sum()


def test_refine_rounds_feed_the_mask_back(segmenter):
    once = first_answer(segmenter, CLICK, refine_rounds=1)
    tracker = segmenter.make_tracker(TrackerOptions())
    tracker.step(moving_shapes(0))
    answer = tracker.add(CLICK)
    by_hand = first_answer(segmenter, Prompt([(20, 40)], [1], logits=answer.logits))
    check_equal([once], [by_hand])
    assert np.abs(once.logits - answer.logits).max() > 1e-3


def test_clicks_on_one_frame_add_up_and_a_box_replaces_them(segmenter):
    def clicks(*prompts):
        tracker = segmenter.make_tracker(TrackerOptions())
        tracker.step(moving_shapes(0))
        tracker.add(prompts[0])
        for prompt in prompts[1:]:
            tracker.add(prompt, 1)
        held = tracker._memories[1].clicks
        tracker.step(moving_shapes(1))
        assert tracker._memories[1].clicks is None
        return held and held[1][0].tolist()

    beside = Prompt(points_xy=[(90, 90)], labels=[0])
    assert clicks(CLICK, beside, CLICK) == [1, 0, 1]
    assert clicks(BOX, beside) == [2, 3, 0]
    assert clicks(CLICK, beside, BOX) == [2, 3]
    assert clicks(CLICK, Prompt(mask=np.eye(*SIZE_WH[::-1], dtype=bool))) is None


def test_prompts_that_the_model_cannot_read_are_named(segmenter):
    tracker = started(segmenter)
    with pytest.raises(PromptError, match=r'\(7, 7\).*\(16, 16\)'):
        tracker.add(Prompt(logits=np.zeros((7, 7), np.float32)), 1)
    with pytest.raises(PromptError, match='300 points'):
        tracker.add(Prompt(points_xy=[(5, 5)] * 300, labels=[1] * 300))
    assert [one.object_id for one in tracker.step(moving_shapes(9))] == [1, 2]


def test_bfloat16_from_outside_gives_float32_out(segmenter):
    with torch.autocast('cpu', torch.bfloat16):
        tracker = started(segmenter, frames=4)
        tracked = tracker.step(moving_shapes(4))
    reference = started(segmenter, frames=4).step(moving_shapes(4))
    for one, other in zip(tracked, reference, strict=True):
        assert one.logits.dtype == np.float32
        assert np.abs(one.logits - other.logits).mean() < 0.3
    # And float32 goes on from there.
    assert tracker.step(moving_shapes(5))[0].logits.dtype == np.float32


def test_an_image_is_encoded_only_for_objects(segmenter):
    tracker = segmenter.make_tracker(TrackerOptions())
    with mock.patch.object(Sam2Network, 'features', side_effect=AssertionError):
        assert tracker.step(moving_shapes(0)) == []
    assert tracker.add(CLICK).object_id == 1


def test_a_closed_tracker_says_so(segmenter):
    tracker = started(segmenter, frames=2)
    tracker.close()
    with pytest.raises(SamError, match='closed'):
        tracker.branch()


def test_kept_constants_change_no_feature(segmenter, tmp_path):
    config, checkpoint = write_small_sam2(tmp_path, image_size=64, embed_dim=24)
    fresh = load_segmenter(str(config), checkpoint=checkpoint, device='cpu')._predictor.model
    kept = started(segmenter, frames=2)._network.model
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        for _ in range(2):
            ours, theirs = kept.forward_image(images), fresh.forward_image(images)
            for name in ('backbone_fpn', 'vision_pos_enc'):
                for one, other in zip(ours[name], theirs[name], strict=True):
                    torch.testing.assert_close(one, other)
