# SPDX-License-Identifier: Apache-2.0
"""Where a model's weights lie, and whether the file is what it claims to be."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import IO

from sam_common.errors import SamError
from sam_common.files import FileError, check_ordinary, open_ordinary, read_file
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.catalogue import CATALOGUE, KnownCheckpoint

DIR_VARIABLE = 'SAM_CHECKPOINT_DIR'
_DIGESTS = 'digests.json'
# The largest official one has 2.6 GB; with what an optimizer keeps, three times that.
MAX_CHECKPOINT_BYTES = 16_000_000_000
_MAX_NOTE_BYTES = 1 << 20
_MAX_PIN_BYTES = 4096
_MAX_PATH = 4095  # bytes; Linux opens no longer one
_MAX_SHOWN = 80


def checkpoint_dir() -> Path:
    """Return $SAM_CHECKPOINT_DIR, or ~/.cache/sam_segmentation where it is not set.

    Raises
    ------
    CheckpointError
        If there is no such home.

    """
    folder = os.environ.get(DIR_VARIABLE) or '~/.cache/sam_segmentation'
    return given_path(folder, what=f'folder (${DIR_VARIABLE})')


def given_path(text: str | Path, *, what: str) -> Path:
    """Return the path that somebody gave, with ~ resolved.

    Raises
    ------
    CheckpointError
        If it is of an unknown user, or no path can be like this.

    """
    shown = str(text) if len(str(text)) <= _MAX_SHOWN else f'{str(text)[:_MAX_SHOWN]}...'
    try:
        path = Path(text).expanduser()
        os.fsencode(path)
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f'the {what} {shown!r} is no path: {error}; give another') from error
    if '\0' in str(path) or len(os.fsencode(path)) > _MAX_PATH:
        raise CheckpointError(
            f'the {what} {shown!r} is no path: it has a NUL character or more than {_MAX_PATH} '
            'bytes; give another'
        )
    return path


def download_command(model: str) -> str:
    """Return what to type to fetch a model's official checkpoint."""
    return f'python -m sam_segmentation.models.download {model}'


def resolve_checkpoint(model: str, checkpoint: str | Path | None = None) -> Path:
    """Find a model's weights and check that they are whole.

    A file in the known place, or one that bears an official name, has to have the size and the
    SHA-256 of the catalogue; one that was pinned at its first download has to match that.

    Parameters
    ----------
    model : str
        Canonical name.
    checkpoint : path or None
        The file to use; None: the official one in `checkpoint_dir()`.

    Raises
    ------
    CheckpointError
        If there is no such file, it cannot be read, or it is not what it claims to be.

    """
    known = CATALOGUE.get(model)
    if checkpoint is not None:
        path = given_path(checkpoint, what='checkpoint')
        remedy = 'give the path of an existing file, or leave it empty'
        known = next((one for one in CATALOGUE.values() if one.file_name == path.name), None)
    elif known is not None:
        path = checkpoint_dir() / known.file_name
        remedy = f'type: {download_command(model)}'
    else:
        raise CheckpointError(
            f'no checkpoint is known for {model!r:.100}; give its file as the checkpoint'
        )
    if not os.path.lexists(path):
        raise CheckpointError(f'the checkpoint {path} of {model} does not exist; {remedy}')
    try:
        check_ordinary(path)
    except FileError as error:
        raise CheckpointError(f'the checkpoint of {model}: {error}; {remedy}') from error
    verify(path, known)
    return path


def verify(path: Path, known: KnownCheckpoint | None) -> None:
    """Compare a file with its catalogue entry or its pinned digest, if it has one.

    Raises
    ------
    CheckpointError
        If its size or its SHA-256 differs, or it cannot be read.

    """
    try:
        remedy = f'delete it and type: {download_command(known.model)}' if known else 'replace it'
        size = path.stat().st_size
        if known and known.size is not None and size != known.size:
            raise CheckpointError(
                f'the checkpoint {path} has {size} bytes instead of {known.size}: it is '
                f'truncated or not the official file; {remedy} (a file of your own needs '
                'another name)'
            )
        if size > MAX_CHECKPOINT_BYTES:
            raise CheckpointError(
                f'the checkpoint {path} has {size:,} bytes; at most {MAX_CHECKPOINT_BYTES:,} are '
                f'accepted; {remedy}'
            )
        expected = known.sha256 if known and known.sha256 else pinned_digest(path)
        if expected is not None and (digest := file_digest(path)) != expected:
            raise CheckpointError(
                f'the checkpoint {path} has the SHA-256 {digest} instead of {expected}: it is '
                f'damaged or was exchanged; {remedy} (a file of your own needs another name)'
            )
    except (FileError, OSError) as error:
        raise CheckpointError(
            f'the checkpoint {path} cannot be read: {getattr(error, "strerror", None) or error}; '
            'check its permissions'
        ) from error


def file_digest(path: Path) -> str:
    """Return a file's SHA-256, computed once as long as it stays the same file, untouched."""
    remembered = _remembered().get(str(path.resolve()), {})
    if remembered.get('stamp') == _stamp(path):
        return remembered['sha256']
    digest = sha256_of(path)
    remember_digest(path, digest)
    return digest


def sha256_of(path: Path) -> str:
    """Compute a file's SHA-256."""
    with open_ordinary(path) as stream:
        return stream_digest(stream)


def stream_digest(stream: IO[bytes]) -> str:
    """Compute the SHA-256 of what is left of a stream."""
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def remember_digest(path: Path, digest: str) -> None:
    """Note a file's SHA-256, so that loading does not have to compute it."""
    digests = {old: entry for old, entry in _remembered().items() if _exists(old)}
    digests[str(path.resolve())] = {'stamp': _stamp(path), 'sha256': digest}
    # On a read-only disk the digest is computed at each load instead.
    with contextlib.suppress(OSError):
        write_atomically(checkpoint_dir() / _DIGESTS, json.dumps(digests, indent=2) + '\n')


def _exists(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False


def pin_path(path: Path) -> Path:
    """Return the file beside a checkpoint that holds its digest, as `sha256sum` writes it."""
    return path.with_name(f'{path.name}.sha256')


def pinned_digest(path: Path) -> str | None:
    """Return the SHA-256 that the first download wrote beside the file, if there is one."""
    pin = pin_path(path)
    if not os.path.lexists(pin):
        return None
    content = read_file(pin, max_bytes=_MAX_PIN_BYTES)
    digest = content.decode(errors='replace').partition(' ')[0].strip().lower()
    if re.fullmatch('[0-9a-f]{64}', digest) is None:
        raise CheckpointError(f'{pin} holds no SHA-256 ({digest[:80]!r}); delete it')
    return digest


def write_atomically(path: Path, text: str) -> None:
    """Write a small file so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'w') as stream:
            stream.write(text)
        # Others may share the folder; mkstemp shuts them out.
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


def _remembered() -> dict[str, dict[str, str]]:
    try:
        content = read_file(checkpoint_dir() / _DIGESTS, max_bytes=_MAX_NOTE_BYTES)
        digests = json.loads(content)
        return {
            key: entry
            for key, entry in digests.items()
            if isinstance(entry, dict)
            and isinstance(entry.get('stamp'), str)
            and re.fullmatch('[0-9a-f]{64}', str(entry.get('sha256')))
        }
    except (SamError, ValueError, AttributeError, RecursionError):
        # Only a shortcut: without it, the digest is computed anew.
        return {}


def _stamp(path: Path) -> str:
    # Size and mtime can be set back by whoever exchanges the file; the ctime cannot.
    found = path.stat()
    return f'{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_dev}:{found.st_ino}'
