# SPDX-License-Identifier: Apache-2.0
"""Where a launch writes to: the screen and launch.log, in the lines of ros2/launch."""

import os
import socket
import sys
import time
from datetime import datetime
from typing import TextIO

from ros2_standin.errors import StandinError

# What goes to the screen and to the log file, of a process's stdout and stderr.
_SCREEN = {'screen': ('stdout', 'stderr'), 'log': ('stderr',), 'both': ('stdout', 'stderr')}
_FILE = {'screen': (), 'log': ('stdout', 'stderr'), 'both': ('stdout', 'stderr')}


class LaunchLog:
    """The messages of a launch and the output of its processes; a context manager."""

    def __init__(self) -> None:
        self.folder = _make_log_folder()
        self._file: TextIO = open(  # noqa: SIM115  # closed by __exit__
            os.path.join(self.folder, 'launch.log'), 'w', encoding='utf-8', errors='replace'
        )

    def __enter__(self) -> 'LaunchLog':
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def info(self, name: str, message: str) -> None:
        """Say what goes as it should."""
        self._message('INFO', name, message)

    def warning(self, name: str, message: str) -> None:
        """Say what the user should look at."""
        self._message('WARNING', name, message)

    def error(self, name: str, message: str) -> None:
        """Say what went wrong."""
        self._message('ERROR', name, message)

    def output(self, name: str, stream: str, line: str, config: str) -> None:
        """Pass on a line that a process wrote to its `stdout` or `stderr`."""
        text = f'[{name}] {line}'
        if stream in _SCREEN[config]:
            _print(text)
        if stream in _FILE[config]:
            print(f'{time.time():.7f} {text}', file=self._file, flush=True)

    def _message(self, level: str, name: str, message: str) -> None:
        text = f'[{level}] [{name}]: {message}'
        _print(text)
        print(f'{time.time():.7f} {text}', file=self._file, flush=True)


def check_output(config: str) -> None:
    """Check the value of an `output` attribute.

    Raises
    ------
    StandinError
        If it is none of those that this stand-in has.
    """
    if config not in _SCREEN:
        raise StandinError(
            f"output '{config}' is none of {', '.join(_SCREEN)}; others need a real ROS 2"
        )


def _print(text: str) -> None:
    # A program's output may hold characters that the terminal has not.
    encoding = sys.stdout.encoding or 'utf-8'
    print(text.encode(encoding, 'replace').decode(encoding), flush=True)


def _make_log_folder() -> str:
    home = os.environ.get('ROS_HOME') or os.path.join('~', '.ros')
    base = os.path.expanduser(os.environ.get('ROS_LOG_DIR') or os.path.join(home, 'log'))
    stamp = datetime.now().strftime('%Y-%m-%d-%H-%M-%S-%f')
    folder = os.path.join(base, f'{stamp}-{socket.gethostname()}-{os.getpid()}')
    try:
        os.makedirs(folder)
    except OSError as error:
        raise StandinError(
            f'cannot make the log folder {folder}: {error.strerror}; set ROS_LOG_DIR to another'
        ) from error
    return folder
