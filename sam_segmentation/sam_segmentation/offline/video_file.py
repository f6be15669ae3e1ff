# SPDX-License-Identifier: Apache-2.0
"""A video file, as OpenCV decodes it."""

from __future__ import annotations

import re
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from sam_common.files import FileError, check_ordinary
from sam_common.types import UInt8Array
from sam_segmentation.offline.errors import BadFrameError, InputError
from sam_segmentation.offline.frame_source import (
    MAX_FRAMES,
    Attempt,
    FrameSource,
    VideoFrame,
    attempt,
)

_FPS_RANGE = (1.0, 240.0)
_USUAL_FPS = 30.0
_START_BYTES = 1024
# How files begin that hold their frames: playlists and scripts, which name other files, do not.
_CONTAINERS = [
    re.compile(start, re.DOTALL)
    for start in (
        rb'....(ftyp|moov|mdat|wide|free|skip|pnot)',  # MP4, MOV, 3GP
        rb'\x1a\x45\xdf\xa3',  # MKV, WebM
        rb'RIFF....AVI ',
        rb'\x00\x00\x01[\xb3\xba]',  # MPEG
        rb'(?:....)?\x47.{187}\x47',  # MPEG-TS, also with time codes of 4 bytes
        rb'(?:....)?\x47.{191}\x47',
        rb'OggS',
        rb'FLV\x01',
        rb'\x30\x26\xb2\x75\x8e\x66\xcf\x11',  # ASF, WMV
    )
]


class VideoFile(FrameSource):
    """A video file. Opening one decodes it once: what a file says of its length is a guess.

    Parameters
    ----------
    path : path

    Raises
    ------
    InputError
        If no frame can be decoded.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._open() as capture:
            first = capture.read()[1]
            if first is None:
                raise InputError(f'{path} holds no frame that can be decoded; give a whole video')
            self.size_wh = (first.shape[1], first.shape[0])
            promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            fps = capture.get(cv2.CAP_PROP_FPS)
            self.fps = fps if _FPS_RANGE[0] <= fps <= _FPS_RANGE[1] else _USUAL_FPS
            count = 1
            while count <= MAX_FRAMES and capture.grab():
                count += 1
            self.count = self.checked_count(count)
        if self.count < promised:
            self.note = (
                f'{path} says that it has {promised} frames, but only {self.count} can be decoded'
            )
        # Checksums of the frames, four bytes each, filled when pieces are read.
        self._checksums = array('I')
        self._can_seek = True

    def frames(self, start: int = 0) -> Iterator[VideoFrame]:
        """Yield the frames in order."""
        with self._open() as capture:
            for index in range(self.count):
                if not capture.grab():
                    raise self.ended(index)
                if index >= start:
                    time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    yield VideoFrame(index, '', partial(self._retrieve, capture, index), time_s)

    def piece(self, start: int, stop: int) -> list[Attempt]:
        """Return the images of some frames in a row, by seeking where that finds the right ones.

        Where a file's index is wrong (and it never says so), the checksums tell, and from then on
        the file is read from its beginning for each piece.
        """
        for frame in self.frames(len(self._checksums)):
            if frame.index >= stop:
                break
            self._checksums.append(_checksum(attempt(frame.read)))
        if self._can_seek:
            images = self._sought(start, stop)
            if self._are_right(images, start, stop):
                return images
            self._can_seek = False
        images = super().piece(start, stop)
        if not self._are_right(images, start, stop):
            raise InputError(
                f'{self.path} gives other images each time that frames {start} to {stop - 1} are '
                'decoded; convert it to another format'
            )
        return images

    def _sought(self, start: int, stop: int) -> list[Attempt]:
        with self._open() as capture:
            capture.set(cv2.CAP_PROP_POS_FRAMES, start)
            images: list[Attempt] = []
            while len(images) < stop - start and capture.grab():
                read = partial(self._retrieve, capture, start + len(images))
                images.append(attempt(read))
            return images

    def _are_right(self, images: list[Attempt], start: int, stop: int) -> bool:
        return [_checksum(image) for image in images] == list(self._checksums[start:stop])

    def _retrieve(self, capture: Any, index: int) -> UInt8Array:
        image_bgr = capture.retrieve()[1]
        if image_bgr is None:
            raise BadFrameError(
                f'frame {index} of {self.path} cannot be decoded; convert the video'
            )
        image: UInt8Array = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
        return self.checked(image, f'frame {index} of {self.path}')

    @contextmanager
    def _open(self) -> Iterator[Any]:
        check_container(self.path)
        # The whole path, which no protocol of FFmpeg begins like; and FFmpeg alone, since
        # OpenCV's other readers take a name for a pattern of names.
        capture = cv2.VideoCapture(str(self.path.absolute()), cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                raise InputError(
                    f'{self.path} is no video that OpenCV can read; give a video file, a folder '
                    'of JPEGs or PNGs, or a bag'
                )
            # Upright, as a player shows it; what is the default depends on the release.
            capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
            yield capture
        finally:
            capture.release()


def check_container(path: Path) -> None:
    """Raise InputError for what holds no frames itself: FFmpeg follows playlists anywhere."""
    try:
        check_ordinary(path)
        with path.open('rb') as stream:
            start = stream.read(_START_BYTES)
    except FileError as error:
        raise InputError(str(error)) from error
    if not any(pattern.match(start) for pattern in _CONTAINERS):
        raise InputError(
            f'{path} is no video file: it begins with {start[:8]!r}; give MP4, MOV, MKV, WebM, '
            'AVI, MPEG, Ogg, FLV or ASF, a folder of JPEGs or PNGs, or a bag'
        )


def _checksum(image: Attempt) -> int:
    return 0 if isinstance(image, BadFrameError) else zlib.crc32(image.data)
