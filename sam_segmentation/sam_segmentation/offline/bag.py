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
import numpy.typing as npt

from sam_segmentation.core.decoding import check_colour_format, decode_image, raw_to_rgb
from sam_segmentation.core.errors import ImageError
from sam_segmentation.offline.errors import InputError
from sam_segmentation.offline.frame_source import Frame, FrameSource

SUFFIXES = ('.mcap', '.db3')
METADATA = 'metadata.yaml'
_RAW, _COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_NANOSECONDS = 1_000_000_000
_FPS_RANGE = (1.0, 240.0)


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
        self._reader_type, self._store = _rosbags()
        self._can_seek = True
        self._times_ns = array('q')
        with self._open() as reader:
            counts = {
                name: int(info.msgcount)
                for name, info in sorted(reader.topics.items())
                if info.msgtype in (_RAW, _COMPRESSED) and info.msgcount
            }
            self.topic = self._choose(reader, topic, counts)
            self.count = counts[self.topic]
            seconds = reader.duration / _NANOSECONDS
        self.fps = float(np.clip(self.count / seconds if seconds else 0.0, *_FPS_RANGE))
        first = self._first_image(self.topic)
        self.size_wh = (first.shape[1], first.shape[0])

    @property
    def files(self) -> list[Path]:
        """The bag's files."""
        if not self.path.is_dir():
            return [self.path]
        return sorted(file for file in self.path.iterdir() if file.is_file())

    def frames(self, start: int = 0) -> Iterator[Frame]:
        """Yield the images in order."""
        with self._open() as reader:
            index = 0
            for connection, _, data in islice(self._messages(reader, self.topic), self.count):
                if index >= start:
                    msg = self._store.deserialize_cdr(data, connection.msgtype)
                    stamp = msg.header.stamp
                    name = f'{stamp.sec}.{stamp.nanosec:09d}'
                    yield Frame(index, name, partial(self._read, msg, index))
                index += 1
            if index < self.count:
                raise self.ended(index)

    def piece(self, start: int, stop: int) -> list[npt.NDArray[np.uint8]]:
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

    def _between(self, reader: Any, start: int, stop: int) -> list[npt.NDArray[np.uint8]] | None:
        """Return the images by their times; None where the reader finds others by these."""
        expected = list(self._times_ns[start:stop])
        span = {'start': expected[0], 'stop': expected[-1] + 1}
        images: list[npt.NDArray[np.uint8]] = []
        times_ns: list[int] = []
        for connection, time_ns, data in self._messages(reader, self.topic, **span):
            if len(images) == len(expected):
                return None
            msg = self._store.deserialize_cdr(data, connection.msgtype)
            images.append(self._read(msg, start + len(images)))
            times_ns.append(time_ns)
        return images if times_ns == expected else None

    def _read(self, msg: Any, index: int) -> npt.NDArray[np.uint8]:
        where = f'image {index} on {self.topic} in {self.path}'
        try:
            return self.checked(_decode(msg), where)
        except ImageError as error:
            raise InputError(f'{where}: {error}') from error

    def _choose(self, reader: Any, topic: str, counts: dict[str, int]) -> str:
        listed = ', '.join(counts) or 'none'
        if topic:
            if topic not in counts:
                raise InputError(
                    f'{self.path} has no images on {topic!r}; topics with images: {listed}'
                )
            return topic
        coloured = [name for name in counts if self._has_colours(reader, name)]
        if len(coloured) != 1:
            raise InputError(
                f'{self.path} has {len(coloured)} topics with colour images; give one by --topic; '
                f'topics with images: {listed}'
            )
        return coloured[0]

    def _has_colours(self, reader: Any, topic: str) -> bool:
        for connection, _, data in self._messages(reader, topic):
            try:
                _decode(self._store.deserialize_cdr(data, connection.msgtype))
            except ImageError:
                return False
            return True
        return False

    def _first_image(self, topic: str) -> npt.NDArray[np.uint8]:
        with self._open() as reader:
            for connection, _, data in self._messages(reader, topic):
                msg = self._store.deserialize_cdr(data, connection.msgtype)
                try:
                    return _decode(msg)
                except ImageError as error:
                    raise InputError(f'image 0 on {topic} in {self.path}: {error}') from error
        raise self.ended(0)

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
        except Exception as error:
            raise InputError(
                f'{self.path} cannot be read as a bag ({type(error).__name__}: {error}); repair '
                'it by `ros2 bag reindex`, or record it anew'
            ) from error


def _decode(msg: Any) -> npt.NDArray[np.uint8]:
    if hasattr(msg, 'encoding'):
        return raw_to_rgb(msg)
    check_colour_format(msg.format)
    return decode_image(bytes(msg.data), f'the compressed image ({msg.format[:80]!r})')


def _rosbags() -> tuple[Any, Any]:
    try:
        from rosbags.rosbag2 import Reader
        from rosbags.typesys import Stores, get_typestore
    except ImportError as error:
        raise InputError(
            'bags are read by rosbags, which is not installed; type: pip install rosbags'
        ) from error
    return Reader, get_typestore(Stores.ROS2_HUMBLE)
