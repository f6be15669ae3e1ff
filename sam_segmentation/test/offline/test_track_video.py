# SPDX-License-Identifier: Apache-2.0
import json
import re
import shutil
import signal

import cv2
import numpy as np
import pytest
from recorded import (
    COUNT,
    RED_BOX,
    command,
    images,
    label_png,
    objects,
    outcome,
    scene,
    track,
    write_bag,
    write_folder,
    write_prompts,
    write_video,
)
from shade_tracker import ShadeTracker
from toy_tracker import GREEN, RED

from sam_segmentation.offline import composing
from sam_segmentation.offline.errors import InputError, OutputError
from sam_segmentation.offline.track_video import main

RED_AT_0 = {'frame': 0, **RED_BOX}
GREEN_AT_20 = {'frame': 20, 'object': 7, 'label': 'green', 'points': [[53, 13]], 'labels': [1]}


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / 'frames')


def sources():
    return {
        'folder of PNGs': lambda p: write_folder(p / 'in'),
        'folder of JPEGs': lambda p: write_folder(p / 'in', suffix='.jpg'),
        'mp4': lambda p: write_video(p / 'in.mp4'),
        'avi': lambda p: write_video(p / 'in.avi', codec='MJPG'),
        'raw bag': lambda p: write_bag(p / 'in', {'/image': ('rgb8', images())}),
        'compressed bag': lambda p: write_bag(p / 'in', {'/image': ('jpeg', images())}),
        'sqlite bag': lambda p: write_bag(
            p / 'in', {'/image': ('rgb8', images())}, storage='sqlite3'
        ),
        'mcap file': lambda p: next(
            write_bag(p / 'in', {'/image': ('png', images())}).glob('*.mcap')
        ),
    }


@pytest.mark.parametrize('kind', sources())
def test_every_kind_of_input_is_tracked_both_ways(kind, tmp_path):
    source = sources()[kind](tmp_path)
    summary = track(source, tmp_path / 'out', RED_AT_0, GREEN_AT_20)
    assert summary.frames == COUNT
    found = objects(tmp_path / 'out')
    for index in range(COUNT):
        expected = {1: scene(index) == RED, 7: scene(index) == GREEN}
        for object_id, colours in expected.items():
            mask = label_png(tmp_path / 'out', index) == object_id
            truth = colours.all(axis=2)
            # A codec smears the borders by a pixel.
            assert np.count_nonzero(mask != truth) <= 32, (index, object_id)
            assert found[index][object_id]['area'] == np.count_nonzero(mask)
    assert found[0][7]['state'] == 'OCCLUDED' or found[0][7]['state'] == 'LOST'
    assert found[0][7]['box_xyxy'] is None
    assert found[15][7]['label'] == 'green'


def test_label_images_have_16_bits_and_exact_boxes(folder, tmp_path):
    track(folder, tmp_path / 'out', {**RED_AT_0, 'object': 60000})
    assert label_png(tmp_path / 'out', 3).dtype == np.uint16
    assert label_png(tmp_path / 'out', 3).max() == 60000
    assert objects(tmp_path / 'out')[3][60000]['box_xyxy'] == [2.5, 9.5, 10.5, 17.5]


def test_directions(folder, tmp_path):
    frames = {}
    for direction in ('both', 'forward', 'backward'):
        track(folder, tmp_path / direction, GREEN_AT_20, direction=direction)
        frames[direction] = [i for i, found in objects(tmp_path / direction).items() if found]
    assert frames['both'] == list(range(COUNT))
    assert frames['forward'] == list(range(20, COUNT))
    assert frames['backward'] == list(range(21))


def test_removal_ends_the_way_forward_and_the_way_back(folder, tmp_path):
    entries = [{'frame': 30, 'object': 7, 'remove': True}, {'frame': 12, 'object': 7}]
    entries[1]['remove'] = True
    summary = track(folder, tmp_path / 'out', GREEN_AT_20, *entries)
    found = [index for index, found in objects(tmp_path / 'out').items() if 7 in found]
    assert found == list(range(13, 30))
    assert summary.tracked == len(range(20, 31)) + len(range(12, 21))


def test_an_id_may_come_back_after_its_removal(folder, tmp_path):
    removal = {'frame': 5, 'object': 1, 'remove': True}
    again = {'frame': 20, 'object': 1, 'points': [[53, 13]], 'labels': [1]}
    track(folder, tmp_path / 'out', RED_AT_0, removal, again)
    found = objects(tmp_path / 'out')
    assert [i for i in found if 1 in found[i]] == [*range(5), *range(20, COUNT)]
    assert found[25][1]['box_xyxy'][0] == 49.5


