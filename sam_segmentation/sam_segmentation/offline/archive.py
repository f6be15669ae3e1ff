# SPDX-License-Identifier: Apache-2.0
"""A tracker's snapshot as a file: arrays as .npy in a zip, the rest as JSON; nothing runs."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sam_common.files import FileError, check_ordinary

_STRUCTURE = 'structure.json'
_ARRAY = 'array'
# Masks shrink to nothing; a model's features hardly do, and are many.
_SHRINKING = (np.dtype(bool), np.dtype(np.uint8))
# Snapshots of a large model take some tens of megabytes an object.
MAX_UNPACKED_BYTES = 16 * 2**30
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    RuntimeError,
    TypeError,
)


def save_archive(path: Path, content: Mapping[str, Any]) -> None:
    """Write nested dicts, lists, arrays, numbers, strings and None.

    Raises
    ------
    TypeError
        If there is anything else in it.

    """
    arrays: list[np.ndarray[Any, Any]] = []
    structure = _without_arrays(content, arrays)
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(_STRUCTURE, json.dumps(structure))
        for number, array in enumerate(arrays):
            entry = zipfile.ZipInfo(f'{_ARRAY}{number}.npy')
            if array.dtype in _SHRINKING:
                entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, 'w', force_zip64=True) as stream:
                np.save(stream, array, allow_pickle=False)


def load_archive(path: Path) -> dict[str, Any]:
    """Read what `save_archive` wrote.

    Raises
    ------
    ValueError
        If the file is damaged, or holds anything else.
    OSError
        If it cannot be read.

    """
    try:
        check_ordinary(path)
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
            if size > MAX_UNPACKED_BYTES:
                raise ValueError(f'{path} unpacks to {size:,} bytes, more than any snapshot')
            structure = json.loads(archive.read(_STRUCTURE))
            content = _with_arrays(structure, archive)
    except FileError as error:
        raise ValueError(str(error)) from error
    except _DAMAGE as error:
        raise ValueError(f'{path} is damaged: {error}') from error
    if not isinstance(content, dict):
        raise ValueError(f'{path} holds no snapshot')
    return content


def _without_arrays(value: Any, arrays: list[np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {_ARRAY: len(arrays) - 1}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f'a snapshot has the keys {list(value)[:3]}; they have to be strings')
        # A list of pairs, so that a dict of the content is not taken for an array.
        return {'dict': [[key, _without_arrays(one, arrays)] for key, one in value.items()]}
    if isinstance(value, list | tuple):
        return [_without_arrays(one, arrays) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f'a snapshot holds a {type(value).__name__}, which cannot be stored')


def _with_arrays(value: Any, archive: zipfile.ZipFile) -> Any:
    if isinstance(value, list):
        return [_with_arrays(one, archive) for one in value]
    if not isinstance(value, dict):
        return value
    if 'dict' in value:
        return {str(key): _with_arrays(one, archive) for key, one in value['dict']}
    with archive.open(f'{_ARRAY}{int(value[_ARRAY])}.npy') as stream:
        array = np.load(stream, allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise ValueError('an array of the snapshot is none')
    return array
