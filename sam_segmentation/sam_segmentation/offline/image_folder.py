# SPDX-License-Identifier: Apache-2.0
"""A folder of JPEG or PNG files as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

from sam_common.errors import ImageError
from sam_common.files import FileError, read_file
from sam_common.image_header import MAX_FILE_BYTES
from sam_common.images import decode_image
from sam_common.types import UInt8Array
from sam_segmentation.offline.errors import BadFrameError, InputError
from sam_segmentation.offline.frame_source import MAX_BAD_FIRST, FrameSource, VideoFrame, attempt

SUFFIXES = ('.jpg', '.jpeg', '.png')
_FPS = 30.0
# A time as 1700000000.05, perhaps behind a word.
_NUMBER = re.compile(r'(?P<before>[^0-9.]*)(?P<value>[0-9]+(?:\.[0-9]+)?)')


class ImageFolder(FrameSource):
    """A folder of images, in the order of their names, numbers in them counted as numbers.

    PNGs beside JPEGs of the same names are taken for masks of these.

    Parameters
    ----------
    path : path

    Raises
    ------
    InputError
        If it holds no image, or the first one cannot be decoded.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found = [
            file
            for file in path.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith('.')
        ]
        if not found:
            raise InputError(f'{path} holds no {", ".join(SUFFIXES)}; give a folder of images')
        self._files = _in_order(self._frames_among(found))
        self.count, self.fps = self.checked_count(len(self._files)), _FPS
        self.size_wh = self._find_size()

    def _find_size(self) -> tuple[int, int]:
        tried = [attempt(partial(_read, file)) for file in self._files[:1]]
        while isinstance(tried[-1], BadFrameError):
            if len(tried) == min(MAX_BAD_FIRST, self.count):
                raise next(one for one in tried if isinstance(one, BadFrameError))
            tried.append(attempt(partial(_read, self._files[len(tried)])))
        height, width = tried[-1].shape[:2]
        return width, height

    def _frames_among(self, found: Sequence[Path]) -> list[Path]:
        """Leave out the masks: PNGs of which each lies beside a JPEG of its name."""
        by_stem: dict[str, list[Path]] = {}
        for file in found:
            by_stem.setdefault(file.stem, []).append(file)
        twins = [files for files in by_stem.values() if len(files) > 1]
        if not twins:
            return list(found)
        jpegs = [file for file in found if file.suffix.lower() != '.png']
        pngs = {file.stem for file in found if file.suffix.lower() == '.png'}
        if len({file.stem for file in jpegs}) != len(jpegs) or not pngs <= {j.stem for j in jpegs}:
            names = ' and '.join(sorted(file.name for file in twins[0])[:2])
            raise InputError(
                f'{self.path} holds both {names}; leave only the frames in the folder'
            )
        self.note = (
            f'{self.path} holds {len(pngs)} PNGs, each beside a JPEG of its name; the JPEGs are '
            'the frames'
        )
        return jpegs

    @property
    def files(self) -> list[Path]:
        """The images."""
        return self._files

    @property
    def piece_frames(self) -> int:
        """One: files are read in any order."""
        return 1

    def frames(self, start: int = 0) -> Iterator[VideoFrame]:
        """Yield the images in order."""
        for index in range(start, self.count):
            file = self._files[index]
            yield VideoFrame(index, file.name, partial(self._read_checked, file))

    def _read_checked(self, file: Path) -> UInt8Array:
        return self.checked(_read(file), str(file))


def _read(file: Path) -> UInt8Array:
    try:
        return decode_image(read_file(file, max_bytes=MAX_FILE_BYTES), str(file))
    except (FileError, ImageError) as error:
        raise BadFrameError(str(error)) from error


def _in_order(files: Sequence[Path]) -> list[Path]:
    """Sort by value where all names are numbers, else with the whole numbers in them as such."""
    numbers = [_NUMBER.fullmatch(file.stem) for file in files]
    if all(numbers) and len({number['before'] for number in numbers if number}) == 1:
        values = {file: Decimal(n['value']) for file, n in zip(files, numbers, strict=True) if n}
        return sorted(files, key=lambda file: (values[file], file.name))
    return sorted(files, key=_natural)


def _natural(file: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r'([0-9]+)', file.name)
    # What stands between the brackets is every second one.
    return [(0, int(part), '') if i % 2 else (1, 0, part) for i, part in enumerate(parts)]
