# SPDX-License-Identifier: Apache-2.0
"""Inputs made to harm are refused at once, by name, whatever they claim."""

import os
import sqlite3
import struct
import subprocess
import sys
import threading

import pytest
import zstandard
from lz4.frame import compress
from recorded import RED_BOX, images, write_bag, write_folder, write_prompts, write_video

from sam_segmentation.offline import bounded_rosbags, frame_source
from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.inputs import open_input
from sam_segmentation.offline.prompt_file import read_prompt_file

COLOUR = {'/image': ('rgb8', images(6))}
ONE = {'frame': 0, **RED_BOX}


def pipe(path):
    os.mkfifo(path)
    return path


def within(seconds, action):
    """Run what might wait for ever; a pipe waits for a writer."""
    raised = []

    def run():
        try:
            action()
        except InputError as error:
            raised.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), 'it waits for a writer'
    return raised[0]


@pytest.mark.parametrize(('name', 'kind'), [('/dev/zero', 'a device'), ('pipe', 'a pipe')])
def test_what_is_no_ordinary_file_is_refused_at_once(name, kind, tmp_path):
    path = pipe(tmp_path / 'pipe') if name == 'pipe' else name
    folder, bag = write_folder(tmp_path / 'frames', images(2)), tmp_path / 'bag'
    for linked in ('0.png', '1.png'):
        (folder / linked).unlink()
        (folder / linked).symlink_to(path)
    write_bag(bag, COLOUR)
    next(bag.glob('*.mcap')).unlink()
    (bag / 'bag.mcap').symlink_to(path)
    (tmp_path / 'video.mp4').symlink_to(path)
    (tmp_path / 'prompts.yaml').symlink_to(path)
    (tmp_path / 'mask.png').symlink_to(path)
    masked = write_prompts(tmp_path / 'm.yaml', {'frame': 0, 'object': 1, 'mask': 'mask.png'})
    for action in (
        lambda: open_input(folder),
        lambda: open_input(bag),
        lambda: open_input(bag / 'bag.mcap'),
        lambda: open_input(tmp_path / 'video.mp4'),
        lambda: read_prompt_file(tmp_path / 'prompts.yaml'),
        lambda: read_prompt_file(masked),
    ):
        assert f'is {kind}; give an ordinary file' in within(10, action)


def test_folders_are_refused_as_files(tmp_path):
    (tmp_path / 'mask.png').mkdir()
    masked = write_prompts(tmp_path / 'm.yaml', {'frame': 0, 'object': 1, 'mask': 'mask.png'})
    for path in (tmp_path, masked):
        with pytest.raises(InputError, match='is a folder; give an ordinary file'):
            read_prompt_file(path)


PLAYLISTS = {
    'a.m3u8': '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n',
    'a.mp4': '#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:2,\n{}\n#EXT-X-ENDLIST\n',
    'a.ffconcat': "ffconcat version 1.0\nfile '{}'\n",
    'b.mp4': "ffconcat version 1.0\nfile '{}'\n",
}


@pytest.mark.parametrize('name', PLAYLISTS)
def test_a_playlist_does_not_open_another_file(name, tmp_path):
    write_video(tmp_path / 'other.avi', images(3), codec='MJPG')
    path = tmp_path / name
    path.write_text(PLAYLISTS[name].format('other.avi'))
    with pytest.raises(InputError, match='is no video file: it begins with'):
        open_input(path)


@pytest.mark.parametrize(
    'text', ['http://127.0.0.1:9/a.mp4', 'concat:a.mp4|b.mp4', 'img_%02d.png']
)
def test_what_is_no_path_is_not_opened(text, tmp_path, monkeypatch):
    from pathlib import Path

    write_folder(tmp_path / 'in', images(2))
    monkeypatch.chdir(tmp_path / 'in')
    with pytest.raises(InputError, match='does not exist'):
        open_input(Path(text))


def record(kind, content):
    return bytes([kind]) + struct.pack('<Q', len(content)) + content


def text(value):
    return struct.pack('<I', len(value)) + value


def mcap(path, chunk, stated, compression):
    """Write a bag of one chunk, without an index."""
    head = record(1, text(b'ros2') + text(b''))
    body = struct.pack('<QQQI', 0, 1, stated, 0) + text(compression)
    body += struct.pack('<Q', len(chunk)) + chunk
    magic = b'\x89MCAP0\r\n'
    path.write_bytes(magic + head + record(6, body) + record(2, bytes(20)) + magic)
    return path


SQUEEZE = {b'zstd': lambda data: zstandard.ZstdCompressor().compress(data), b'lz4': compress}


@pytest.mark.parametrize('compression', SQUEEZE)
@pytest.mark.parametrize(
    ('stated', 'named'),
    [(2**33, 'at most 536,870,912 are accepted'), (1000, 'it has more'), (2**23, 'it has ')],
)
def test_a_chunk_that_unpacks_to_more_is_not_unpacked(compression, stated, named, tmp_path):
    chunk = SQUEEZE[compression](bytes(2**22))
    path = mcap(tmp_path / 'a.mcap', chunk, stated, compression)
    with pytest.raises(InputError, match=named):
        open_input(path)


def test_chunks_whose_times_overlap_are_bounded_together():
    class Chunk:
        def __init__(self, begin, end):
            self.message_start_time, self.message_end_time = begin, end
            self.uncompressed_size = 10

    assert bounded_rosbags._most_at_once([Chunk(0, 9), Chunk(10, 19), Chunk(20, 29)]) == 10
    assert bounded_rosbags._most_at_once([Chunk(0, 9), Chunk(5, 19), Chunk(9, 29)]) == 30


