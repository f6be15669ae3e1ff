# SPDX-License-Identifier: Apache-2.0
"""The images of a ROS 2 bag as a video, read without ROS."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sam_common.errors import ImageError
from sam_common.files import FileError
from sam_common.images import check_colour_format, decode_image, raw_to_rgb
from sam_common.types import UInt8Array
from sam_segmentation.offline.errors import BadFrameError, InputError
from sam_segmentation.offline.frame_source import (
    MAX_BAD_FIRST,
    Attempt,
    FrameSource,
    VideoFrame,
    attempt,
)

SUFFIXES = ('.mcap', '.db3')
METADATA = 'metadata.yaml'
_RAW, _COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_NANOSECONDS = 1_000_000_000
_FPS_RANGE = (1.0, 240.0)
# Of topics, in a message; and the letters of a name there.
_MAX_LISTED, _MAX_NAME = 20, 80


class Bag(FrameSource):
    """The images of one topic of a bag, in the order in which they were recorded.

    Parameters
    ----------
    path : path
        A bag's folder, or an .mcap or .db3 file.
    topic : str
        Of raw or compressed images; empty: the only one with colours.

    Raises
    ------
    InputError
        If the bag cannot be read, or which topic is meant is not clear.

    """

    def __init__(self, path: Path, topic: str = '') -> None:
        self.path = path
        self._reader_type, self._check, self._store = _rosbags()
        self._can_seek = True
        self._times_ns = array('q')
        with self._open() as reader:
            counts = {
                name: int(info.msgcount)
                for name, info in sorted(reader.topics.items())
                if info.msgtype in (_RAW, _COMPRESSED) and info.msgcount
            }
            self.topic = self._choose(reader, topic, counts)
            self.count = self.checked_count(counts[self.topic])
            seconds = reader.duration / _NANOSECONDS
            first = self._first_image(reader, self.topic)
        self.fps = float(np.clip(self.count / seconds if seconds else 0.0, *_FPS_RANGE))
        self.size_wh = (first.shape[1], first.shape[0])

    @property
    def files(self) -> list[Path]:
        """The bag's files."""
        if not self.path.is_dir():
            return [self.path]
        return sorted(file for file in self.path.iterdir() if file.is_file())

    def frames(self, start: int = 0) -> Iterator[VideoFrame]:
        """Yield the images in order."""
        with self._open() as reader:
            index = 0
            for connection, _, data in islice(self._messages(reader, self.topic), self.count):
                if index >= start:
                    yield self._frame(index, connection, data)
                index += 1
            if index < self.count:
                raise self.ended(index)

    def piece(self, start: int, stop: int) -> list[Attempt]:
        """Return the images of some frames in a row, by their times where those rise."""
        with self._open() as reader:
            known = len(self._times_ns)
            for _, time_ns, _ in islice(self._messages(reader, self.topic), known, stop):
                self._times_ns.append(time_ns)
            if len(self._times_ns) < stop:
                raise self.ended(len(self._times_ns))
            if self._can_seek and self._rise(start, stop):
                images = self._between(reader, start, stop)
                if images is not None:
                    return images
                self._can_seek = False
        return super().piece(start, stop)

    def _rise(self, start: int, stop: int) -> bool:
        """Tell whether a span of time holds these messages and no others."""
        times = np.asarray(self._times_ns)
        if (np.diff(times[start:stop]) < 0).any():
            return False
        inside = np.flatnonzero((times >= times[start]) & (times <= times[stop - 1]))
        return np.array_equal(inside, np.arange(start, stop))

    def _between(self, reader: Any, start: int, stop: int) -> list[Attempt] | None:
        """Return the images by their times; None where the reader finds others by these."""
        expected = list(self._times_ns[start:stop])
        span = {'start': expected[0], 'stop': expected[-1] + 1}
        images: list[Attempt] = []
        times_ns: list[int] = []
        for connection, time_ns, data in self._messages(reader, self.topic, **span):
            if len(images) == len(expected):
                return None
            images.append(attempt(self._frame(start + len(images), connection, data).read))
            times_ns.append(time_ns)
        return images if times_ns == expected else None

    def _frame(self, index: int, connection: Any, data: bytes) -> VideoFrame:
        """Return a frame, named by its stamp; reading a damaged one raises its error."""
        try:
            msg = self._message(connection, data)
        except ImageError as error:
            return VideoFrame(index, '', partial(self._read, error, index))
        stamp = msg.header.stamp
        seconds = stamp.sec + stamp.nanosec / _NANOSECONDS
        name = f'{stamp.sec}.{stamp.nanosec:09d}'
        return VideoFrame(index, name, partial(self._read, msg, index), seconds)

    def _read(self, msg: Any, index: int) -> UInt8Array:
        where = f'image {index} on {self.topic} in {self.path}'
        try:
            if isinstance(msg, ImageError):
                raise msg
            image = _decode(msg)
        except ImageError as error:
            raise BadFrameError(f'{where}: {error}') from error
        return self.checked(image, where)

    def _message(self, connection: Any, data: bytes) -> Any:
        """Return a message; raises ImageError if it is damaged."""
        self._check(data)
        try:
            return self._store.deserialize_cdr(data, connection.msgtype)
        except Exception as error:  # whatever bytes make the reader raise
            raise ImageError(
                f'a message of {len(data)} bytes is no {connection.msgtype} '
                f'({type(error).__name__}: {error}); record it anew'
            ) from error

    def _choose(self, reader: Any, topic: str, counts: dict[str, int]) -> str:
        listed = ', '.join(_shown(name) for name in islice(counts, _MAX_LISTED)) or 'none'
        if topic:
            if topic not in counts:
                raise InputError(
                    f'{self.path} has no images on {topic!r}; topics with images: {listed}'
                )
            return topic
        refusals = {name: self._refusal(reader, name) for name in islice(counts, _MAX_LISTED)}
        coloured = [name for name, refusal in refusals.items() if not refusal]
        if len(coloured) != 1:
            reasons = ''.join(f'; {_shown(name)}: {why}' for name, why in refusals.items() if why)
            raise InputError(
                f'{self.path} has {len(coloured)} topics with colour images; give one by --topic; '
                f'topics with images: {listed}{reasons}'
            )
        return coloured[0]

    def _refusal(self, reader: Any, topic: str) -> str:
        """Return why the images of a topic cannot be used; '' if they can."""
        try:
            self._first_image(reader, topic)
        except InputError as error:
            return str(error)
        return ''

    def _first_image(self, reader: Any, topic: str) -> UInt8Array:
        """Return the first image that is not damaged; raises InputError."""
        first: ImageError | None = None
        for connection, _, data in islice(self._messages(reader, topic), MAX_BAD_FIRST):
            try:
                return _decode(self._message(connection, data))
            except ImageError as error:
                first = first or error
        if first is None:
            raise self.ended(0)
        raise InputError(f'image 0 on {topic} in {self.path}: {first}') from first

    def _messages(self, reader: Any, topic: str, **span: int) -> Iterator[tuple[Any, int, bytes]]:
        connections = [one for one in reader.connections if one.topic == topic]
        yield from reader.messages(connections, **span)

    @contextmanager
    def _open(self) -> Iterator[Any]:
        """Open the bag; whatever a damaged one lets the reader raise becomes an InputError."""
        try:
            with self._reader_type(self.path) as reader:
                yield reader
        except InputError:
            raise
        except FileError as error:
            raise InputError(str(error)) from error
        except Exception as error:
            raise InputError(
                f'{self.path} cannot be read as a bag ({type(error).__name__}: {error}); repair '
                'it by `ros2 bag reindex`, or record it anew'
            ) from error


def _decode(msg: Any) -> UInt8Array:
    if hasattr(msg, 'encoding'):
        return raw_to_rgb(msg)
    check_colour_format(msg.format)
    return decode_image(bytes(msg.data), f'the compressed image ({msg.format[:80]!r})')


def _shown(topic: str) -> str:
    return ascii(topic)[1:-1][:_MAX_NAME]


def _rosbags() -> tuple[Any, Any, Any]:
    try:
        from rosbags.typesys import Stores, get_typestore

        from sam_segmentation.offline.bounded_rosbags import BoundedReader, check_message
    except ImportError as error:
        raise InputError(
            'bags are read by rosbags, which is not installed; type: pip install rosbags'
        ) from error
    return BoundedReader, check_message, get_typestore(Stores.ROS2_HUMBLE)
