# SPDX-License-Identifier: Apache-2.0
import struct
import sys

import cv2
import numpy as np
import pytest
from recorded import COUNT, images, scene, write_bag, write_folder, write_video

from sam_segmentation.offline import bag
from sam_segmentation.offline.errors import BadFrameError, InputError
from sam_segmentation.offline.frame_source import FrameSource
from sam_segmentation.offline.inputs import open_input

DEPTH = [np.full((48, 64), 1000 + index, np.uint16) for index in range(COUNT)]
COLOUR = {'/colour': ('bgr8', [image[..., ::-1] for image in images()])}
MADE = {
    'folder': lambda path: write_folder(path),
    'video': lambda path: write_video(path.with_suffix('.mp4')),
    'bag': lambda path: write_bag(path, COLOUR),
    'sqlite': lambda path: write_bag(path, COLOUR, storage='sqlite3'),
}


def small_pieces(monkeypatch, count=7):
    monkeypatch.setattr('sam_segmentation.offline.frame_source._PIECE_FRAMES', count)


def in_order(source, start=0):
    return [(frame.index, frame.read()) for frame in source.frames(start)]


def same(first, second):
    return len(first) == len(second) and all(
        a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize('kind', MADE)
def test_backward_gives_the_frames_of_forward(kind, tmp_path, monkeypatch):
    small_pieces(monkeypatch)
    source = open_input(MADE[kind](tmp_path / 'in'))
    whole = in_order(source)
    assert [index for index, _ in whole] == list(range(COUNT))
    assert same(in_order(source, 33), whole[33:])
    back = [(frame.index, frame.read()) for frame in source.reversed(30, 3)]
    assert same(back, whole[30:2:-1])
    assert len(list(source.reversed(2, 0))) == 3


@pytest.mark.parametrize('kind', ['folder', 'bag', 'sqlite'])
def test_frames_are_in_rgb_and_exact(kind, tmp_path):
    source = open_input(MADE[kind](tmp_path / 'in'))
    assert source.size_wh == (64, 48)
    assert all(np.array_equal(image, scene(index)) for index, image in in_order(source))


def count_scans(monkeypatch):
    scans = []
    plain = FrameSource.piece

    def piece(self, start, stop):
        scans.append(start)
        return plain(self, start, stop)

    monkeypatch.setattr(FrameSource, 'piece', piece)
    return scans


def test_a_video_that_seeks_right_is_read_once_for_going_back(tmp_path, monkeypatch):
    small_pieces(monkeypatch)
    scans = count_scans(monkeypatch)
    list(open_input(MADE['video'](tmp_path / 'in')).reversed(30, 0))
    assert scans == []


def test_a_video_that_seeks_wrong_is_found_out_and_read_in_order(tmp_path, monkeypatch):
    small_pieces(monkeypatch)
    source = open_input(MADE['video'](tmp_path / 'in'))
    whole = in_order(source)
    scans = count_scans(monkeypatch)

    class Off:
        def __init__(self, *arguments):
            self._capture = capture(*arguments)

        def set(self, name, value):
            is_place = name == cv2.CAP_PROP_POS_FRAMES
            return self._capture.set(name, value + 2 if is_place else value)

        def __getattr__(self, name):
            return getattr(self._capture, name)

    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, 'VideoCapture', Off)
    back = [(frame.index, frame.read()) for frame in source.reversed(30, 0)]
    assert same(back, whole[30::-1])
    assert scans == [24, 17, 10, 3, 0]


def test_a_video_that_differs_each_time_is_refused(tmp_path, monkeypatch):
    source = open_input(MADE['video'](tmp_path / 'in'))
    monkeypatch.setattr(source, '_are_right', lambda *_: False)
    with pytest.raises(InputError, match='gives other images each time'):
        list(source.reversed(30, 0))


