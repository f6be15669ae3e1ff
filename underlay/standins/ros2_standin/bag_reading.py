# SPDX-License-Identifier: Apache-2.0
"""Reads a bag ahead of its use, and turns whatever is wrong with it into one kind of error."""

import contextlib
import queue
import threading
from collections.abc import Collection, Iterator

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from ros2_standin.errors import StandinError

Message = tuple[Connection, int, bytes]

# Messages read ahead, so that unpacking one chunk of the file doesn't delay those before it.
_READ_AHEAD = 50


@contextlib.contextmanager
def open_bag(path: str) -> Iterator[Reader]:
    """Open a bag's folder or file.

    Raises
    ------
    StandinError
        If it isn't there, or isn't a bag that can be read.
    """
    with _bag_errors(path):
        reader = Reader(path)
        reader.open()
    try:
        yield reader
    finally:
        reader.close()


def read_ahead(path: str, topics: Collection[str], start_ns: int) -> Iterator[Message]:
    """Return the messages of some topics from a time on, in the bag's order.

    Raises
    ------
    StandinError
        If the bag turns out to be broken.
    """
    messages: queue.Queue[Message | StandinError | None] = queue.Queue(_READ_AHEAD)
    abandoned = threading.Event()

    def put(item: Message | StandinError | None) -> None:
        while not abandoned.is_set():
            with contextlib.suppress(queue.Full):
                messages.put(item, timeout=0.1)
                return

    def read() -> None:
        try:
            # Opened here, as what reads SQLite must stay in one thread.
            with open_bag(path) as reader, _bag_errors(path):
                connections = [c for c in reader.connections if c.topic in topics]
                for message in reader.messages(connections, start=start_ns):
                    put(message)
                    if abandoned.is_set():
                        return
        except StandinError as error:
            put(error)
        put(None)

    thread = threading.Thread(target=read, name='bag reader', daemon=True)
    thread.start()
    try:
        while (item := messages.get()) is not None:
            if isinstance(item, StandinError):
                raise item
            yield item
    finally:
        abandoned.set()
        thread.join()


@contextlib.contextmanager
def _bag_errors(path: str) -> Iterator[None]:
    try:
        yield
    # A broken file makes the library fail in any way: struct.error, KeyError, zstd's, SQLite's.
    except Exception as error:
        raise StandinError(
            f'cannot read the bag {path}: {type(error).__name__}: {error}; it may be damaged, or '
            'its recording may not have been ended properly'
        ) from error
