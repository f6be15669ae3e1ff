# SPDX-License-Identifier: Apache-2.0
import json

import cv2
import numpy as np
import pytest
import yaml

from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.passes import labels_of, plan_passes
from sam_segmentation.offline.prompt_file import read_prompt_file

GOOD = """
prompts:
- {frame: 0, object: 1, label: mug, box: [100, 80, 220.5, 200]}
- {frame: 40, object: 1, points: [[150, 120], [10, 20]], labels: [1, 0]}   # a correction
- {frame: 10, object: 2, mask: mask.png}
- {frame: 80, object: 2, remove: true}
"""
MASK = np.zeros((240, 320), np.uint8)
MASK[5:9, 3:7] = 1


@pytest.fixture
def file(tmp_path):
    cv2.imwrite(str(tmp_path / 'mask.png'), MASK)
    (tmp_path / 'notes.png').write_text('no image')
    path = tmp_path / 'prompts.yaml'
    path.write_text(GOOD)
    return path


def test_every_kind_of_entry_is_read(file):
    box, points, mask, removal = read_prompt_file(file)
    assert (box.frame, box.object_id, box.label) == (0, 1, 'mug')
    assert box.prompt.box_xyxy.tolist() == [100, 80, 220.5, 200]
    assert points.prompt.points_xy.tolist() == [[150, 120], [10, 20]]
    assert points.prompt.labels.tolist() == [1, 0]
    assert np.array_equal(mask.prompt.mask, MASK != 0)
    assert (removal.frame, removal.object_id, removal.prompt) == (80, 2, None)
    assert removal.where == f'{file}, entry 4'


def test_json_means_the_same(file):
    entries = read_prompt_file(file)
    said = [
        {'frame': 0, 'object': 1, 'label': 'mug', 'box': [100, 80, 220.5, 200]},
        {'frame': 40, 'object': 1, 'points': [[150, 120], [10, 20]], 'labels': [1, 0]},
        {'frame': 10, 'object': 2, 'mask': 'mask.png'},
        {'frame': 80, 'object': 2, 'remove': True},
    ]
    other = file.with_suffix('.json')
    other.write_text(json.dumps({'prompts': said}, indent='\t'))
    assert [e.digest for e in read_prompt_file(other)] == [e.digest for e in entries]
    assert len({entry.digest for entry in entries}) == 4


def test_a_mask_with_other_pixels_is_another_prompt(file):
    before = read_prompt_file(file)[2].digest
    cv2.imwrite(str(file.parent / 'mask.png'), MASK[::-1])
    assert read_prompt_file(file)[2].digest != before


def entry(text):
    return f'prompts:\n- {{frame: 1, object: 2, box: [0, 0, 5, 5]}}\n- {text}\n'