def correction(frame):
    # The second object turns out to be the green square.
    return {'frame': frame, 'object': 1, 'points': [[53, frame - 7]], 'labels': [1]}


@pytest.mark.parametrize(('frame', 'steps'), [(20, 20), (22, 20), (39, 5), (12, 30)])
def test_a_correction_tracks_only_what_it_changes_and_equals_a_fresh_run(
    folder, tmp_path, frame, steps
):
    track(folder, tmp_path / 'out', RED_AT_0)
    before = outcome(tmp_path / 'out')
    ShadeTracker.stepped = 0
    summary = track(folder, tmp_path / 'out', RED_AT_0, correction(frame))
    assert ShadeTracker.stepped == summary.tracked == steps
    assert summary.reused == COUNT - steps
    track(folder, tmp_path / 'fresh', RED_AT_0, correction(frame))
    after = outcome(tmp_path / 'out')
    assert after == outcome(tmp_path / 'fresh')
    unchanged = [name for name in before if name.endswith('.png') and before[name] == after[name]]
    assert len(unchanged) == frame
    # And back again.
    track(folder, tmp_path / 'out', RED_AT_0)
    assert outcome(tmp_path / 'out') == before


def test_a_correction_leaves_the_other_pass_alone(folder, tmp_path):
    track(folder, tmp_path / 'out', GREEN_AT_20)
    summary = track(
        folder,
        tmp_path / 'out',
        GREEN_AT_20,
        {'frame': 35, 'object': 7, 'points': [[53, 26]], 'labels': [1]},
    )
    assert summary.tracked == 5


def test_nothing_is_tracked_when_only_outputs_change(folder, tmp_path, monkeypatch):
    track(folder, tmp_path / 'out', RED_AT_0)
    monkeypatch.setattr('sam_segmentation.offline.run.load_tracker', None)
    summary = track(folder, tmp_path / 'out', RED_AT_0, masks='rle', overlay=True)
    assert summary.tracked == 0
    assert not (tmp_path / 'out' / 'masks').exists()
    assert objects(tmp_path / 'out')[3][1]['segmentation']['size'] == [48, 64]
    track(folder, tmp_path / 'out', {**RED_AT_0, 'label': 'red'})
    assert objects(tmp_path / 'out')[3][1]['label'] == 'red'
    assert not (tmp_path / 'out' / 'overlay.mp4').exists()


@pytest.mark.parametrize(
    ('step', 'number', 'status', 'reused'),
    [
        (3, signal.SIGKILL, -signal.SIGKILL, 0),
        (27, signal.SIGKILL, -signal.SIGKILL, 25),
        (27, signal.SIGINT, 130, 25),
        # On the way back from frame 20: pieces end where frames are multiples of 5.
        (51, signal.SIGKILL, -signal.SIGKILL, COUNT + 6),
    ],
)
def test_a_killed_run_goes_on_and_ends_the_same(folder, tmp_path, step, number, status, reused):
    entries = [RED_AT_0, GREEN_AT_20]
    done = command(
        folder, tmp_path / 'out', *entries, options=['--no-overlay'], dies_at=f'{step} {number}'
    )
    assert done.returncode == status, done.stderr
    assert ('type the command again' in done.stderr) == (number == signal.SIGINT)
    assert not (tmp_path / 'out' / 'objects.json').exists()
    summary = track(folder, tmp_path / 'out', *entries)
    assert summary.reused == reused
    assert summary.tracked + summary.reused == COUNT + 21
    track(folder, tmp_path / 'whole', *entries)
    assert outcome(tmp_path / 'out') == outcome(tmp_path / 'whole')


def test_results_stay_whole_when_writing_them_is_interrupted(folder, tmp_path, monkeypatch):
    track(folder, tmp_path / 'out', RED_AT_0)
    before = outcome(tmp_path / 'out')
    write = composing._write_png

    def interrupted(folder, frame, labels):
        if frame == 10:
            raise KeyboardInterrupt
        write(folder, frame, labels)

    monkeypatch.setattr(composing, '_write_png', interrupted)
    with pytest.raises(KeyboardInterrupt):
        track(folder, tmp_path / 'out', RED_AT_0, correction(20))
    assert outcome(tmp_path / 'out') == before
    monkeypatch.undo()
    assert track(folder, tmp_path / 'out', RED_AT_0, correction(20)).tracked == 0
    assert outcome(tmp_path / 'out') != before
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'masks',
        'objects.json',
        'work',
    }