def test_a_bag_whose_times_go_back_is_read_in_order(tmp_path, monkeypatch):
    small_pieces(monkeypatch)
    scans = count_scans(monkeypatch)
    source = open_input(MADE['bag'](tmp_path / 'in'))
    whole = in_order(source)
    back = [(frame.index, frame.read()) for frame in source.reversed(30, 0)]
    assert same(back, whole[30::-1])
    assert scans == []
    monkeypatch.setattr(source, '_rise', lambda *_: False)
    assert len(list(source.reversed(30, 20))) == 11
    assert scans == [24, 20]


def test_numbers_in_names_are_counted_as_numbers(tmp_path):
    write_folder(tmp_path / 'in')
    names = [frame.name for frame in open_input(tmp_path / 'in').frames()]
    assert names == [f'{index}.png' for index in range(COUNT)]


def test_of_colour_and_depth_the_colour_is_taken(tmp_path):
    path = write_bag(tmp_path / 'in', {'/depth': ('16UC1', DEPTH), **COLOUR})
    source = open_input(path)
    assert source.topic == '/colour'
    assert next(source.frames(2)).name == '100.100000000'
    assert source.fps == pytest.approx(20, rel=0.05)
    with pytest.raises(InputError, match=r"image 0 on /depth .* encoding '16UC1' cannot be used"):
        open_input(path, topic='/depth')


def test_of_several_cameras_one_has_to_be_named(tmp_path):
    path = write_bag(tmp_path / 'in', {**COLOUR, '/left': ('png', images())})
    with pytest.raises(InputError, match=r'2 topics with colour .* --topic; .* /colour, /left'):
        open_input(path)
    assert open_input(path, topic='/left').topic == '/left'
    with pytest.raises(InputError, match=r"no images on '/rear'; topics with images: /colour"):
        open_input(path, topic='/rear')


def test_a_bag_without_images_says_so(tmp_path):
    path = write_bag(tmp_path / 'in', {'/depth': ('16UC1', DEPTH)})
    with pytest.raises(InputError, match=r'0 topics with colour images; .* /depth'):
        open_input(path)


def test_a_bag_that_lacks_its_end_says_so(tmp_path):
    path = write_bag(tmp_path / 'in', COLOUR)
    file = next(path.glob('*.mcap'))
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match='cannot be read as a bag'):
        open_input(path)


def test_rosbags_is_asked_for_by_name(tmp_path, monkeypatch):
    path = write_bag(tmp_path / 'in', COLOUR)
    monkeypatch.setitem(sys.modules, 'rosbags.rosbag2', None)
    monkeypatch.delitem(sys.modules, 'sam_segmentation.offline.bounded_rosbags', raising=False)
    with pytest.raises(InputError, match='pip install rosbags'):
        bag.Bag(path)


def test_a_topic_is_for_bags_only(tmp_path):
    write_folder(tmp_path / 'in')
    with pytest.raises(InputError, match='is no bag, so it has no topic'):
        open_input(tmp_path / 'in', topic='/image')


def test_an_image_of_another_size_in_a_bag_is_named(tmp_path):
    frames = [*images(3), np.zeros((24, 64, 3), np.uint8)]
    source = open_input(write_bag(tmp_path / 'in', {'/image': ('rgb8', frames)}))
    with pytest.raises(InputError, match=r'image 3 on /image in .* is 64 x 24 px, but the first'):
        in_order(source)


def names_of(source):
    return [frame.name for frame in source.frames()]


@pytest.mark.parametrize(
    ('names', 'order'),
    [
        (['10.5', '9.75', '10.25', '10.05'], ['9.75', '10.05', '10.25', '10.5']),
        (['t_2.1', 't_2.05', 't_10'], ['t_2.05', 't_2.1', 't_10']),
        (['a1b10', 'a1b9', 'a0b11'], ['a0b11', 'a1b9', 'a1b10']),
    ],
)
def test_names_that_are_times_are_in_the_order_of_their_value(names, order, tmp_path):
    (tmp_path / 'in').mkdir()
    for name in names:
        cv2.imwrite(str(tmp_path / 'in' / f'{name}.png'), scene(0))
    assert names_of(open_input(tmp_path / 'in')) == [f'{name}.png' for name in order]


