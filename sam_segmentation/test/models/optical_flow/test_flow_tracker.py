# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest
from moving_shapes import BLUE, GREEN, RED, SIZE_WH, YELLOW, draw, shape
from small_models import write_small_sam1

from sam_segmentation import ObjectState, Prompt, TrackerOptions, load_tracker
from sam_segmentation.evaluation.mask_metrics import mask_iou
from sam_segmentation.models.optical_flow.tracker import HISTORY

VISIBLE, OCCLUDED, LOST = ObjectState.VISIBLE, ObjectState.OCCLUDED, ObjectState.LOST


def make(**options):
    return load_tracker('grabcut', options=TrackerOptions(**options))


def box_of(mask):
    ys, xs = np.nonzero(mask)
    return Prompt(box_xyxy=(xs.min() - 0.5, ys.min() - 0.5, xs.max() + 0.5, ys.max() + 0.5))


def follow(frames, tracker, *, count):
    """Prompt the first `count` shapes by their boxes; return the rows of (tracked, truth)."""
    rows = []
    for number, (image, truth) in enumerate(frames):
        tracker.step(image)
        if number == 0:
            for mask in truth[:count]:
                tracker.add(box_of(mask))
        rows.append((tracker.objects, truth))
    return rows


def facts(tracker):
    return [
        (obj.object_id, obj.state, obj.label, obj.score, obj.presence, obj.mask.tobytes())
        for obj in tracker.objects
    ]


def test_a_moving_shape_is_followed():
    frames = [draw(shape(RED, 40 + 4 * t, 60 + 2 * t), seed=t) for t in range(30)]
    rows = follow(frames, make(), count=1)
    overlaps = [mask_iou(objects[0].mask, truth[0]) for objects, truth in rows]
    assert min(overlaps) > 0.9
    assert all(objects[0].state is VISIBLE and objects[0].score > 0.5 for objects, _ in rows)


def test_a_jump_farther_than_flow_reaches_is_followed():
    frames = [draw(shape(RED, x, 90), seed=x) for x in (60, 60, 160, 160, 160, 160, 160, 160)]
    objects, truth = follow(frames, make(), count=1)[-1]
    assert mask_iou(objects[0].mask, truth[0]) > 0.8


@pytest.mark.parametrize('speed_px', [5, 10], ids=['slow', 'fast'])
@pytest.mark.parametrize('second', [BLUE, RED], ids=['unlike', 'alike'])
def test_shapes_that_cross_keep_their_ids(second, speed_px):
    frames = [
        draw(shape(RED, 40 + x, 84), shape(second, 200 - x, 100), seed=x)
        for x in range(0, 161, speed_px)
    ]
    rows = follow(frames, make(), count=2)
    objects, truth = rows[-1]
    assert [obj.object_id for obj in objects] == [1, 2]
    for obj, mask in zip(objects, truth, strict=True):
        assert mask_iou(obj.mask, mask) > 0.8


def test_a_covered_shape_is_occluded_and_comes_back_under_its_id():
    def cover(t):
        return shape(YELLOW, -60 + 8 * t, 90, side=90, kind='square')

    frames = [draw(shape(RED, 120, 90), cover(t), seed=t) for t in range(45)]
    rows = follow(frames, make(), count=1)
    hidden = [not truth[0].any() for _, truth in rows]
    states = [objects[0].state for objects, _ in rows]
    assert sum(hidden) > 3
    assert all(
        state is OCCLUDED and not objects[0].area
        for state, gone, (objects, _) in zip(states, hidden, rows, strict=True)
        if gone
    )
    objects, truth = rows[-1]
    assert (objects[0].object_id, objects[0].state) == (1, VISIBLE)
    assert mask_iou(objects[0].mask, truth[0]) > 0.85


def test_a_shape_that_leaves_is_lost_and_comes_back_elsewhere_under_its_id():
    path = [(150 + 8 * t, 90) for t in range(16)] + [(280, 90)] * 6
    path += [(-30 + 8 * t, 50) for t in range(14)]
    frames = [draw(shape(RED, x, y), shape(BLUE, 60, 140), seed=x + 30) for x, y in path]
    rows = follow(frames, make(), count=2)
    assert rows[20][0][0].state is LOST
    assert rows[20][0][0].area == 0
    objects, truth = rows[-1]
    assert [obj.state for obj in objects] == [VISIBLE, VISIBLE]
    for obj, mask in zip(objects, truth, strict=True):
        assert mask_iou(obj.mask, mask) > 0.85


