# SPDX-License-Identifier: Apache-2.0
"""`ros2 run sam_segmentation download MODEL`: an official checkpoint, whole or not at all."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import stat
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from tqdm import tqdm

from sam_common.errors import SamError
from sam_segmentation.core.errors import CheckpointError
from sam_segmentation.models.catalogue import CATALOGUE, KnownCheckpoint
from sam_segmentation.models.checkpoints import (
    checkpoint_dir,
    given_path,
    pin_path,
    pinned_digest,
    remember_digest,
    stream_digest,
    verify,
    write_atomically,
)
from sam_segmentation.models.registry import find_model
from sam_segmentation.models.transfer import Patience, Progress, Report, fetch

_MB = 1e6
_INTERRUPTED = 130


def download(
    known: KnownCheckpoint,
    folder: Path,
    *,
    patience: Patience | None = None,
    progress: Progress = lambda have, total: None,
    report: Report = lambda text: None,
) -> Path:
    """Fetch a checkpoint, unless it is there already.

    The file gets its name once its digest is right; until then it is `NAME.part`, from which a
    later call goes on. Where nobody states the digest, the first download writes it beside the
    file, and all later ones have to match it.

    Parameters
    ----------
    known : KnownCheckpoint
    folder : path
        Made if it does not exist.
    patience : Patience or None
        How long to put up with a bad connection; None: the defaults.
    progress : callable
        Called with the bytes that are there and those expected in all, or None.
    report : callable
        Called with a line for each attempt that fails.

    Returns
    -------
    path
        The checkpoint, verified.

    Raises
    ------
    CheckpointError
        If it cannot be had, or something else comes instead.

    """
    target = folder / known.file_name
    try:
        if target.is_dir():
            raise CheckpointError(f'{target} is a folder; delete it or give another one by --dir')
        if target.is_file():
            with contextlib.suppress(CheckpointError):  # a damaged file is fetched anew
                verify(target, known)
                return target
        folder.mkdir(parents=True, exist_ok=True)
        with _partial_file(target) as partial:
            _complete(known, target, partial, patience or Patience(), progress, report)
    except OSError as error:
        raise CheckpointError(
            f'{target} cannot be written: {error.strerror or error}; give another folder by --dir'
        ) from error
    return target


def _complete(
    known: KnownCheckpoint,
    target: Path,
    partial: IO[bytes],
    patience: Patience,
    progress: Progress,
    report: Report,
) -> None:
    part, notes = Path(partial.name), target.with_name(f'{target.name}.part.json')
    expected = known.sha256 or pinned_digest(target)
    resumed = part.stat().st_size > 0
    _check_space(known, part)

    def bring() -> str:
        fetch(
            known.url,
            partial,
            notes,
            size=known.size,
            patience=patience,
            progress=progress,
            report=report,
        )
        return _digest(partial)

    digest = bring()
    if expected is not None and digest != expected and resumed:
        # Perhaps only the old part of it was bad.
        partial.truncate(0)
        digest = bring()
    if expected is not None and digest != expected:
        part.unlink()
        notes.unlink(missing_ok=True)
        raise CheckpointError(
            f'{known.url} gave a file with the SHA-256 {digest} instead of {expected}; it was '
            'deleted. Try again later; do not use such a file from elsewhere'
        )
    if known.sha256 is None:
        write_atomically(pin_path(target), f'{digest}  {target.name}\n')
    part.replace(target)
    remember_digest(target, digest)
    notes.unlink(missing_ok=True)


def _digest(partial: IO[bytes]) -> str:
    partial.flush()
    os.fsync(partial.fileno())
    partial.seek(0)
    return stream_digest(partial)


@contextlib.contextmanager
def _partial_file(target: Path) -> Iterator[IO[bytes]]:
    part = target.with_name(f'{target.name}.part')
    while True:
        with open(part, 'a+b', opener=_open_own) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise CheckpointError(
                    f'{part} is being written by another download; wait until it ends'
                ) from error
            # Another download may have renamed the file between opening and locking it.
            if part.exists() and os.path.samestat(os.fstat(stream.fileno()), part.stat()):
                yield stream
                return


def _open_own(path: str, flags: int) -> int:
    """Open the partial file, where it is a file of ours alone: others may share the folder."""
    # A FIFO must not be waited for, and a link not lead elsewhere.
    handle = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1 or found.st_uid != os.geteuid():
        os.close(handle)
        raise CheckpointError(
            f'{path} is no file of this download (a link, a device, or of another user); delete '
            'it or give another folder by --dir'
        )
    return handle


def _check_space(known: KnownCheckpoint, part: Path) -> None:
    if known.size is None:
        return
    free, needed = shutil.disk_usage(part.parent).free, known.size - part.stat().st_size
    if needed > free:
        raise CheckpointError(
            f'{part.parent} has {free / _MB:.0f} MB left but {known.file_name} needs '
            f'{needed / _MB:.0f} MB more; free some space or give another folder by --dir'
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog='ros2 run sam_segmentation download',
        description='Fetch the official checkpoint of a model.',
        epilog='An interrupted download goes on where it broke off when the command is repeated.',
    )
    parser.add_argument('model', nargs='?', metavar='MODEL', help='as in --list')
    parser.add_argument(
        '--dir',
        type=Path,
        metavar='DIR',
        help='where to put it (default: $SAM_CHECKPOINT_DIR or ~/.cache/sam_segmentation)',
    )
    parser.add_argument('--list', action='store_true', help='list the models, sizes and addresses')
    options = parser.parse_args(arguments)
    if options.model is None and not options.list:
        parser.error('give the name of a model, or --list')
    try:
        folder = given_path(options.dir, what='folder') if options.dir else checkpoint_dir()
        if options.list:
            _print_list(folder)
            return 0
        path = _download_with_bar(_known(options.model), folder)
    except SamError as error:
        print(f'download: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('\ndownload: stopped; type the command again to go on', file=sys.stderr)
        return _INTERRUPTED
    print(path)
    return 0


def _known(name: str) -> KnownCheckpoint:
    model = find_model(name).name
    if model not in CATALOGUE:
        raise CheckpointError(
            f'there is nothing to download for {model!r}; there is for {", ".join(CATALOGUE)}'
        )
    return CATALOGUE[model]


def _download_with_bar(known: KnownCheckpoint, folder: Path) -> Path:
    with tqdm(unit='B', unit_scale=True, desc=known.file_name, disable=None) as bar:

        def show(have: int, total: int | None) -> None:
            bar.total = total
            bar.update(have - bar.n)

        return download(
            known,
            folder,
            progress=show,
            report=lambda text: tqdm.write(f'download: {text}', file=sys.stderr),
        )


def _print_list(folder: Path) -> None:
    for known in CATALOGUE.values():
        size = f'{known.size / _MB:6.0f} MB' if known.size else '        ?'
        mark = 'here' if (folder / known.file_name).is_file() else ''
        print(f'{known.model:<24} {size}  {mark:<5} {known.url}')


if __name__ == '__main__':
    sys.exit(main())
