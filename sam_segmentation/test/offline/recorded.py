# SPDX-License-Identifier: Apache-2.0
"""Small recorded videos for tests, of every kind, and runs of the tool on them."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import shade_tracker
import yaml
from toy_tracker import GREEN, RED, frame

from sam_segmentation.offline.run import Settings, run

COUNT = 40
TEST_DIR = Path(__file__).parents[1]
RED_BOX = {'object': 1, 'box': [0, 10, 7, 17]}


def scene(index):
    """A red square goes right; a green one comes in on frame 10 and goes down."""
    squares = [(RED, index, 10)]
    if index >= 10:
        squares.append((GREEN, 50, index - 10))
    return frame(*squares)


def images(count=COUNT):
    return [scene(index) for index in range(count)]


def write_folder(path, frames=None, suffix='.png'):
    path.mkdir(parents=True)
    for index, image in enumerate(frames or images()):
        cv2.imwrite(
            str(path / f'{index}{suffix}'), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100]
        )
    return path


def write_video(path, frames=None, codec='mp4v'):
    frames = images() if frames is None else frames
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 20, (width, height))
    for image in frames:
        writer.write(image[..., ::-1])
    writer.release()
    return path


def write_bag(path, topics, storage='mcap', damaged=()):
    """Write {topic: (encoding, images)}; 'jpeg' and 'png' make compressed images.

    Of those, the images of some indices are cut off.
    """
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_HUMBLE)
    types = store.types
    plugin = StoragePlugin.MCAP if storage == 'mcap' else StoragePlugin.SQLITE3
    with Writer(path, version=8, storage_plugin=plugin) as writer:
        for topic, (encoding, frames) in topics.items():
            kind = 'CompressedImage' if encoding in ('jpeg', 'png') else 'Image'
            name = f'sensor_msgs/msg/{kind}'
            connection = writer.add_connection(topic, name, typestore=store)
            for index, image in enumerate(frames):
                stamp = types['builtin_interfaces/msg/Time'](sec=100, nanosec=index * 50_000_000)
                header = types['std_msgs/msg/Header'](stamp=stamp, frame_id='camera')
                if kind == 'Image':
                    msg = raw_image(types[name], header, image, encoding)
                else:
                    data = cv2.imencode(f'.{encoding}', image[..., ::-1])[1].ravel()
                    data = data[:20] if index in damaged else data
                    msg = types[name](header=header, format=encoding, data=data)
                writer.write(connection, index * 50_000_000, store.serialize_cdr(msg, name))
    return path


def raw_image(kind, header, image, encoding):
    height, width = image.shape[:2]
    data = np.ascontiguousarray(image).view(np.uint8).ravel()
    return kind(
        header=header,
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=0,
        step=data.size // height,
        data=data,
    )


def write_prompts(path, *entries):
    path.write_text(yaml.safe_dump({'prompts': list(entries)}))
    return path


def track(source, output, *entries, **options):
    """Run in this process; returns the summary."""
    prompts = write_prompts(output.with_suffix('.yaml'), *entries)
    settings = {'model': 'shade', 'snapshot_every': 5, 'overlay': False} | options
    return run(Settings(source=source, prompts=prompts, output=output, **settings), no_bar)


@contextlib.contextmanager
def no_bar(what, total):
    yield lambda count: None


def command(source, output, *entries, options=(), dies_at=None):
    """Run the command in a process of its own."""
    prompts = write_prompts(output.with_suffix('.yaml'), *entries)
    environment = dict(os.environ)
    environment['PYTHONPATH'] = os.pathsep.join([str(TEST_DIR), *filter(None, sys.path)])
    if dies_at:
        environment[shade_tracker.DIES_AT] = dies_at
    return subprocess.run(
        [
            *(sys.executable, shade_tracker.__file__, str(source), '--model', 'shade'),
            *('--prompts', str(prompts), '--output', str(output), '--snapshot-every', '5'),
            *options,
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def outcome(output):
    """Return the bytes of all results."""
    files = [output / 'objects.json', *sorted((output / 'masks').glob('*'))]
    return {file.name: file.read_bytes() for file in files}


def objects(output):
    """Return {frame: {object id: entry}} of the JSON."""
    listing = json.loads((output / 'objects.json').read_text())
    return {
        entry['frame']: {one['id']: one for one in entry['objects']} for entry in listing['frames']
    }


def label_png(output, index):
    return cv2.imread(str(output / 'masks' / f'{index:06d}.png'), cv2.IMREAD_UNCHANGED)
