# SPDX-License-Identifier: Apache-2.0
"""A video file, as OpenCV decodes it."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.frame_source import Frame, FrameSource

_FPS_RANGE = (1.0, 240.0)
_USUAL_FPS = 30.0


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
            self.count = 1
            while capture.grab():
                self.count += 1
        if self.count < promised:
            self.note = (
                f'{path} says that it has {promised} frames, but only {self.count} can be decoded'
            )
        # Checksums of the frames, four bytes each, filled when pieces are read.
        self._checksums = array('I')
        self._can_seek = True

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames in order."""
        with self._open() as capture:
            for index in range(self.count):
                if not capture.grab():
                    raise self.ended(index)
                if index >= start:
                    yield Frame(index, '', partial(self._retrieve, capture, index))

    def piece(self, start: int, stop: int) -> list[npt.NDArray[np.uint8]]:
        """Return the images of some frames in a row, by seeking where that finds the right ones.

        Where a file's index is wrong (and it never says so), the checksums tell, and from then on
        the file is read from its beginning for each piece.
        """
        for frame in self.frames(len(self._checksums)):
            if frame.index >= stop:
                break
            self._checksums.append(zlib.crc32(frame.read().data))
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

    def _sought(self, start: int, stop: int) -> list[npt.NDArray[np.uint8]]:
        with self._open() as capture:
            capture.set(cv2.CAP_PROP_POS_FRAMES, start)
            images: list[npt.NDArray[np.uint8]] = []
            while len(images) < stop - start and capture.grab():
                images.append(self._retrieve(capture, start + len(images)))
            return images

    def _are_right(self, images: list[npt.NDArray[np.uint8]], start: int, stop: int) -> bool:
        return [zlib.crc32(image.data) for image in images] == list(self._checksums[start:stop])

    def _retrieve(self, capture: Any, index: int) -> npt.NDArray[np.uint8]:
        image_bgr = capture.retrieve()[1]
        if image_bgr is None:
            raise InputError(f'frame {index} of {self.path} cannot be decoded; convert the video')
        image: npt.NDArray[np.uint8] = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
        return self.checked(image, f'frame {index} of {self.path}')

    @contextmanager
    def _open(self) -> Iterator[Any]:
        capture = cv2.VideoCapture(str(self.path))
        try:
            if not capture.isOpened():
                raise InputError(
                    f'{self.path} is no video that OpenCV can read; give a video file, a folder '
                    'of JPEGs or PNGs, or a bag'
                )
            yield capture
        finally:
            capture.release()