MALFORMED = {
    '': 'under the key "prompts"',
    '[]': 'under the key "prompts"',
    'prompts: []\nother: 1': 'under the key "prompts"',
    'prompts: []': r'prompts is \[\]; give a list',
    'prompts: {a: 1}': 'give a list of one entry or more',
    'prompts: [': 'is no YAML: .*line 1',
    'prompts: !!python/object/apply:os.system [ls]': 'line 1: the tag .*os.system',
    'prompts: 1\nprompts: 2': "line 2: the key 'prompts' a second time",
    'prompts: ' + '[' * 5000: 'line 1: a nesting deeper than 16',
    'a: \x00': 'is no YAML',
    entry('7'): 'entry 2 is 7; give keys and values',
    entry('{object: 1, box: [0, 0, 5, 5]}'): 'entry 2 has no frame',
    entry('{frame: 1, box: [0, 0, 5, 5]}'): 'entry 2 has no object',
    entry('{frame: -1, object: 1, box: [0, 0, 5, 5]}'): 'entry 2: frame is -1; give a whole',
    entry('{frame: true, object: 1, box: [0, 0, 5, 5]}'): 'frame is True; give a whole number',
    entry('{frame: 1.0, object: 1, box: [0, 0, 5, 5]}'): 'frame is 1.0; give a whole number',
    entry('{frame: 1, object: 0, box: [0, 0, 5, 5]}'): 'object is 0; give .* 1 to 65535',
    entry('{frame: 1, object: 65536, box: [0, 0, 5, 5]}'): 'object is 65536; give',
    entry('{frame: 1, object: 1}'): 'has no box, points or mask; give one, or remove: true',
    entry('{frame: 1, object: 1, bbox: [0, 0, 5, 5]}'): "has the key 'bbox'; known are frame",
    entry('{frame: 1, frame: 2, object: 1, box: [0, 0, 5, 5]}'): "the key 'frame' a second time",
    entry('{frame: 1, object: 1, label: 3, box: [0, 0, 5, 5]}'): 'label is 3; give a text',
    entry('{frame: 1, object: 1, box: [0, 0, 5]}'): r'box is \[0, 0, 5\]; give four numbers',
    entry('{frame: 1, object: 1, box: null}'): 'box is None; give four numbers',
    entry('{frame: 1, object: 1, box: [5, 0, 0, 5]}'): r'entry 2: box \(5, 0, 0, 5\) has no area',
    entry('{frame: 1, object: 1, box: [0, 0, .nan, 5]}'): 'give four numbers',
    entry('{frame: 1, object: 1, box: ["0", 0, 5, 5]}'): 'give four numbers',
    entry('{frame: 1, object: 1, points: [[1, 2]]}'): 'has points without labels',
    entry('{frame: 1, object: 1, points: [1, 2], labels: [1]}'): r'points holds 1; give a list of',
    entry('{frame: 1, object: 1, points: 4, labels: [1]}'): 'points is 4; give a list of pairs',
    entry('{frame: 1, object: 1, points: [[1, 2]], labels: [true]}'): 'labels holds True',
    entry(
        '{frame: 1, object: 1, points: [[1, 2]], labels: [2]}'
    ): 'entry 2: label 2 means nothing',
    entry('{frame: 1, object: 1, points: [[1, 2]], labels: [1, 1]}'): '1 points but 2 labels',
    entry('{frame: 1, object: 1, labels: [1], box: [0, 0, 5, 5]}'): '0 points but 1 labels',
    entry('{frame: 1, object: 1, points: [[1e400, 2]], labels: [1]}'): 'not finite|give a list',
    entry('{frame: 1, object: 1, mask: 3}'): 'mask is 3; give the name of a PNG file',
    entry('{frame: 1, object: 1, mask: nowhere.png}'): 'nowhere.png cannot be read: No such file',
    entry('{frame: 1, object: 1, mask: notes.png}'): 'notes.png cannot be decoded',
    entry('{frame: 1, object: 1, remove: false}'): 'remove is False; give true, or leave it',
    entry('{frame: 1, object: 1, remove: true, label: x}'): 'has label beside remove',
    entry(
        f'{{frame: 1, object: 1, box: {list(range(5000))}}}'
    ): r'box is \[0, 1, 2, 3, 4, 5, ...\]',
}


@pytest.mark.parametrize(('text', 'message'), MALFORMED.items(), ids=range(len(MALFORMED)))
def test_what_is_malformed_is_named(text, message, file):
    file.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_prompt_file(file)
    assert str(caught.value).startswith(str(file))
    assert '\n' not in str(caught.value)


def test_an_empty_mask_is_refused(file):
    cv2.imwrite(str(file.parent / 'mask.png'), MASK * 0)
    with pytest.raises(InputError, match='entry 3: the mask is empty'):
        read_prompt_file(file)


@pytest.mark.parametrize(
    ('content', 'message'),
    [(b'\xff\xfe', 'no text in UTF-8'), (b'{"a": 1, "a": 2}', "'a' is given twice")],
)
def test_json_that_is_malformed_is_named(content, message, tmp_path):
    path = tmp_path / 'prompts.json'
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_prompt_file(path)


def test_what_comes_twice_may_be_an_alias_as_pyyaml_writes_it(file):
    box = {'frame': 0, 'object': 1, 'box': [0, 0, 5, 5]}
    text = yaml.safe_dump({'prompts': [box, box | {'frame': 3}]})
    assert '*' in text
    file.write_text(text)
    assert [tuple(one.prompt.box_xyxy) for one in read_prompt_file(file)] == [(0, 0, 5, 5)] * 2


