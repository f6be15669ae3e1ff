# SPDX-License-Identifier: Apache-2.0
"""The reader of rosbags, with bounds on what a bag may unpack to, and on what it may compute.

By itself the reader unpacks whatever a chunk holds, opens whatever lies in a bag's folder, and
lets SQLite evaluate whatever a database defines. Imported only where rosbags is installed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import zstandard
from rosbags.rosbag2 import Reader
from rosbags.rosbag2 import reader as folder_reading
from rosbags.rosbag2 import storage_mcap as mcap_reading
from rosbags.rosbag2.reader import DirectoryReader
from rosbags.rosbag2.storage_mcap import McapReader
from rosbags.rosbag2.storage_sqlite3 import Sqlite3Reader

from sam_common.files import check_ordinary
from sam_segmentation.offline.errors import InputError

# A chunk holds one message at least, and an image of 100 million pixels has 300 MB.
MAX_CHUNK_BYTES = MAX_MESSAGE_BYTES = 512 * 2**20
# Chunks whose times overlap are held at once.
MAX_OPEN_BYTES = 2**30
MAX_UNPACKED_FILE_BYTES = 64 * 2**30
MAX_METADATA_BYTES = 4 * 2**20
MAX_DEFINITION_BYTES = 2**20
_LZ4_RATIO = 255
_COPY_BYTES = 2**20

try:
    from lz4.frame import LZ4FrameDecompressor
except ImportError:
    LZ4FrameDecompressor = None
_plain_lz4 = mcap_reading.DECOMPRESSORS['lz4']


class _BoundedMcap(McapReader):
    def open(self) -> None:
        check_ordinary(self.path)
        super().open()
        open_bytes = _most_at_once(self.chunks)
        if open_bytes > MAX_OPEN_BYTES:
            raise InputError(
                f'{self.path} has chunks of {open_bytes:,} bytes whose times overlap; at most '
                f'{MAX_OPEN_BYTES:,} are held at once: record it anew in smaller chunks'
            )


class _BoundedSqlite(Sqlite3Reader):
    def open(self) -> None:
        check_ordinary(self.path)
        _check_database(self.path)
        super().open()


class _BoundedFolder(DirectoryReader):
    STORAGE_PLUGINS = {  # noqa: RUF012  (it is none in the base class either)
        'mcap': _BoundedMcap,
        'sqlite3': _BoundedSqlite,
    }

    def open(self) -> None:
        for entry in self.path.iterdir():
            if not entry.is_dir():
                check_ordinary(entry)
        size = check_ordinary(self.path / 'metadata.yaml')
        if size > MAX_METADATA_BYTES:
            raise InputError(
                f'{self.path}/metadata.yaml has {size:,} bytes; at most {MAX_METADATA_BYTES:,} '
                'are accepted: write it anew by `ros2 bag reindex`'
            )
        super().open()


class BoundedReader(Reader):
    """As the reader of rosbags; `check_message` tells whether a message is too large."""

    STORAGE_PLUGINS = {  # noqa: RUF012  (it is none in the base class either)
        'dir': _BoundedFolder,
        '.mcap': _BoundedMcap,
        '.db3': _BoundedSqlite,
    }


def check_message(data: bytes) -> None:
    """Raise InputError for a message that is larger than any image."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise InputError(
            f'a message has {len(data):,} bytes; at most {MAX_MESSAGE_BYTES:,} are accepted'
        )


def _most_at_once(chunks: Sequence[Any]) -> int:
    """Return how many bytes the chunks have that hold any one moment, at most."""
    edges = []
    for chunk in chunks:
        edges.append((chunk.message_start_time, 0, chunk.uncompressed_size))
        edges.append((chunk.message_end_time, 1, -chunk.uncompressed_size))
    most = held = 0
    for _, _, change in sorted(edges):
        held += change
        most = max(most, held)
    return most


def _check_database(path: Path) -> None:
    """Refuse what a recorder never writes: views and the like would run on reading."""
    # By the same words as rosbags, so that both see the same file.
    database = sqlite3.connect(f'file:{path}?immutable=1', uri=True)
    try:
        rows = database.execute('SELECT type, name, sql FROM sqlite_master').fetchmany(1000)
        for kind, name, sql in rows:
            words = str(sql or '').upper()
            computes = 'VIRTUAL' in words or ' AS ' in ' '.join(words.replace('(', ' (').split())
            if kind not in ('table', 'index') or computes:
                raise InputError(
                    f'{path} holds the {kind} {str(name)[:80]!r} that computes something; a bag '
                    'holds plain tables only'
                )
        if any(name == 'message_definitions' for _, name, _ in rows):
            query = 'SELECT SUM(LENGTH(encoded_message_definition)) FROM message_definitions'
            size = database.execute(query).fetchone()[0] or 0
            if size > MAX_DEFINITION_BYTES:
                raise InputError(
                    f'{path} has message definitions of {size:,} bytes; at most '
                    f'{MAX_DEFINITION_BYTES:,} are accepted'
                )
    finally:
        database.close()


def _unpack_zstd(data: bytes, size: int) -> bytes:
    _check_stated(size)
    return _of_size(zstandard.ZstdDecompressor().stream_reader(data).read(size + 1), size)


def _unpack_lz4(data: bytes, size: int) -> bytes:
    _check_stated(size)
    if LZ4FrameDecompressor is not None:
        return _of_size(LZ4FrameDecompressor().decompress(data, max_length=size + 1), size)
    if len(data) * _LZ4_RATIO > 4 * MAX_CHUNK_BYTES:
        raise InputError(
            f'a chunk of {len(data):,} bytes in lz4 may unpack to {_LZ4_RATIO} times as many; '
            'install lz4, which can be bounded, or record in zstd'
        )
    return _of_size(_plain_lz4(data, size), size)


def _check_stated(size: int) -> None:
    if size > MAX_CHUNK_BYTES:
        raise InputError(
            f'a chunk unpacks to {size:,} bytes; at most {MAX_CHUNK_BYTES:,} are accepted: '
            'record in smaller chunks'
        )


def _of_size(data: bytes, size: int) -> bytes:
    if len(data) != size:
        found = 'more' if len(data) > size else f'{len(data):,}'
        raise InputError(f'a chunk says that it unpacks to {size:,} bytes, but it has {found}')
    return data


class _ZstdDecompressor:
    """What rosbags uses of zstandard for bags that are compressed by file or by message."""

    def decompress(self, data: bytes) -> bytes:
        stream = zstandard.ZstdDecompressor().stream_reader(data)
        message: bytes = stream.read(MAX_MESSAGE_BYTES + 1)
        check_message(message)
        return message

    def copy_stream(self, source: IO[bytes], target: IO[bytes]) -> None:
        stream = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
        copied = 0
        while piece := stream.read(_COPY_BYTES):
            copied += len(piece)
            if copied > MAX_UNPACKED_FILE_BYTES:
                raise InputError(
                    f'a file of the bag unpacks to more than {MAX_UNPACKED_FILE_BYTES:,} bytes; '
                    'unpack it by `ros2 bag convert`'
                )
            target.write(piece)


class _Zstandard:
    ZstdDecompressor = _ZstdDecompressor


mcap_reading.DECOMPRESSORS |= {'zstd': _unpack_zstd, 'lz4': _unpack_lz4}
setattr(folder_reading, 'zstandard', _Zstandard)  # noqa: B010  (mypy knows a module there)