def test_a_hidden_shape_is_not_taken_for_a_tracked_one_that_looks_alike():
    frames = [draw(shape(RED, 60, 50), shape(RED, 170, 120), seed=t) for t in range(4)]
    frames += [
        (image, [np.zeros_like(mask), mask])
        for image, (mask,) in (draw(shape(RED, 170, 120), seed=t) for t in range(12))
    ]
    objects, truth = follow(frames, make(), count=2)[-1]
    assert objects[0].area == 0
    assert objects[0].state is not VISIBLE
    assert mask_iou(objects[1].mask, truth[1]) > 0.9


def test_black_frames_hide_everything_and_it_is_found_again():
    tracker = make()
    frames = [draw(shape(RED, 60 + t, 60), shape(BLUE, 160, 110), seed=t) for t in range(12)]
    follow(frames[:6], tracker, count=2)
    for _ in range(5):
        seen = tracker.step(np.zeros((*SIZE_WH[::-1], 3), np.uint8))
    assert [obj.state for obj in seen] == [OCCLUDED, OCCLUDED]
    for image, _ in frames[6:]:
        seen = tracker.step(image)
    assert [obj.state for obj in seen] == [VISIBLE, VISIBLE]
    for obj, mask in zip(seen, frames[-1][1], strict=True):
        assert mask_iou(obj.mask, mask) > 0.85


@pytest.mark.parametrize('kind', ['noise', 'white', 'repeated'])
def test_odd_frames_are_survived(kind):
    tracker = make()
    image, truth = draw(shape(RED, 60, 60))
    follow([(image, truth)] * 2, tracker, count=1)
    rng = np.random.default_rng(5)
    for _ in range(4):
        odd = {
            'noise': rng.integers(0, 256, image.shape).astype(np.uint8),
            'white': np.full_like(image, 255),
            'repeated': image,
        }[kind]
        tracker.step(odd)
    tracker.step(image)
    seen = tracker.step(image)[0]
    assert mask_iou(seen.mask, truth[0]) > 0.85


def test_tiny_frames_are_survived():
    tracker = make()
    image = np.full((4, 5, 3), 90, np.uint8)
    tracker.step(image)
    tracker.add(Prompt(box_xyxy=(0.5, 0.5, 3.5, 2.5)))
    for _ in range(4):
        tracker.step(image)


def two_tone(t):
    """Return a shape of two colours, and the masks of both halves."""
    left, right = shape(RED, 80 + t, 90, kind='square'), shape(BLUE, 121 + t, 90, kind='square')
    return draw(left, right, seed=t)


def test_a_click_adds_a_part_and_another_takes_it_away_again():
    tracker = make()
    image, (left, right) = two_tone(0)
    tracker.step(image)
    tracker.add(box_of(left), label='thing')
    both = tracker.add(Prompt(points_xy=[(121, 90)], labels=[1]), 1)
    assert mask_iou(both.mask, left | right) > 0.9
    for t in range(1, 7):
        image, (left, right) = two_tone(t)
        both = tracker.step(image)[0]
    assert mask_iou(both.mask, left | right) > 0.9
    one = tracker.add(Prompt(points_xy=[(81, 90), (127, 90)], labels=[1, 0]), 1)
    assert mask_iou(one.mask, left) > 0.9
    for t in range(7, 13):
        image, (left, right) = two_tone(t)
        one = tracker.step(image)[0]
    assert mask_iou(one.mask, left) > 0.9
    assert one.label == 'thing'


def test_a_box_replaces_what_was_there():
    tracker = make()
    image, (red, blue) = draw(shape(RED, 60, 60), shape(BLUE, 160, 110))
    tracker.step(image)
    tracker.add(box_of(red))
    again = tracker.add(box_of(blue), 1)
    assert mask_iou(again.mask, blue) > 0.9


def test_removing_one_leaves_the_others_unchanged_to_the_bit():
    frames = [
        draw(shape(RED, 50 + 2 * t, 50), shape(BLUE, 180, 50 + t), shape(GREEN, 90, 135), seed=t)
        for t in range(14)
    ]
    one, other = make(), make()
    follow(frames[:5], one, count=3)
    follow(frames[:5], other, count=3)
    one.remove(2)
    for image, _ in frames[5:]:
        one.step(image)
        other.step(image)
        assert facts(one) == [fact for fact in facts(other) if fact[0] != 2]


