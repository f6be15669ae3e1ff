# SPDX-License-Identifier: Apache-2.0
"""What tests share.

Over DDS: a domain of their own, processes that end with the test, a client. On real pictures:
where they lie.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

EXTENDING = Path(__file__).parent / 'docs' / 'extending.md'
PROFILE = Path(__file__).parent / 'sam_bringup' / 'config' / 'fastdds.xml'
TIMEOUT_S = 30.0
# Folders of real pictures; CONTRIBUTING.md says what is in them.
REAL_FOLDERS = ('photos/davis16', 'videos/davis', 'rgbd/sixdof')


class Ros:
    """A ROS domain that only one test (or module) uses: processes in it and a node of its own."""

    def __init__(self, domain: int) -> None:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        self.environment = {**os.environ, 'ROS_DOMAIN_ID': str(domain)}
        self.domain = domain
        self._processes: list[subprocess.Popen[str]] = []
        self._met: set[str] = set()
        self._context = rclpy.Context()
        self._context.init(domain_id=domain)
        self.node = rclpy.create_node('test_client', context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)

    def start(self, *command: str | Path, **options: Any) -> subprocess.Popen[str]:
        """Start a process that ends with the test; `environment` adds to its variables."""
        environment = self.environment | options.pop('environment', {})
        process = subprocess.Popen(
            [str(part) for part in command],
            env=environment,
            text=True,
            start_new_session=True,
            **options,
        )
        self._processes.append(process)
        return process

    def start_node(
        self,
        module: str,
        *,
        stderr: int | None = None,
        first_on_path: Path | None = None,
        **parameters: Any,
    ) -> subprocess.Popen[str]:
        """Start a Python node by its module, with parameters.

        `first_on_path` is a folder in which its process looks for packages first.
        """
        arguments = [
            part
            for name, value in parameters.items()
            for part in (
                '-p',
                f'{name}:={str(value).lower() if value in (True, False) else value}',
            )
        ]
        command = (sys.executable, '-m', module, '--ros-args', *arguments)
        environment = {}
        if first_on_path:
            path = f'{first_on_path}{os.pathsep}{os.environ.get("PYTHONPATH", "")}'
            environment = {'PYTHONPATH': path}
        return self.start(*command, stderr=stderr, environment=environment)

    def until(self, condition: Callable[[], Any], what: str, timeout_s: float = TIMEOUT_S) -> Any:
        """Spin until a condition holds, and return what it returned."""
        deadline = time.monotonic() + timeout_s
        while not (result := condition()):
            if time.monotonic() > deadline:
                pytest.fail(f'{what}: not within {timeout_s} s')
            self._executor.spin_once(timeout_sec=0.02)
        return result

    def client(self, service_type: Any, name: str) -> Any:
        """Return a client once its service is there and has answered this process."""
        client = self.node.create_client(service_type, name)
        self.until(client.service_is_ready, f'service {name}')
        self._meet(name.rpartition('/')[0])
        return client

    def _meet(self, node: str) -> None:
        """Wait until a node has discovered this process.

        A client sees a service before the service sees the client; what is answered in between
        is lost ('client will not receive response'). So something harmless is asked first, again
        and again, of the parameters that every node has.
        """
        from rcl_interfaces.srv import GetParameters

        if not node or node in self._met:
            return
        client = self.node.create_client(GetParameters, f'{node}/get_parameters')
        self.until(client.service_is_ready, f'parameters of {node}')
        asked: list[Any] = []
        next_at = time.monotonic()

        def answered() -> bool:
            nonlocal next_at
            if time.monotonic() >= next_at:
                next_at = time.monotonic() + 0.5
                asked.append(client.call_async(GetParameters.Request()))
            return any(future.done() for future in asked)

        self.until(answered, f'an answer of {node}', timeout_s=60)
        self._met.add(node)

    def call(self, client: Any, request: Any, timeout_s: float = TIMEOUT_S) -> Any:
        """Call a service and return its answer."""
        future = client.call_async(request)
        self.until(future.done, f'answer of {client.srv_name}', timeout_s)
        return future.result()

    def listen(self, message_type: Any, topic: str, qos: Any = 10) -> list[Any]:
        """Return a list that every message on a topic is appended to."""
        received: list[Any] = []
        self.node.create_subscription(message_type, topic, received.append, qos)
        return received

    def close(self) -> None:
        """End every process, and fail if one had to be killed."""
        stubborn = []
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGINT)
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                stubborn.append(process.args)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()
        if stubborn:
            pytest.fail(f'did not stop within 10 s of SIGINT: {stubborn}')


@contextmanager
def own_domain() -> Iterator[Ros]:
    """Make a Ros in a domain that nobody else on this machine uses."""
    from domain_coordinator import domain_id

    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    # Read once per process, at the first participant.
    os.environ['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(PROFILE)
    with ExitStack() as stack:
        ros = Ros(stack.enter_context(domain_id()))
        stack.callback(ros.close)
        yield ros


@pytest.fixture
def ros() -> Iterator[Ros]:
    """A ROS domain for one test."""
    with own_domain() as ros:
        yield ros


@pytest.fixture(scope='module')
def module_ros() -> Iterator[Ros]:
    """A ROS domain for the tests of a module, for a node that they share."""
    with own_domain() as ros:
        yield ros


@pytest.fixture(scope='session')
def real_data() -> Path:
    """Return the folder of real pictures that SAM_REAL_DATA names; skip where it is not set."""
    named = os.environ.get('SAM_REAL_DATA', '')
    if not named:
        pytest.skip(
            f'set SAM_REAL_DATA to a folder of real pictures (it holds {", ".join(REAL_FOLDERS)}: '
            'see CONTRIBUTING.md)'
        )
    folder = Path(named).expanduser().resolve()
    missing = [part for part in REAL_FOLDERS if not (folder / part).is_dir()]
    if missing:
        pytest.fail(
            f'SAM_REAL_DATA={named} lacks {", ".join(missing)}; give the folder that '
            'CONTRIBUTING.md describes, or unset it to skip the tests on real pictures'
        )
    return folder


@pytest.fixture
def documented_package(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a package of docs/extending.md and has its setup.py run."""

    def write(name: str) -> Path:
        blocks = re.findall(
            rf'`({name}/\w+\.py)`:\n\n```python\n(.*?)```', EXTENDING.read_text(), re.S
        )
        for path, source in blocks:
            file = tmp_path / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(source)
        folder = tmp_path / name
        # Leaves what an installation would leave: the package's metadata beside its module.
        command = [sys.executable, 'setup.py', '--quiet', 'egg_info']
        subprocess.run(command, cwd=folder, check=True, timeout=TIMEOUT_S)
        return folder

    return write
