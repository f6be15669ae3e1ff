# SPDX-License-Identifier: Apache-2.0
"""A folder of JPEG or PNG files as a video."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sam_segmentation.core.decoding import decode_image
from sam_segmentation.core.errors import ImageError
from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.frame_source import Frame, FrameSource

SUFFIXES = ('.jpg', '.jpeg', '.png')
_FPS = 30.0


class ImageFolder(FrameSource):
    """A folder of images, in the order of their names, numbers in them counted as numbers.

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
        self._files = sorted(
            (
                file
                for file in path.iterdir()
                if file.suffix.lower() in SUFFIXES and not file.name.startswith('.')
            ),
            key=_natural,
        )
        if not self._files:
            raise InputError(f'{path} holds no {", ".join(SUFFIXES)}; give a folder of images')
        self.count, self.fps = len(self._files), _FPS
        height, width = _read(self._files[0]).shape[:2]
        self.size_wh = (width, height)

    @property
    def files(self) -> list[Path]:
        """The images."""
        return self._files

    @property
    def piece_frames(self) -> int:
        """One: files are read in any order."""
        return 1

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the images in order."""
        for index in range(start, self.count):
            file = self._files[index]
            yield Frame(index, file.name, partial(self._read_checked, file))

    def _read_checked(self, file: Path) -> npt.NDArray[np.uint8]:
        return self.checked(_read(file), str(file))


def _read(file: Path) -> npt.NDArray[np.uint8]:
    try:
        return decode_image(file.read_bytes(), str(file))
    except OSError as error:
        raise InputError(f'{file} cannot be read: {error.strerror}') from error
    except ImageError as error:
        raise InputError(str(error)) from error


def _natural(file: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r'([0-9]+)', file.name)
    return [(0, int(part), '') if part.isdecimal() else (1, 0, part) for part in parts]
