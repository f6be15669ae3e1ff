# SPDX-License-Identifier: Apache-2.0
"""A recorded video, wherever its frames lie: read forward, or in pieces for reading backward."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from sam_common.types import UInt8Array
from sam_segmentation.offline.errors import BadFrameError, InputError

# What is held at once of a video that can only be decoded forward.
_PIECE_BYTES = 128 * 2**20
_PIECE_FRAMES = 64
# Nine hours at 30 frames a second.
MAX_FRAMES = 1_000_000
# So many frames at the beginning may be damaged; the next one has to tell the size.
MAX_BAD_FIRST = 100


@dataclass(frozen=True)
class VideoFrame:
    """One frame that has not been decoded yet.

    Parameters
    ----------
    index : int
        Counted from 0.
    name : str
        A file's name or a stamp [s]; empty: the input has neither.
    read : callable
        Returns the image, uint8 (H, W, 3) in RGB; raises BadFrameError if it is damaged. To be
        called before the next frame is taken.
    time_s : float or None
        When it was taken, by the input's clock [s]; None: the input does not say.

    """

    index: int
    name: str
    read: Callable[[], UInt8Array]
    time_s: float | None = None


# An image, or why there is none.
Attempt = UInt8Array | BadFrameError


class FrameSource(ABC):
    """A recorded video.

    Attributes
    ----------
    path : path
    count : int
        How many frames there are.
    size_wh : (int, int)
        Width and height of every frame [px].
    fps : float
        Frames per second.
    note : str
        What the user should know of the input; '' if nothing.

    """

    path: Path
    count: int
    size_wh: tuple[int, int]
    fps: float
    note: str = ''

    @abstractmethod
    def frames(self, start: int = 0) -> Iterator[VideoFrame]:
        """Yield the frames in order from this index on; raises InputError or ImageError."""

    def piece(self, start: int, stop: int) -> list[Attempt]:
        """Return the images of some frames in a row, `stop` left out."""
        images = [attempt(frame.read) for frame in islice(self.frames(start), stop - start)]
        if len(images) != stop - start:
            raise self.ended(start + len(images))
        return images

    @property
    def piece_frames(self) -> int:
        """How many frames are decoded at once for reading backward."""
        return piece_frames(self.size_wh)

    @property
    def files(self) -> list[Path]:
        """What the video consists of."""
        return [self.path]

    def reversed(self, first: int, last: int) -> Iterator[VideoFrame]:
        """Yield the frames from `first` down to `last`, holding a bounded number of them."""
        stop = first + 1
        while stop > last:
            start = max(last, stop - self.piece_frames)
            images = self.piece(start, stop)
            while images:
                stop -= 1
                yield VideoFrame(stop, '', partial(_gained, images.pop()))

    def ended(self, index: int) -> InputError:
        """Return the error that the frame of this index is missing."""
        return InputError(
            f'{self.path} ends before frame {index}, though {self.count} frames were counted; '
            'it was changed or is damaged'
        )

    def checked_count(self, count: int) -> int:
        """Return how many frames there are; raises InputError for none and for too many."""
        if not 0 < count <= MAX_FRAMES:
            raise InputError(
                f'{self.path} says that it has {count:,} frames; give a video of 1 to '
                f'{MAX_FRAMES:,}'
            )
        return count

    def checked(self, image_rgb: UInt8Array, where: str) -> UInt8Array:
        """Return the image if it has the size of the others; raises InputError."""
        size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        if size_wh != self.size_wh:
            raise InputError(
                f'{where} is {size_wh[0]} x {size_wh[1]} px, but the first frame is '
                f'{self.size_wh[0]} x {self.size_wh[1]}; give frames of one size'
            )
        return image_rgb


def piece_frames(size_wh: tuple[int, int]) -> int:
    """Return how many RGB frames of this size are held at once [1-64]."""
    return max(1, min(_PIECE_FRAMES, _PIECE_BYTES // (3 * size_wh[0] * size_wh[1])))


def attempt(read: Callable[[], UInt8Array]) -> Attempt:
    """Return the image, or why it cannot be decoded."""
    try:
        return read()
    except BadFrameError as error:
        return error


def _gained(image: Attempt) -> UInt8Array:
    if isinstance(image, BadFrameError):
        raise image
    return image