def test_going_on_from_a_snapshot_equals_going_on():
    def frame(t):
        cover = shape(YELLOW, 20 + 8 * t, 70, side=60, kind='square')
        return draw(shape(RED, 60 + 2 * t, 60), shape(BLUE, 160, 110), cover, seed=t)

    tracker = make()
    follow([frame(t) for t in range(7)], tracker, count=2)
    other = make()
    other.restore(tracker.snapshot())
    for t in range(7, 20):
        tracker.step(frame(t)[0])
        other.step(frame(t)[0])
        assert facts(other) == facts(tracker)


@pytest.mark.parametrize('steps_back', [0, 5, HISTORY + 5])
def test_a_branch_begins_where_the_object_was_then(steps_back):
    frames = [draw(shape(RED, 30 + 4 * t, 60), seed=t) for t in range(HISTORY + 12)]
    tracker = make()
    follow(frames[:-1], tracker, count=1)
    branch = tracker.branch(1, steps_back=steps_back)
    for image, _ in frames[len(frames) - 1 - steps_back :]:
        branch.step(image)
    assert mask_iou(branch.objects[0].mask, frames[-1][1][0]) > 0.85


def test_a_branch_forgets_what_was_learned_since():
    image, (red, blue) = draw(shape(RED, 60, 60), shape(BLUE, 170, 120))
    tracker = make()
    tracker.step(image)
    tracker.add(box_of(red))
    for _ in range(3):
        tracker.step(image)
    tracker.add(box_of(blue), 1)
    assert mask_iou(tracker.step(image)[0].mask, blue) > 0.9
    branch = tracker.branch(1, steps_back=2)
    assert mask_iou(branch.step(image)[0].mask, red) > 0.9


def test_a_correction_in_the_past_is_caught_up_and_merged():
    def frame(t):
        return draw(shape(RED, 40 + 4 * t, 60), shape(BLUE, 60, 130), shape(GREEN, 180, 130))

    tracker = make()
    follow([frame(t) for t in range(16)], tracker, count=2)
    other = facts(tracker)[1]
    branch = tracker.branch(1, steps_back=6)
    image, truth = frame(10)
    branch.step(image)
    branch.add(box_of(truth[2]), 1)  # it was the green one that was meant
    for t in range(11, 16):
        branch.step(frame(t)[0])
    tracker.merge(branch)
    assert facts(tracker)[1] == other
    for t in range(16, 20):
        image, truth = frame(t)
        tracker.step(image)
    assert mask_iou(tracker.objects[0].mask, truth[2]) > 0.85
    assert mask_iou(tracker.objects[1].mask, truth[1]) > 0.85


def test_what_is_kept_is_bounded():
    def kept(tracker):
        greys = sum(grey.nbytes for grey in tracker._greys)
        states = {id(s): s for history in tracker._states.values() for s in history}
        arrays = {id(a): a.nbytes for s in states.values() for a in (s.histogram.shares, s.shape)}
        return greys + sum(arrays.values()) + sum(s.bits.bits.nbytes for s in states.values())

    tracker = make()
    sizes = []
    for t in range(HISTORY * 2 + 20):
        angle = t * 0.15
        image, truth = draw(
            shape(RED, 120 + 50 * np.cos(angle), 90 + 40 * np.sin(angle)), seed=t % 4
        )
        tracker.step(image)
        if t == 0:
            tracker.add(box_of(truth[0]))
        sizes.append(kept(tracker))
    assert max(sizes[-20:]) < 1.05 * max(sizes[HISTORY : HISTORY + 20])
    assert mask_iou(tracker.objects[0].mask, truth[0]) > 0.85


def test_it_runs_on_a_sam_of_the_first_version(tmp_path):
    name, checkpoint = write_small_sam1(tmp_path)
    tracker = load_tracker(name, checkpoint=checkpoint, device='cpu')
    frames = [draw(shape(RED, 40 + 4 * t, 60), seed=t) for t in range(4)]
    rows = follow(frames, tracker, count=1)
    assert len(rows[-1][0]) == 1
    tracker.add(Prompt(points_xy=[(60, 60)], labels=[1]), 1)
    tracker.step(frames[-1][0])
