# SPDX-License-Identifier: Apache-2.0
"""What hostile files and a storm of requests do: crashes, hangs, answers without a cause.

`python benchmarks/faults.py PART ...`: files, storm; none: both, about 10 minutes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from sam_common.types import UInt16Array

ROOT = Path(__file__).parent.parent
TESTS = ROOT / 'sam_segmentation' / 'test'
sys.path += [str(ROOT), str(TESTS), str(TESTS / 'ros'), str(TESTS / 'offline')]

from fault_storm import storm  # noqa: E402
from hostile_messages import hostile  # noqa: E402
from recorded import images, write_bag, write_video  # noqa: E402
from report import Figure, at_most, write  # noqa: E402
from rvl_encoder import encode_rvl  # noqa: E402
from small_models import write_small_sam2  # noqa: E402
from tabletop_camera import camera_info  # noqa: E402

from sam_common.errors import SamError  # noqa: E402

FILES = 6_000
HANG_S = 5.0
MOST_MB = 1500.0
# What turns up where a number, a name or a list was.
NONSENSE = (
    '0', '-1', '1e308', '.nan', '99999999999999999999', 'null', '[]', '{}', '""', '~', 'yes',
    '${oc.env:HOME}', '!!python/object/apply:os.system ["true"]', '&a [*a]', '*b', '/dev/zero',
    '../../etc/passwd', 'os.system', "{_target_: os.system, _args_: ['true']}", 'x' * 5000,
    '[' * 2000, '\u202e', '2001-01-01', '0x7fffffff',
)  # fmt: skip
Seed = tuple[str, bytes]
Reader = Callable[[Path], object]


def main() -> None:
    """Run the parts that were asked for."""
    parts = {'files': files, 'storm': lambda: storm(arguments.seconds)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=300.0, help='how long the storm lasts')
    parser.add_argument('--files', type=int, default=FILES, help='files of all kinds together')
    parser.add_argument('parts', nargs='*', metavar='PART', help=f'{", ".join(parts)}; none: all')
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - parts.keys():
        parser.error(f'unknown parts {", ".join(sorted(unknown))}; choose from {", ".join(parts)}')
    parts['files'] = lambda: files(arguments.files)
    figures = [figure for name in arguments.parts or parts for figure in parts[name]()]
    write('faults', figures)


def files(count: int) -> list[Figure]:
    """Have spoilt files of every kind read, each kind in a process of its own."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kinds = _kinds(folder)
        for kind, (seeds, reader, share) in kinds.items():
            number = max(1, round(count * share / sum(share for *_, share in kinds.values())))
            figures += _attack(kind, seeds, reader, number, folder / f'{kind} spoilt')
    return figures


def _kinds(folder: Path) -> dict[str, tuple[list[Seed], Reader, float]]:
    """Return, for each kind of file: whole ones, who reads it, and its share of all files."""
    picture = images(1)[0]
    deep = (np.arange(picture[..., 0].size, dtype=np.uint16) * 7).reshape(picture.shape[:2])
    pictures = [
        (suffix, cv2.imencode(suffix, pixels)[1].tobytes())
        for suffix, pixels in (('.png', picture), ('.jpg', picture), ('.png', deep))
    ]
    # A fork has none of the threads that torch then waits for.
    torch.set_num_threads(1)
    config, _ = write_small_sam2(folder / 'model', image_size=64, embed_dim=8)
    bags = []
    for storage, suffix, encoding in (('mcap', '.mcap', 'rgb8'), ('sqlite3', '.db3', 'jpeg')):
        write_bag(folder / storage, {'/image': (encoding, images(4))}, storage=storage)
        bags.append((suffix, next((folder / storage).glob(f'*{suffix}')).read_bytes()))
    videos = [
        (suffix, write_video(folder / f'v{suffix}', images(6), codec=codec).read_bytes())
        for suffix, codec in (('.mp4', 'mp4v'), ('.avi', 'MJPG'))
    ]
    entries = [
        {'frame': 0, 'object': 1, 'box': [0, 10, 7, 17], 'label': 'red'},
        {'frame': 2, 'object': 2, 'points': [[50, 3]], 'labels': [1]},
        {'frame': 3, 'object': 1, 'remove': True},
    ]
    prompts = [('.yaml', json.dumps({'prompts': entries}, indent=1).encode())]
    return {
        'images': (pictures, _read_image, 6),
        'depth images': (_depth_images(pictures[2][1], deep), _read_depth, 6),
        'checkpoints': (
            [*_small_checkpoints(), _safetensors()],
            _read_checkpoint,
            3,
        ),
        'SAM 2 configs': ([('.yaml', config.read_bytes())], _read_config, 1),
        'bags': (bags, _read_video, 1),
        'videos': (videos, _read_video, 1),
        'prompt files': (prompts, _read_prompts, 2),
        'calibrations': ([('.seed', b'0')], _read_calibration, 2),
    }


