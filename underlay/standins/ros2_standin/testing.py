# SPDX-License-Identifier: Apache-2.0
"""For tests: a launch as a process of its own, through whichever `ros2` is first on the PATH."""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence


class RunningLaunch:
    """A `ros2 launch` that has been started; as a context manager it is stopped at the end.

    Parameters
    ----------
    target : Sequence[str]
        Package and launch file's name, or a launch file's path alone.
    arguments : Mapping[str, str], optional
        The launch file's arguments.
    environment : Mapping[str, str], optional
        Environment variables besides those of this process, as a ROS_DOMAIN_ID of its own.
    """

    def __init__(
        self,
        target: Sequence[str],
        *,
        arguments: Mapping[str, str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        words = [f'{name}:={value}' for name, value in (arguments or {}).items()]
        self._process = subprocess.Popen(  # noqa: S603  # the test says what to run
            ['ros2', 'launch', *target, *words],  # noqa: S607  # the one that is sourced
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
        )
        self._lines: list[str] = []
        self._changed = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> 'RunningLaunch':
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the launch itself."""
        return self._process.pid

    @property
    def output(self) -> str:
        """All that it has printed until now."""
        with self._changed:
            return '\n'.join(self._lines)

    def wait_for(self, pattern: str, *, timeout_s: float = 10.0) -> re.Match[str]:
        """Wait until a line matches a regular expression, and return the match.

        Raises
        ------
        TimeoutError
            If none does within that time, or the launch has ended before.
        """
        deadline = time.monotonic() + timeout_s
        seen = 0
        with self._changed:
            while True:
                for line in self._lines[seen:]:
                    if match := re.search(pattern, line):
                        return match
                seen = len(self._lines)
                left_s = deadline - time.monotonic()
                if self._ended or left_s <= 0:
                    why = 'before it ended' if self._ended else f'within {timeout_s} s'
                    raise TimeoutError(
                        f'the launch printed no line that matches {pattern!r} {why}; it printed:\n'
                        + '\n'.join(self._lines)
                    )
                self._changed.wait(left_s)

    def wait(self, *, timeout_s: float = 30.0) -> int:
        """Wait for the launch to end by itself, and return its exit status.

        Raises
        ------
        subprocess.TimeoutExpired
            If it takes longer than that.
        """
        status = self._process.wait(timeout_s)
        self._reader.join(timeout_s)
        return status

    def stop(self, number: signal.Signals = signal.SIGINT, *, timeout_s: float = 15.0) -> int:
        """Ask it to end, if it has not yet, and return its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self.wait(timeout_s=timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    def _read(self) -> None:
        stream = self._process.stdout
        for line in stream or ():
            with self._changed:
                self._lines.append(line.rstrip('\n'))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
