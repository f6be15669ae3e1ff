# SPDX-License-Identifier: Apache-2.0
"""`ros2 run sam_segmentation track_video INPUT`: follow objects through a recorded video."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import cv2
from tqdm import tqdm

from sam_common.errors import SamError
from sam_segmentation.core.overlay import MAX_DRAWN, printable
from sam_segmentation.core.prompt import MAX_REFINE_ROUNDS
from sam_segmentation.core.tracked_mask import ObjectState
from sam_segmentation.core.tracker_options import FIFO, MEMORY_POLICIES
from sam_segmentation.models.registry import DEFAULT_MODEL, model_names
from sam_segmentation.offline.composing import COCO, PNG, RLE
from sam_segmentation.offline.passes import BOTH, DIRECTIONS
from sam_segmentation.offline.run import SKIP, STOP, Settings, Summary, run

_INTERRUPTED = 130
_MAX_SNAPSHOT_EVERY = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    settings = _parse(arguments)
    # Their complaints about a damaged video would hide the one line that says what to do.
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    cv2.setLogLevel(0)
    begin = time.monotonic()
    try:
        summary = run(settings, _bar)
    except SamError as error:
        print(f'track_video: {error}', file=sys.stderr)
        return 1
    except OSError as error:
        where = error.filename or settings.output
        print(
            f'track_video: {where}: {error.strerror or error}; mend that and type the command '
            'again, it goes on from here',
            file=sys.stderr,
        )
        return 1
    except KeyboardInterrupt:
        print('\ntrack_video: stopped; type the command again to go on', file=sys.stderr)
        return _INTERRUPTED
    _report(summary, settings, time.monotonic() - begin)
    return 0


def _parse(arguments: Sequence[str] | None) -> Settings:
    parser = argparse.ArgumentParser(
        prog='ros2 run sam_segmentation track_video',
        description='Follow objects through a video file, a folder of images, or a bag.',
        epilog='An interrupted run goes on where it broke off when the command is repeated; with '
        'an edited prompt file only what the change affects is tracked anew.',
    )
    parser.add_argument('source', type=Path, metavar='INPUT')
    parser.add_argument(
        '--prompts', type=Path, required=True, metavar='FILE', help='YAML or JSON; see the README'
    )
    parser.add_argument(
        '--output', type=Path, metavar='DIR', help='default: INPUT_tracks in this folder'
    )
    parser.add_argument('--model', default=DEFAULT_MODEL, help=f'{", ".join(model_names())}')
    parser.add_argument('--checkpoint', type=Path, metavar='FILE', help="the model's weights")
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda, cuda:1')
    parser.add_argument('--memory', default=FIFO, choices=MEMORY_POLICIES)
    parser.add_argument(
        '--refine-rounds', type=int, default=0, choices=range(MAX_REFINE_ROUNDS + 1)
    )
    parser.add_argument('--topic', default='', help="of a bag's images, raw or compressed")
    parser.add_argument('--direction', default=BOTH, choices=DIRECTIONS)
    parser.add_argument('--masks', default=PNG, choices=(PNG, RLE, COCO))
    parser.add_argument('--no-overlay', dest='overlay', action='store_false')
    parser.add_argument(
        '--on-bad-frame',
        default=SKIP,
        choices=(SKIP, STOP),
        help='what happens at a frame that cannot be decoded (default: %(default)s)',
    )
    parser.add_argument(
        '--force', action='store_true', help="delete another run's results in the output folder"
    )
    parser.add_argument(
        '--snapshot-every',
        type=_frames,
        default=50,
        metavar='FRAMES',
        help='what an interruption costs at most (default: %(default)s)',
    )
    options = vars(parser.parse_args(arguments))
    name = options['source'].resolve().stem or 'video'
    options['output'] = options['output'] or Path(f'{name}_tracks')
    return Settings(**options)


def _frames(text: str) -> int:
    value = int(text)
    if not 1 <= value <= _MAX_SNAPSHOT_EVERY:
        raise argparse.ArgumentTypeError(f'{value} is not 1 to {_MAX_SNAPSHOT_EVERY}')
    return value


@contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], object]]:
    with tqdm(total=total, desc=what, unit='frame', disable=None) as bar:
        yield bar.update


def _report(summary: Summary, settings: Settings, seconds: float) -> None:
    for object_id, states in summary.states.items():
        name = f'{object_id} {printable(summary.labels[object_id], MAX_DRAWN)}'.strip()
        counts = ', '.join(
            f'{states[state]} {state.name.lower()}' for state in ObjectState if states[state]
        )
        print(f'object {name}: {counts or "in no frame"}')
    if summary.note:
        print(f'note: {summary.note}', file=sys.stderr)
    print(
        f'{summary.frames} frames; tracked {summary.tracked}, '
        f'{summary.reused} were there already; {seconds:.1f} s; {settings.output}'
    )


if __name__ == '__main__':
    sys.exit(main())
