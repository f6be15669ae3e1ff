# SPDX-License-Identifier: Apache-2.0
"""Writes a simulated sequence as a ROS 2 bag: compressed colour and depth, with ground truth."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from sam_common.errors import SamError
from sam_simulation.camera.renderer import MAX_SIDE, MIN_SIDE, Renderer
from sam_simulation.ros import conversions as convert
from sam_simulation.ros.bag_writer import open_bag
from sam_simulation.scene.tabletop import DEFAULT_SEED, MAX_OBJECTS
from sam_simulation.video.showing import still_life, there_and_back
from sam_simulation.video.video import Video

# Fixed, so that the same arguments give the same bag.
START_NS = 1_750_000_000 * convert.NANOSECONDS
STILL_S = 5.0
COLOR, DEPTH = '/camera/color', '/camera/aligned_depth_to_color'


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and record."""
    options = _parse(arguments)
    try:
        record(options)
    except SamError as error:
        sys.exit(f'record: {error}')


def record(options: argparse.Namespace) -> None:
    """Write the bag that the options ask for; raises RecordingError or RenderingError."""
    if options.video:
        video = Video(options.seed)
        showing, seconds = there_and_back(video), options.seconds or video.duration_s
    else:
        showing = still_life(options.seed, object_count=options.object_count)
        seconds = options.seconds or STILL_S
    scene = showing.scene
    count = max(1, round(seconds * options.rate))
    custom_data = {'made_by': 'sam_simulation record', 'seed': str(options.seed)}
    with (
        open_bag(options.output, overwrite=options.force, custom_data=custom_data) as bag,
        Renderer(scene, (options.width, options.height)) as renderer,
    ):
        for index in tqdm(range(count), unit='frame', disable=options.quiet):
            time_s = index / options.rate
            frame = renderer.render(
                showing.camera(time_s), time_s=time_s, motions=showing.motions(time_s)
            )
            stamp_ns = START_NS + round(time_s * convert.NANOSECONDS)
            header = convert.make_header(stamp_ns)
            info = convert.camera_info_to_msg(frame, header)
            color = convert.color_to_compressed(frame, header, jpeg_quality=options.jpeg_quality)
            depth = convert.depth_to_compressed(frame, header, png_level=9)
            for topic, msg in (
                (f'{COLOR}/camera_info', info),
                (f'{DEPTH}/camera_info', info),
                ('/camera/ground_truth', convert.truth_to_msg(scene, frame, header)),
                (f'{DEPTH}/image_raw/compressedDepth', depth),
                (f'{COLOR}/image_raw/compressed', color),
            ):
                bag.write(topic, msg, stamp_ns)
    names = ', '.join(item.class_name for item in scene.objects)
    print(f'{options.output}: {count} frames of {names}')


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='record', description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    side = _within(int, MIN_SIDE, MAX_SIDE)
    parser.add_argument('output', type=Path, help="the bag's folder")
    parser.add_argument(
        '--seed', type=_within(int, 0, 2**31 - 1), default=DEFAULT_SEED, help='which scene'
    )
    parser.add_argument(
        '--video',
        action='store_true',
        help='show the video of this seed, in which things move; there and back if it is longer',
    )
    parser.add_argument(
        '--seconds',
        type=_within(float, 0.01, 3600),
        help=f'length; unset: {STILL_S:g}, or the whole video',
    )
    parser.add_argument('--rate', type=_within(float, 0.1, 120), default=10.0, help='frames per s')
    parser.add_argument('--width', type=side, default=640, help='of the images [px]')
    parser.add_argument('--height', type=side, default=480, help='of the images [px]')
    parser.add_argument(
        '--object-count', type=_within(int, 1, MAX_OBJECTS), help='unset: as the seed has it'
    )
    parser.add_argument('--jpeg-quality', type=_within(int, 1, 100), default=85, help='of colour')
    parser.add_argument('--force', action='store_true', help='replace what is there')
    parser.add_argument('--quiet', action='store_true', help='show no progress')
    options = parser.parse_args(arguments)
    if options.video and options.object_count:
        parser.error('--object-count does not go with --video: the seed decides; leave one out')
    return options


class _within:  # noqa: N801  (argparse shows the name of what it calls)
    """Reads a number of a kind and range."""

    def __init__(self, kind: type[int] | type[float], low: float, high: float) -> None:
        self._kind, self._low, self._high = kind, low, high

    def __call__(self, text: str) -> float:
        try:
            value = self._kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f'{text!r} is not a number') from error
        if not self._low <= value <= self._high:
            raise argparse.ArgumentTypeError(
                f'{text} is out of range; give {self._low:g} to {self._high:g}'
            )
        return value