def _depth_images(png: bytes, pixels: UInt16Array) -> list[Seed]:
    height, width = pixels.shape
    head = struct.pack('<iff', 0, 100.0, 0.0)
    return [
        ('.png', head + png),
        ('.rvl', head + struct.pack('<ii', width, height) + encode_rvl(pixels)),
    ]


def _small_checkpoints() -> list[Seed]:
    seeds = []
    for state in (
        {'model': {'a': torch.zeros(3, 4), 'b': torch.ones(5)}},
        {'state_dict': {'module.a': torch.zeros(2)}, 'epoch': 3},
    ):
        buffer = BytesIO()
        torch.save(state, buffer)
        seeds.append(('.pt', buffer.getvalue()))
    return seeds


def _safetensors() -> Seed:
    from safetensors.torch import save

    return '.safetensors', save({'a': torch.zeros(3, 4), 'b': torch.ones(5)})


def _read_image(path: Path) -> object:
    from sensor_msgs.msg import CompressedImage

    from sam_common.ros.conversions import compressed_to_rgb

    return compressed_to_rgb(CompressedImage(format='jpeg', data=path.read_bytes()))


def _read_depth(path: Path) -> object:
    from sensor_msgs.msg import CompressedImage

    from sam_common.ros.compressed_depth import depth_from_compressed

    coding = path.suffix.removeprefix('.')
    kind = '32FC1' if int(path.stem) % 8 == 5 else '16UC1'
    message = CompressedImage(format=f'{kind}; compressedDepth {coding}', data=path.read_bytes())
    return depth_from_compressed(message)


def _read_checkpoint(path: Path) -> object:
    from sam_segmentation.models.torch.weights import read_state_dict

    return read_state_dict(path)


def _read_config(path: Path) -> object:
    from sam_segmentation.models.sam2.config import build_model

    return build_model(path)


def _read_video(path: Path) -> object:
    from sam_segmentation.offline.inputs import open_input

    source = open_input(path)
    return [frame.read() for frame in source.frames()]


def _read_prompts(path: Path) -> object:
    from sam_segmentation.offline.prompt_file import read_prompt_file

    return read_prompt_file(path)


def _read_calibration(path: Path) -> object:
    """Make rays of a calibration with nonsense in some fields; the file's name is its seed."""
    from sensor_msgs.msg import CameraInfo

    from sam_common.ros.conversions import camera_from_msg

    rng = np.random.default_rng(int(path.stem))
    message, nonsense = camera_info(), hostile(CameraInfo, rng)
    names = list(message.get_fields_and_field_types())
    for name in rng.permutation(names)[: min(int(path.stem), 3)]:
        setattr(message, name, getattr(nonsense, name))
    return camera_from_msg(message, (320, 240), rectified='auto', topic='/depth').rays_xy