def test_pngs_beside_jpegs_of_their_names_are_masks(tmp_path):
    folder = write_folder(tmp_path / 'in', images(4), '.jpg')
    for index in (0, 2):
        cv2.imwrite(str(folder / f'{index}.png'), np.zeros((48, 64), np.uint8))
    source = open_input(folder)
    assert names_of(source) == [f'{index}.jpg' for index in range(4)]
    assert 'holds 2 PNGs, each beside a JPEG of its name' in source.note
    cv2.imwrite(str(folder / '9.png'), scene(0))
    with pytest.raises(InputError, match=r'holds both 0\.jpg and 0\.png; leave only the frames'):
        open_input(folder)


def turned(path, matrix):
    """Say in the header of a video how it is to be turned, as phones do."""
    data = bytearray(write_video(path, images(3)).read_bytes())
    begin = data.find(b'tkhd') + 4 + 4 + 20 + 16
    data[begin : begin + 36] = struct.pack('>9i', *(one << 16 for one in matrix[:8]), 1 << 30)
    path.write_bytes(data)
    return path


def test_a_video_of_a_phone_is_upright(tmp_path):
    plain = in_order(open_input(write_video(tmp_path / 'a.mp4', images(3))))[0][1]
    sideways = open_input(turned(tmp_path / 'b.mp4', (0, 1, 0, -1, 0, 0, 0, 0)))
    assert sideways.size_wh == (48, 64)
    assert np.array_equal(in_order(sideways)[0][1], cv2.rotate(plain, cv2.ROTATE_90_CLOCKWISE))


def test_frames_of_a_video_have_their_own_times(tmp_path):
    path = write_video(tmp_path / 'a.mkv', images(4), codec='MJPG')
    data = path.read_bytes()
    # A block says its track, 1, and its time [ms]: the third frame comes 30 ms late.
    assert data.count(b'\x81\x00\x64') == 1
    path.write_bytes(data.replace(b'\x81\x00\x64', b'\x81\x00\x82'))
    times = [frame.time_s for frame in open_input(path).frames()]
    assert times == pytest.approx([0, 0.05, 0.13, 0.15])


def test_frames_of_a_bag_have_the_times_of_their_stamps(tmp_path):
    times = [frame.time_s for frame in open_input(MADE['bag'](tmp_path / 'in')).frames()]
    assert times[:3] == pytest.approx([100, 100.05, 100.1])


@pytest.mark.parametrize('count', [1, 2])
def test_a_folder_with_only_the_file_of_a_bag_opens(count, tmp_path):
    folder = tmp_path / 'in'
    for number in range(count):
        bag_path = write_bag(tmp_path / f'bag{number}', COLOUR)
        folder.mkdir(exist_ok=True)
        next(bag_path.glob('*.mcap')).rename(folder / f'{number}.mcap')
    if count == 1:
        assert open_input(folder).count == COUNT
    else:
        with pytest.raises(InputError, match=r'holds 2 files of bags but no metadata\.yaml'):
            open_input(folder)


def test_a_topic_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    path = write_bag(tmp_path / 'in', {'/image': ('8UC3', images(2))})
    with pytest.raises(InputError, match=r"/image: .* encoding '8UC3' cannot be used; .*bgr8"):
        open_input(path)


@pytest.mark.parametrize('kind', ['folder', 'bag'])
def test_a_damaged_frame_is_an_error_of_its_own_among_good_ones(kind, tmp_path, monkeypatch):
    small_pieces(monkeypatch)
    path = tmp_path / 'in'
    frames = images(6)
    if kind == 'folder':
        write_folder(path, frames)
        for index in (0, 3):
            (path / f'{index}.png').write_bytes((path / '1.png').read_bytes()[:50])
    else:
        write_bag(path, {'/image': ('png', frames)}, damaged=(0, 3))
    source = open_input(path)
    for walk in (source.frames(), source.reversed(5, 0)):
        found = {}
        for frame in walk:
            if frame.index in (0, 3):
                with pytest.raises(BadFrameError, match='cut off'):
                    frame.read()
            else:
                found[frame.index] = frame.read()
        assert sorted(found) == [1, 2, 4, 5]
        assert all(np.array_equal(found[index], scene(index)) for index in found)
