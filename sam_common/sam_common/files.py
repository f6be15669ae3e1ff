# SPDX-License-Identifier: Apache-2.0
"""Ordinary files, read whole up to a bound."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from sam_common.errors import SamError

_KINDS = {
    stat.S_IFDIR: 'a folder',
    stat.S_IFIFO: 'a pipe',
    stat.S_IFSOCK: 'a socket',
    stat.S_IFCHR: 'a device',
    stat.S_IFBLK: 'a device',
}


class FileError(SamError):
    """A file that cannot be read, is none, or is too large."""


def check_ordinary(path: Path) -> int:
    """Return the size [bytes] of an ordinary file, or of what a link to one leads to.

    Raises
    ------
    FileError
        If it is a folder, a pipe, a device, or nothing.

    """
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise FileError(f'{path} cannot be read: {_reason(error)}') from error
    return _checked(path, status)


def open_ordinary(path: Path) -> BinaryIO:
    """Open an ordinary file to read it; what is none is never waited for.

    Raises
    ------
    FileError
        As `check_ordinary` does.

    """
    check_ordinary(path)
    try:
        # What lay there may have become a pipe since; opened so, it doesn't block.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        stream = open(number, 'rb')  # noqa: SIM115  (the caller closes it)
    except OSError as error:
        raise FileError(f'{path} cannot be read: {_reason(error)}') from error
    try:
        _checked(path, os.fstat(number))
    except FileError:
        stream.close()
        raise
    return stream


def read_file(path: Path, *, max_bytes: int) -> bytes:
    """Return the content of an ordinary file; what is none is never waited for.

    Raises
    ------
    FileError
        As `check_ordinary` does, and if it has more bytes.

    """
    try:
        with open_ordinary(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            data = stream.read(max_bytes + 1) if size <= max_bytes else b''
    except OSError as error:
        raise FileError(f'{path} cannot be read: {_reason(error)}') from error
    if max(size, len(data)) > max_bytes:
        raise FileError(
            f'{path} has {max(size, len(data)):,} bytes; at most {max_bytes:,} are accepted'
        )
    return data


def _checked(path: Path, status: os.stat_result) -> int:
    kind = stat.S_IFMT(status.st_mode)
    if kind != stat.S_IFREG:
        raise FileError(f'{path} is {_KINDS.get(kind, "no file")}; give an ordinary file')
    return status.st_size


def _reason(error: Exception) -> str:
    return str(getattr(error, 'strerror', None) or error)