@pytest.mark.parametrize('claimed', [10**9, 2**62])
def test_a_bag_that_claims_more_messages_than_any_video_has_is_refused(claimed, tmp_path):
    path = write_bag(tmp_path / 'in', COLOUR)
    file = path / 'metadata.yaml'
    file.write_text(file.read_text().replace('message_count: 6', f'message_count: {claimed}'))
    with pytest.raises(InputError, match=r'give a video of 1 to 1,000,000'):
        open_input(path)


METADATA = {
    'deep': '[' * 400,
    'laughs': 'a: &a0 [x]\n'
    + ''.join(f'a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n' for i in range(1, 60)),
    'climbing': 'rosbag2_bagfile_information: {version: 5, relative_file_paths: [../../x]}',
    'nothing': '',
    'number': 'rosbag2_bagfile_information: 7',
}


@pytest.mark.parametrize('name', METADATA)
def test_metadata_made_to_harm_is_refused(name, tmp_path):
    path = write_bag(tmp_path / 'in', COLOUR)
    (path / 'metadata.yaml').write_text(METADATA[name])
    with pytest.raises(InputError, match='cannot be read as a bag'):
        open_input(path)


def test_metadata_without_measure_is_refused(tmp_path):
    path = write_bag(tmp_path / 'in', COLOUR)
    (path / 'metadata.yaml').write_bytes(b'#' * (bounded_rosbags.MAX_METADATA_BYTES + 1))
    with pytest.raises(InputError, match='at most 4,194,304'):
        open_input(path)


SQL = {
    'view': 'CREATE VIEW v AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) '
    'SELECT max(x) AS schema_version FROM c',
    'column': 'CREATE TABLE t (a, b GENERATED ALWAYS AS (zeroblob(900000000)))',
    'short': 'CREATE TABLE t (a, b AS(zeroblob(900000000)))',
    'trigger': 'CREATE TRIGGER g AFTER INSERT ON topics BEGIN DELETE FROM topics; END',
}


@pytest.mark.parametrize('name', SQL)
def test_a_database_that_computes_is_refused(name, tmp_path):
    path = write_bag(tmp_path / 'in', COLOUR, storage='sqlite3')
    file = next(path.glob('*.db3'))
    database = sqlite3.connect(file)
    database.execute(SQL[name])
    database.commit()
    database.close()
    for source in (path, file):
        with pytest.raises(InputError, match='computes something'):
            open_input(source)


def test_a_video_of_more_frames_than_any_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(frame_source, 'MAX_FRAMES', 3)
    monkeypatch.setattr('sam_segmentation.offline.video_file.MAX_FRAMES', 3)
    for source in (
        write_folder(tmp_path / 'frames', images(4)),
        write_video(tmp_path / 'a.avi', images(4), codec='MJPG'),
        write_bag(tmp_path / 'bag', {'/image': ('rgb8', images(4))}),
    ):
        with pytest.raises(InputError, match='4 frames; give a video of 1 to 3'):
            open_input(source)


PROMPTS = {
    'merges': 'a: &a {k: v}\n' + ''.join(f'{x}: &{x} {{<<: [*a, *a]}}\n' for x in 'bcdefgh'),
    'sexagesimal': 'prompts: [' + '1' + ':1' * 100_000 + ']',
    'deep': 'prompts: ' + '[' * 100_000,
    'deep keys': '? ' * 5_000,
    'itself': 'prompts: &a [*a]',
    'letter': 'prompts: "\\UFFFFFFFF"',
    'control': 'prompts: [{frame: 0, object: 1, box: [0, 0, 5, 5], label: "a\\n\\e[2Jb"}]',
    'label': 'prompts: [{frame: 0, object: 1, box: [0, 0, 5, 5], label: ' + 'x' * 257 + '}]',
}


@pytest.mark.parametrize('name', PROMPTS)
def test_prompts_made_to_harm_are_refused(name, tmp_path):
    path = tmp_path / 'prompts.yaml'
    path.write_text(PROMPTS[name])
    with pytest.raises(InputError):
        read_prompt_file(path)


# Run apart, since what it looks for would end the process or take its memory.
FUZZ = """
import random, sys
from pathlib import Path
from sam_common.errors import SamError
from sam_segmentation.offline.inputs import open_input
draw = random.Random(5)
refused = 0
for number in range(int(sys.argv[1])):
    seed = Path(sys.argv[2 + number % (len(sys.argv) - 2)])
    data = bytearray(seed.read_bytes())
    for _ in range(draw.choice((1, 3, 10))):
        place = min(int(draw.expovariate(0.004)), len(data) - 1)
        place = draw.choice((place, len(data) - 1 - place, draw.randrange(len(data))))
        action = draw.randrange(3)
        if action == 0:
            data[place] = draw.choice((0, 255, 127, draw.randrange(256)))
        elif action == 1:
            del data[place:place + draw.choice((1, 8, 100))]
        else:
            data[place:place] = data[place:place + 8]
    path = seed.with_name(f'fuzzed{seed.suffix}')
    path.write_bytes(data)
    try:
        for frame in open_input(path).frames():
            frame.read()
    except SamError:
        refused += 1
print(refused)
"""


def test_no_damaged_recording_ends_the_process_or_raises_anything_else(tmp_path):
    few = images(3)
    seeds = [
        *write_bag(tmp_path / 'a', {'/image': ('png', few)}).glob('*.mcap'),
        *write_bag(tmp_path / 'b', {'/image': ('png', few)}, storage='sqlite3').glob('*.db3'),
        write_video(tmp_path / 'a.mp4', few),
        write_video(tmp_path / 'a.avi', few, codec='MJPG'),
    ]
    done = subprocess.run(
        [sys.executable, '-c', FUZZ, '160', *map(str, seeds)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, 'OPENCV_FFMPEG_LOGLEVEL': '-8'},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 20