def test_the_overlay_is_a_video_of_every_frame(tmp_path):
    source = write_video(tmp_path / 'in.mp4')
    track(source, tmp_path / 'out', RED_AT_0, overlay=True)
    capture = cv2.VideoCapture(str(tmp_path / 'out' / 'overlay.mp4'))
    frames = []
    while (image := capture.read()[1]) is not None:
        frames.append(image)
    assert len(frames) == COUNT
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(20)
    assert frames[0].shape == (48, 64, 3)
    plain = scene(20)[..., ::-1].astype(int)
    changed = np.abs(frames[20].astype(int) - plain).max(axis=2) > 60
    assert changed[10:18, 20:28].mean() > 0.8
    assert changed[30:].mean() < 0.02


def test_a_damaged_state_is_replaced_by_an_earlier_one(folder, tmp_path):
    track(folder, tmp_path / 'out', RED_AT_0)
    snapshot = tmp_path / 'out' / 'work' / 'forward' / '000004.npz'
    snapshot.write_bytes(snapshot.read_bytes()[:100])
    assert track(folder, tmp_path / 'out', RED_AT_0, correction(20)).tracked == 25


def test_damaged_results_are_named(folder, tmp_path):
    track(folder, tmp_path / 'out', RED_AT_0)
    segment = tmp_path / 'out' / 'work' / 'forward' / '000004.jsonl'
    lines = segment.read_text().splitlines()
    for damaged in (
        lines[:3],
        [lines[0], '[20, [[1]]]'],
        [lines[0], lines[1].replace('[1,', '[')],
    ):
        segment.write_text('\n'.join(damaged) + '\n')
        with pytest.raises(OutputError, match=r'000004.jsonl is damaged; delete it'):
            track(folder, tmp_path / 'out', RED_AT_0)
    segment.unlink()
    assert track(folder, tmp_path / 'out', RED_AT_0).tracked == 20


def test_another_run_is_not_overwritten_unless_forced(folder, tmp_path):
    track(folder, tmp_path / 'out', RED_AT_0)
    before = outcome(tmp_path / 'out')
    for options in ({'memory': 'motion_aware'}, {'model': 'grabcut'}, {'snapshot_every': 6}):
        with pytest.raises(OutputError, match=f'other values of: {next(iter(options))};'):
            track(folder, tmp_path / 'out', RED_AT_0, **options)
    other = write_folder(tmp_path / 'other', images(20))
    with pytest.raises(OutputError, match='other values of: input;'):
        track(other, tmp_path / 'out', RED_AT_0)
    assert outcome(tmp_path / 'out') == before
    assert track(other, tmp_path / 'out', RED_AT_0, force=True).tracked == 20
    assert len(list((tmp_path / 'out' / 'masks').iterdir())) == 20


def test_a_folder_of_something_else_is_left_alone_even_by_force(folder, tmp_path):
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'thesis.tex').write_text('all of it')
    with pytest.raises(OutputError, match='no run of this tool'):
        track(folder, tmp_path / 'out', RED_AT_0, force=True)
    assert (tmp_path / 'out' / 'thesis.tex').read_text() == 'all of it'


def test_one_process_at_a_time(folder, tmp_path, monkeypatch):
    def again(*_, **__):
        monkeypatch.undo()
        track(folder, tmp_path / 'out', RED_AT_0)

    monkeypatch.setattr('sam_segmentation.offline.run.run_pass', again)
    with pytest.raises(OutputError, match='another process works in'):
        track(folder, tmp_path / 'out', RED_AT_0)


def bad_calls():
    red = RED_AT_0
    return {
        'missing input': ('nowhere.mp4', red, 'does not exist'),
        'no video': ('notes.txt', red, 'is no video file: it begins with'),
        'empty folder': ('empty', red, 'holds no .jpg, .jpeg, .png'),
        'single image': ('frames/3.png', red, 'single image'),
        'broken image': ('broken', red, r'broken/2.png is cut off'),
        'other size': ('sizes', red, r'sizes/2.png is 32 x 48 px, but the first frame is 64 x 48'),
        'broken bag': ('broken.mcap', red, 'cannot be read as a bag'),
        'beyond the end': ('frames', red | {'frame': 40}, r'entry 1: frame 40 is beyond the end'),
        'outside': ('frames', red | {'box': [70, 0, 80, 9]}, r'entry 1: box .* lies outside'),
        'not tracked': ('frames', {'frame': 3, 'object': 4, 'remove': True}, 'object 4, which is'),
    }


