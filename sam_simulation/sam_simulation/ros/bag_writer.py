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
from rosbags.typesys.store import Typestore

from sam_simulation.errors import RecordingError
from sam_simulation.ros.message_definition import make_typestore, message_definition

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
        self._topics: dict[str, tuple[Connection, Typestore]] = {}

    def write(self, topic: str, msg: Any, stamp_ns: int) -> None:
        """Append a message at this time [ns]."""
        if topic not in self._topics:
            self._topics[topic] = self._add(topic, type(msg))
        connection, store = self._topics[topic]
        # rclpy leaves whatever the memory held in the gaps between fields. Written anew they are
        # zero, so that the same messages always give the same bag.
        data = store.deserialize_cdr(serialize_message(msg), connection.msgtype)
        self._writer.write(connection, stamp_ns, store.serialize_cdr(data, connection.msgtype))

    def _add(self, topic: str, kind: type[Any]) -> tuple[Connection, Typestore]:
        package, subfolder = kind.__module__.split('.')[:2]
        name = f'{package}/{subfolder}/{kind.__name__}'
        definition = message_definition(name)
        store = make_typestore(name, definition)
        connection = self._writer.add_connection(
            topic,
            name,
            msgdef=definition,
            rihs01=store.hash_rihs01(name),
            offered_qos_profiles=[OFFERED_QOS],
        )
        return connection, store


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
        # Version 8 of the metadata is read by Humble and by Jazzy; 9 is not by Humble.
        writer = Writer(workshop / path.name, version=8, storage_plugin=StoragePlugin.MCAP)
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
