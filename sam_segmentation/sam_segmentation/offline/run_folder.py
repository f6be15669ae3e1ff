# SPDX-License-Identifier: Apache-2.0
"""The output folder of a run: whose it is, and that only one process works in it."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sam_common.files import FileError, read_file
from sam_segmentation.models.checkpoints import write_atomically
from sam_segmentation.offline.coco_file import COCO_FILE
from sam_segmentation.offline.composing import MASKS, OBJECTS, OVERLAY
from sam_segmentation.offline.errors import OutputError
from sam_segmentation.offline.frame_source import FrameSource

WORK, _ABOUT, _LOCK = 'work', 'run.json', 'lock'
_MAX_ABOUT_BYTES = 2**20


@contextmanager
def run_folder(path: Path, about: Mapping[str, Any], *, force: bool) -> Iterator[Path]:
    """Yield the folder of a run's own work, in its output folder.

    Parameters
    ----------
    path : path
        The output folder; made if it does not exist.
    about : mapping
        All that the results depend on beside the prompts.
    force : bool
        Whether another run's results may go.

    Raises
    ------
    OutputError
        If the folder holds something else or another run, or another process works in it.

    """
    work = path / WORK
    if path.exists() and not path.is_dir():
        raise OutputError(f'{path} is a file; give another --output')
    if path.is_dir() and any(path.iterdir()) and not work.is_dir():
        raise OutputError(
            f'{path} holds files that are no run of this tool; give another --output'
        )
    work.mkdir(parents=True, exist_ok=True)
    with (work / _LOCK).open('a') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f'another process works in {path}; wait until it ends') from error
        if force:
            _clear(path)
        _claim(path, work / _ABOUT, about)
        yield work


def digest_of_input(source: FrameSource) -> str:
    """Return a digest of the names, sizes and times of the input's files."""
    digest = hashlib.sha256()
    for file in source.files:
        status = file.stat()
        digest.update(f'{file.name}\0{status.st_size}\0{status.st_mtime_ns}\0'.encode())
    return digest.hexdigest()


def _claim(path: Path, file: Path, about: Mapping[str, Any]) -> None:
    if not file.exists():
        write_atomically(file, json.dumps(about, indent=2) + '\n')
        return
    try:
        known = json.loads(read_file(file, max_bytes=_MAX_ABOUT_BYTES))
        other = [key for key in about if known[key] != about[key]]
    except (FileError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise OutputError(f'{file} is damaged; begin anew by --force') from error
    if other:
        names = ', '.join(other)
        raise OutputError(
            f'{path} holds a run with other values of: {names}; give another --output, or begin '
            'anew by --force'
        )


def _clear(path: Path) -> None:
    for name in (OBJECTS, OVERLAY, COCO_FILE):
        (path / name).unlink(missing_ok=True)
    shutil.rmtree(path / MASKS, ignore_errors=True)
    for entry in (path / WORK).iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