def test_aliases_of_aliases_are_refused(file):
    lists = [f'a{i}: &a{i} [{", ".join([f"*a{i - 1}"] * 9)}]' for i in range(1, 30)]
    file.write_text('\n'.join(['a0: &a0 [x]', *lists, 'prompts: *a29']))
    with pytest.raises(InputError, match=r'line 3: the alias \*a1 stands for'):
        read_prompt_file(file)
    file.write_text('\n'.join([f'prompts:\n- {lists[0].replace("*a0", "x")}']))
    with pytest.raises(InputError, match="has the key 'a1'"):
        read_prompt_file(file)


def plan(file, *texts, direction='both'):
    file.write_text('prompts:\n' + '\n'.join(f'- {{{text}}}' for text in texts))
    entries = read_prompt_file(file)
    labels_of(entries)
    return plan_passes(entries, count=100, size_wh=(320, 240), direction=direction)


BOX = 'box: [0, 0, 5, 5]'
UNPLANNED = {
    (
        f'frame: 100, object: 1, {BOX}',
    ): r'entry 1: frame 100 is beyond the end; .* 100 frames, 0 t',
    ('frame: 1, object: 1, box: [320, 0, 330, 5]',): 'entry 1: box .* lies outside the image of',
    ('frame: 1, object: 1, points: [[0, 240]], labels: [1]',): r'entry 1: point \(0, 240\) lies',
    ('frame: 1, object: 1, remove: true',): 'object 1, which is not tracked on frame 1',
    (f'frame: 1, object: 1, {BOX}', 'frame: 1, object: 1, remove: true'): 'another entry speaks',
    (
        f'frame: 1, object: 1, {BOX}',
        'frame: 5, object: 1, remove: true',
        'frame: 6, object: 1, remove: true',
    ): 'entry 3 removes object 1, which is not tracked on frame 6 going forward',
    (
        f'frame: 9, object: 1, {BOX}',
        'frame: 5, object: 1, remove: true',
        'frame: 4, object: 1, remove: true',
    ): 'entry 3 removes object 1, which is not tracked on frame 4 going backward',
    (
        f'frame: 1, object: 1, label: mug, {BOX}',
        f'frame: 2, object: 1, label: cup, {BOX}',
    ): "entry 2 calls object 1 'cup', but it was called 'mug' before",
}


@pytest.mark.parametrize(('texts', 'message'), UNPLANNED.items(), ids=range(len(UNPLANNED)))
def test_what_does_not_fit_the_video_is_named(texts, message, file):
    with pytest.raises(InputError, match=message):
        plan(file, *texts)


def test_each_object_goes_back_from_its_first_prompt_only(file):
    forward, backward = plan(
        file,
        f'frame: 30, object: 1, {BOX}',
        f'frame: 60, object: 1, {BOX}',
        f'frame: 0, object: 2, {BOX}',
        f'frame: 50, object: 3, {BOX}',
        f'frame: 50, object: 3, {BOX}',
    )
    assert (forward.first, forward.last, len(forward.entries)) == (0, 99, 5)
    assert (backward.first, backward.last) == (50, 0)
    assert [(e.frame, e.object_id) for e in backward.entries] == [(50, 3), (50, 3), (30, 1)]


def test_a_pass_ends_with_its_last_object(file):
    forward, backward = plan(
        file,
        f'frame: 30, object: 1, {BOX}',
        'frame: 60, object: 1, remove: true',
        'frame: 20, object: 1, remove: true',
    )
    assert (forward.first, forward.last) == (30, 60)
    assert (backward.first, backward.last) == (30, 20)


def test_segments_lie_alike_in_both_directions(file):
    forward, backward = plan(file, f'frame: 33, object: 1, {BOX}')
    assert forward.segments(25) == [(33, 49), (50, 74), (75, 99)]
    assert backward.segments(25) == [(33, 25), (24, 0)]


def test_a_key_tells_what_was_said_so_far(file):
    plain = plan(file, f'frame: 10, object: 1, {BOX}', direction='forward')[0]
    corrected = plan(
        file, f'frame: 10, object: 1, {BOX}', f'frame: 50, object: 1, {BOX}', direction='forward'
    )[0]
    assert plain.key(49, 'base') == corrected.key(49, 'base')
    assert plain.key(50, 'base') != corrected.key(50, 'base')
    assert plain.key(49, 'base') != plain.key(49, 'other')
