# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 bag (MCAP) of messages, written without any DDS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rclpy.serialization import serialize_message
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

from sam_simulation.core.errors import RecordingError
from sam_simulation.ros.message_definition import message_definition, type_hash

# Reliable, since that suits subscribers of either kind.
OFFERED_QOS = Qos(
    QosHistory.KEEP_LAST,
    5,
    QosReliability.RELIABLE,
    QosDurability.VOLATILE,
    QosTime(0, 0),
    QosTime(0, 0),
    QosLiveliness.AUTOMATIC,
    QosTime(0, 0),
    False,
)


class BagWriter:
    """Writes messages into an open bag; a topic takes the type of its first message."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._connections: dict[str, Connection] = {}

    def write(self, topic: str, msg: Any, stamp_ns: int) -> None:
        """Append a message at this time [ns]."""
        if topic not in self._connections:
            package, kind, _ = type(msg).__module__.split('.')[:3]
            name = f'{package}/{kind}/{type(msg).__name__}'
            definition = message_definition(name)
            self._connections[topic] = self._writer.add_connection(
                topic,
                name,
                msgdef=definition,
                rihs01=type_hash(name, definition),
                offered_qos_profiles=[OFFERED_QOS],
            )
        self._writer.write(self._connections[topic], stamp_ns, serialize_message(msg))


@contextmanager
def open_bag(path: Path, *, overwrite: bool, custom_data: dict[str, str]) -> Iterator[BagWriter]:
    """Yield a writer; the bag appears under `path` only when all went well.

    Parameters
    ----------
    path : Path
        The bag's folder.
    overwrite : bool
        Whether what is there is replaced.
    custom_data : dict of str
        Kept in the bag's metadata.

    Raises
    ------
    RecordingError
        If something is there already, or the folder cannot be written.

    """
    path = path.absolute()
    if path.exists() and not overwrite:
        raise RecordingError(f'{path} exists already; choose another name, or give --force')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        workshop = Path(tempfile.mkdtemp(prefix=f'.{path.name}.', dir=path.parent))
    except OSError as error:
        raise RecordingError(f'cannot write into {path.parent}: {error}') from error
    try:
        # Under its final name, which the file inside is named after.
        writer = Writer(workshop / path.name, version=9, storage_plugin=StoragePlugin.MCAP)
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        for key, value in custom_data.items():
            writer.set_custom_data(key, value)
        with writer:
            yield BagWriter(writer)
        if path.exists():
            path.rename(workshop / 'replaced')
        (workshop / path.name).rename(path)
    finally:
        shutil.rmtree(workshop)
