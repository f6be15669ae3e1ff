# SPDX-License-Identifier: Apache-2.0
"""The zip archive that torch.save writes, read without unpacking anything."""

from __future__ import annotations

import os
import struct
import sys
import zipfile
from dataclasses import dataclass
from typing import BinaryIO

from sam_segmentation.core.errors import CheckpointError

MAX_DIRECTORY_BYTES = 4_000_000
MAX_PICKLE_BYTES = 16_000_000
_END = struct.Struct('<4s4H2LH')
_LOCATOR = struct.Struct('<4sLQL')
_END64 = struct.Struct('<4sQ2H2L4Q')
_LOCAL = struct.Struct('<4s5H3L2H')
_FETCH = 'fetch it again'


@dataclass(frozen=True)
class Archive:
    """Where the parts of a checkpoint lie in its file.

    Parameters
    ----------
    pickle : (int, int)
        First byte and length of the pickle that describes the tensors.
    storages : dict of str to (int, int)
        The same of the values of tensors, by key.

    """

    pickle: tuple[int, int]
    storages: dict[str, tuple[int, int]]


def read_archive(stream: BinaryIO) -> Archive:
    """Find the parts of a checkpoint.

    Raises
    ------
    CheckpointError
        If it is damaged, compressed (a small file could unpack to any size), or no checkpoint.

    """
    size = os.fstat(stream.fileno()).st_size
    _check_directory(stream, size)
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = {entry.filename: entry for entry in archive.infolist()}
    except (
        zipfile.BadZipFile,
        struct.error,
        ValueError,
        LookupError,
        NotImplementedError,
        EOFError,
    ) as error:
        raise CheckpointError(f'is damaged ({error}); {_FETCH}') from error
    described = [name for name in entries if name.endswith('/data.pkl')]
    if len(described) != 1:
        raise CheckpointError(
            'is a zip archive but not a checkpoint as torch.save writes it: it has '
            f'{len(described)} files named data.pkl; give the file that torch.save wrote'
        )
    root = described[0].removesuffix('data.pkl')
    order = entries.get(f'{root}byteorder')
    if order is not None and _read(stream, _span(stream, order, size), 16) != (
        sys.byteorder.encode()
    ):
        raise CheckpointError('was saved on a machine of another byte order; save it on this one')
    pickle = _span(stream, entries[described[0]], size)
    if pickle[1] > MAX_PICKLE_BYTES:
        raise CheckpointError(
            f'describes its tensors by {pickle[1]:,} bytes; at most {MAX_PICKLE_BYTES:,} are '
            'accepted; save its state dict alone'
        )
    prefix = f'{root}data/'
    storages = {
        name.removeprefix(prefix): _span(stream, entry, size)
        for name, entry in entries.items()
        if name.startswith(prefix)
    }
    return Archive(pickle, storages)


def _check_directory(stream: BinaryIO, size: int) -> None:
    """Bound the list of files before it is read; torch.save writes nothing behind it."""
    tail = _END64.size + _LOCATOR.size + _END.size
    stream.seek(max(0, size - tail))
    data = stream.read(tail).rjust(tail, b'\0')
    end = _END.unpack_from(data, tail - _END.size)
    if end[0] != b'PK\5\6' or end[7] != 0:
        raise CheckpointError(f'is truncated; {_FETCH}')
    length = end[5]
    if data[_END64.size :].startswith(b'PK\6\7'):
        end64 = _END64.unpack_from(data)
        if end64[0] != b'PK\6\6':
            raise CheckpointError(f'is damaged (no end of its list of files); {_FETCH}')
        length = max(end64[8], length if length != 0xFFFFFFFF else 0)
    if length > MAX_DIRECTORY_BYTES:
        raise CheckpointError(
            f'has a list of files of {length:,} bytes; at most {MAX_DIRECTORY_BYTES:,} are '
            'accepted; save its state dict alone'
        )


def _span(stream: BinaryIO, entry: zipfile.ZipInfo, size: int) -> tuple[int, int]:
    if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
        raise CheckpointError(
            f'holds the compressed {entry.filename[:80]!r}, which would unpack to '
            f'{entry.file_size:,} bytes; torch.save compresses nothing; save it by torch.save'
        )
    if entry.flag_bits & 1:
        raise CheckpointError('is encrypted; save it by torch.save')
    stream.seek(entry.header_offset)
    header = stream.read(_LOCAL.size)
    if len(header) < _LOCAL.size or not header.startswith(b'PK\3\4'):
        raise CheckpointError(f'is damaged at {entry.filename[:80]!r}; {_FETCH}')
    *_, name_length, extra_length = _LOCAL.unpack(header)
    start = entry.header_offset + _LOCAL.size + name_length + extra_length
    if start + entry.file_size > size:
        raise CheckpointError(f'is truncated at {entry.filename[:80]!r}; {_FETCH}')
    return start, entry.file_size


def _read(stream: BinaryIO, span: tuple[int, int], most: int) -> bytes:
    stream.seek(span[0])
    return stream.read(min(span[1], most))
