# SPDX-License-Identifier: Apache-2.0
"""Runs the processes of a launch until all have ended, and leaves none behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from typing import IO

from ros2_standin.launch_log import LaunchLog
from ros2_standin.launch_scope import Process

_Child = subprocess.Popen[bytes]

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
# How long what a process left behind in its group may take to end.
_LEFTOVER_S = 2.0


class LaunchRunner:
    """Starts processes, passes their output on, restarts and stops them.

    Each process leads a session of its own: a signal for it reaches all that it has started, and
    Ctrl-C reaches them through the launch alone.
    """

    def __init__(
        self, log: LaunchLog, *, sigterm_timeout_s: float = 5.0, sigkill_timeout_s: float = 5.0
    ) -> None:
        self._log = log
        self._sigterm_timeout_s = sigterm_timeout_s
        self._sigkill_timeout_s = sigkill_timeout_s
        self._return_code = 0
        self._running: dict[_Child, asyncio.Future[None]] = {}

    def run(self, processes: Sequence[Process]) -> int:
        """Run until all processes have ended; return 0, or 1 if ended by SIGTERM and the like."""
        return asyncio.run(self._run(processes))

    async def _run(self, processes: Sequence[Process]) -> int:
        self._shutdown = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_sigint)
        loop.add_signal_handler(signal.SIGCHLD, self._on_sigchld)
        for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
            loop.add_signal_handler(number, self._on_sigterm, number)
        await asyncio.gather(*(self._keep(process) for process in processes))
        return self._return_code

    def _on_sigint(self) -> None:
        again = ' again, ignoring...' if self._shutdown.is_set() else ''
        self._log.warning('launch', f'user interrupted with ctrl-c (SIGINT){again}')
        self._shutdown.set()

    def _on_sigterm(self, number: signal.Signals) -> None:
        self._log.error('launch', f'received {number.name}, terminating all processes...')
        self._return_code = 1
        self._shutdown.set()

    async def _keep(self, process: Process) -> None:
        while not self._shutdown.is_set():
            await self._run_once(process)
            if process.shutdown_on_exit and not self._shutdown.is_set():
                self._log.info(
                    'launch',
                    f'process[{process.name}] was required: shutting down launched system',
                )
                self._shutdown.set()
            if not process.respawn:
                return
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._shutdown.wait(), process.respawn_delay_s)

    async def _run_once(self, process: Process) -> None:
        try:
            child = self._start(process)
        except OSError as error:
            self._log.error(process.name, f"cannot start '{process.command[0]}': {error.strerror}")
            self._return_code = 1
            return
        self._log.info(process.name, f'process started with pid [{child.pid}]')
        ended = asyncio.get_running_loop().create_future()
        self._running[child] = ended
        readers = [
            asyncio.create_task(self._pass_on(stream, name, process))
            for stream, name in ((child.stdout, 'stdout'), (child.stderr, 'stderr'))
        ]
        stopper = asyncio.create_task(self._stop(child, process.name))
        self._on_sigchld()  # in case that it ended before it was listed
        await ended
        stopper.cancel()
        await _end_group(child.pid)
        # What has left the group may hold the pipe for ever.
        _, unfinished = await asyncio.wait(readers, timeout=_LEFTOVER_S)
        for reader in unfinished:
            reader.cancel()
        if child.returncode == 0:
            self._log.info(process.name, f'process has finished cleanly [pid {child.pid}]')
        else:
            self._log.error(
                process.name,
                f'process has died [pid {child.pid}, exit code {child.returncode}, '
                f"cmd '{' '.join(process.command)}'].",
            )

    def _start(self, process: Process) -> _Child:
        # asyncio's own processes count as running until nobody holds their pipes.
        return subprocess.Popen(  # noqa: S603  # running what the launch file says is the point
            process.command,
            env=process.environment,
            cwd=process.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    def _on_sigchld(self) -> None:
        for child in [child for child in self._running if child.poll() is not None]:
            self._running.pop(child).set_result(None)

    async def _pass_on(self, pipe: IO[bytes] | None, name: str, process: Process) -> None:
        stream = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), pipe
        )
        rest = b''
        while data := await stream.read(65536):
            *lines, rest = (rest + data).split(b'\n')
            for line in lines:
                self._output(line, name, process)
        if rest:
            self._output(rest, name, process)

    def _output(self, line: bytes, stream: str, process: Process) -> None:
        text = line.decode(errors='replace')
        self._log.output(process.name, stream, text, process.output)

    async def _stop(self, child: _Child, name: str) -> None:
        await self._shutdown.wait()
        self._send(child, signal.SIGINT, name)
        for waited_s, sent, then in (
            (self._sigterm_timeout_s, signal.SIGINT, signal.SIGTERM),
            (self._sigkill_timeout_s, signal.SIGTERM, signal.SIGKILL),
        ):
            await asyncio.sleep(waited_s)
            self._log.error(
                name,
                f"process[{name}] failed to terminate '{waited_s}' seconds after receiving "
                f"'{sent.name}', escalating to '{then.name}'",
            )
            self._send(child, then, name)

    def _send(self, child: _Child, number: signal.Signals, name: str) -> None:
        self._log.info(name, f"sending signal '{number.name}' to process[{name}]")
        # It may have ended in this very moment.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)


def _end_with_parent() -> None:
    # Not even a SIGKILL of the launch leaves a process behind.
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _end_group(group: int) -> None:
    """End what a process that has ended left behind in its group."""
    deadline = asyncio.get_running_loop().time() + _LEFTOVER_S
    number = signal.SIGTERM
    with contextlib.suppress(ProcessLookupError):
        while True:
            os.killpg(group, number)
            await asyncio.sleep(0.05)
            if asyncio.get_running_loop().time() > deadline:
                number = signal.SIGKILL