def _attack(
    kind: str, seeds: list[Seed], reader: Reader, count: int, folder: Path
) -> list[Figure]:
    """Have spoilt files read by a process that is begun anew whenever it ends or hangs."""
    folder.mkdir()
    outcomes: Counter[str] = Counter()
    slowest_s = most_mb = 0.0
    index = 0
    fork = multiprocessing.get_context('fork')
    while index < count:
        ours, theirs = fork.Pipe()
        child = fork.Process(target=_read_all, args=(theirs, seeds, reader, index, count, folder))
        child.start()
        theirs.close()
        alive = True
        while alive and index < count:
            begin = time.monotonic()
            outcome = f'no answer in {HANG_S:g} s'
            if alive := ours.poll(HANG_S):
                try:
                    outcome, megabytes = ours.recv()
                    most_mb = max(most_mb, megabytes)
                except EOFError:
                    outcome, alive = 'crash', False
            slowest_s = max(slowest_s, time.monotonic() - begin)
            outcomes[outcome] += 1
            index += 1
        child.kill()
        child.join()
    faults = count - outcomes['read'] - outcomes['refused']
    odd = {name: n for name, n in outcomes.items() if name not in ('read', 'refused')}
    detail = f'{count} files: {outcomes["read"]} read, {outcomes["refused"]} refused; longest '
    detail += f'{slowest_s:.2f} s {odd or ""}'
    return [
        at_most(f'{kind}: crashes, hangs, errors that are not ours', faults, '', 0, detail),
        at_most(f'{kind}: most memory', most_mb, 'MB', MOST_MB, 'of the process that reads'),
    ]


def _read_all(
    pipe: Connection, seeds: list[Seed], reader: Reader, start: int, stop: int, folder: Path
) -> None:
    """Read files that are spoilt by their number; the first ones are whole, and must be read."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # where libpng and FFmpeg complain
    for index in range(start, stop):
        rng = np.random.default_rng((7, index))
        is_whole = index < len(seeds)
        suffix, whole = seeds[index if is_whole else int(rng.integers(len(seeds)))]
        path = folder / f'{index}{suffix}'
        path.write_bytes(whole if is_whole else _spoilt(whole, rng, is_text=suffix == '.yaml'))
        try:
            reader(path)
            outcome = 'read'
        except SamError as error:
            outcome = 'refused' if str(error).strip() else 'an error without a text'
            if is_whole:
                outcome = f'a whole file refused: {error}'[:200]
        except Exception as error:
            outcome = f'{type(error).__name__}: {error}'[:200]
        path.unlink()
        pipe.send((outcome, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3))


def _spoilt(whole: bytes, rng: np.random.Generator, *, is_text: bool) -> bytes:
    """Return a file with a few faults in it."""
    if not whole or rng.random() < 0.02:
        return bytes(rng.integers(0, 256, int(rng.integers(0, 300)), np.uint8))
    data = bytearray(whole)
    for _ in range(int(rng.choice([1, 1, 2, 5, 20]))):
        if is_text and rng.random() < 0.8:
            data = _with_nonsense(data, rng)
            continue
        at = int(rng.integers(len(data) or 1))
        # Most of what decides stands at a file's beginning or end.
        at = min(at, int(rng.choice([64, 512, len(data)])))
        change: Any = rng.integers(6)
        if change == 0:
            data = data[:at]
        elif change == 1:
            data[at : at + 1] = bytes([int(rng.integers(256))])
        elif change == 2:
            data[at : at + 4] = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1])).to_bytes(4, 'little')
        elif change == 3:
            data[at : at + 4] = int(rng.choice([0, 65535, 2**31])).to_bytes(4, 'big')
        elif change == 4:
            del data[at : at + int(rng.integers(1, 64))]
        else:
            data[at:at] = data[at : at + int(rng.integers(1, 4096))]
    return bytes(data)


def _with_nonsense(data: bytearray, rng: np.random.Generator) -> bytearray:
    """Put nonsense in the place of a value, or of a name, in a file of text."""
    lines = data.split(b'\n')
    at = int(rng.integers(len(lines)))
    name, colon, _ = lines[at].partition(b':')
    nonsense = str(rng.choice(NONSENSE)).encode()
    kept = name + colon + b' ' if colon and rng.random() < 0.8 else b''
    lines[at] = kept + nonsense
    return bytearray(b'\n'.join(lines))


if __name__ == '__main__':
    main()