@pytest.mark.parametrize('case', bad_calls())
def test_bad_calls_end_in_one_clear_line(case, folder, tmp_path, capfd):
    source, entry, message = bad_calls()[case]
    (tmp_path / 'notes.txt').write_text('no video')
    (tmp_path / 'broken.mcap').write_bytes(b'\x89MCAP0\r\n' + bytes(100))
    (tmp_path / 'empty').mkdir()
    write_folder(tmp_path / 'broken')
    (tmp_path / 'broken' / '2.png').write_bytes((folder / '2.png').read_bytes()[:60])
    write_folder(tmp_path / 'sizes', [*images(2), scene(2)[:, :32], *images(2)])
    prompts = write_prompts(tmp_path / 'prompts.yaml', entry)
    arguments = ['--prompts', str(prompts), '--model', 'shade', '--output', str(tmp_path / 'out')]
    arguments += ['--on-bad-frame', 'stop']
    assert main([str(tmp_path / source), *arguments]) == 1
    out, err = capfd.readouterr()
    assert out == ''
    assert err.startswith('track_video: ')
    assert err.count('\n') == 1
    assert re.search(message, err), err


def test_the_command_reports_what_it_did(folder, tmp_path, capsys):
    prompts = tmp_path / 'prompts.json'
    prompts.write_text(json.dumps({'prompts': [RED_AT_0 | {'label': 'red'}]}))
    arguments = [str(folder), '--prompts', str(prompts), '--output', str(tmp_path / 'out')]
    assert main([*arguments, '--model', 'shade', '--no-overlay']) == 0
    out = capsys.readouterr().out
    assert 'object 1 red: 40 visible' in out
    assert '40 frames; tracked 40, 0 were there already' in out


def test_the_default_model_tracks(folder, tmp_path):
    track(folder, tmp_path / 'out', RED_AT_0, model='grabcut')
    found = label_png(tmp_path / 'out', COUNT - 1) == 1
    truth = (scene(COUNT - 1) == RED).all(axis=2)
    assert np.count_nonzero(found & truth) / np.count_nonzero(found | truth) > 0.7


def test_a_video_that_breaks_off_is_tracked_as_far_as_it_goes(tmp_path, capsys):
    source = write_video(tmp_path / 'in.avi', codec='MJPG')
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 2 // 3])
    summary = track(source, tmp_path / 'out', RED_AT_0)
    assert 10 < summary.frames < COUNT
    assert str(COUNT) in summary.note
    with pytest.raises(InputError, match='beyond the end'):
        track(source, tmp_path / 'out', RED_AT_0, RED_AT_0 | {'frame': COUNT - 1})


def spoil(folder, tmp_path, *indices):
    spoilt = tmp_path / 'spoilt'
    shutil.copytree(folder, spoilt)
    for index in indices:
        (spoilt / f'{index}.png').write_bytes((folder / f'{index}.png').read_bytes()[:50])
    return spoilt


def test_damaged_frames_are_skipped_and_named(folder, tmp_path):
    spoilt = spoil(folder, tmp_path, 7, 20)
    summary = track(spoilt, tmp_path / 'out', {**RED_AT_0, 'frame': 12}, overlay=True)
    assert summary.note == '2 damaged frame(s) were skipped: 7, 20'
    listing = json.loads((tmp_path / 'out' / 'objects.json').read_text())['frames']
    assert [one['frame'] for one in listing if one['skipped']] == [7, 20]
    assert [one['frame'] for one in listing if not one['objects']] == [7, 20]
    # What is stored is used again, and says so again.
    again = track(spoilt, tmp_path / 'out', {**RED_AT_0, 'frame': 12}, overlay=True)
    assert again.tracked == 0
    assert again.note == summary.note


def test_a_run_that_stops_at_a_damaged_frame_goes_on_by_skipping(folder, tmp_path):
    spoilt = spoil(folder, tmp_path, 20)
    with pytest.raises(InputError, match=r'20\.png is cut off'):
        track(spoilt, tmp_path / 'out', RED_AT_0, on_bad_frame='stop')
    assert track(spoilt, tmp_path / 'out', RED_AT_0).reused == 20


def test_a_prompt_on_a_damaged_frame_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r'entry 1: its frame is damaged .* prompt on another'):
        track(spoil(folder, tmp_path, 0), tmp_path / 'out', RED_AT_0)
