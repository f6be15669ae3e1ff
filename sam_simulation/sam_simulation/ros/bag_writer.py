# SPDX-License-Identifier: Apache-2.0
"""A ROS 2 bag (MCAP) of messages, written without any DDS."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ament_index_python.packages import get_package_share_directory
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
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from sam_simulation.errors import RecordingError

# What rosbags does not know itself.
FURTHER_PACKAGES = ('vision_msgs', 'sam_interfaces')
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
        self._store = make_typestore()
        self._connections: dict[str, Connection] = {}

    def write(self, topic: str, msg: Any, stamp_ns: int) -> None:
        """Append a message at this time [ns].

        Raises
        ------
        RecordingError
            If it is of a package that the writer does not know.

        """
        if topic not in self._connections:
            self._connections[topic] = self._add(topic, type(msg))
        connection = self._connections[topic]
        # rclpy leaves whatever the memory held in the gaps between fields. Written anew they are
        # zero, so that the same messages always give the same bag.
        data = self._store.deserialize_cdr(serialize_message(msg), connection.msgtype)
        raw = self._store.serialize_cdr(data, connection.msgtype)
        self._writer.write(connection, stamp_ns, raw)

    def _add(self, topic: str, kind: type[Any]) -> Connection:
        package, subfolder = kind.__module__.split('.')[:2]
        name = f'{package}/{subfolder}/{kind.__name__}'
        if name not in self._store.fielddefs:
            raise RecordingError(
                f"cannot record '{topic}': {name} is neither a common ROS 2 message nor one of "
                f'{", ".join(FURTHER_PACKAGES)}; add its package to FURTHER_PACKAGES'
            )
        return self._writer.add_connection(
            topic, name, typestore=self._store, offered_qos_profiles=[OFFERED_QOS]
        )


def make_typestore() -> Typestore:
    """Return a store of the common messages and of FURTHER_PACKAGES, as they are installed."""
    store = get_typestore(Stores.ROS2_HUMBLE)
    for package in FURTHER_PACKAGES:
        for path in sorted(Path(get_package_share_directory(package), 'msg').glob('*.msg')):
            name = f'{package}/msg/{path.stem}'
            store.register(get_types_from_msg(path.read_text(encoding='utf-8'), name))
    return store


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
