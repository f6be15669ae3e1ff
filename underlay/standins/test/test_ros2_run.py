# SPDX-License-Identifier: Apache-2.0
"""`ros2 run` becomes the executable: its arguments, output, signals and exit status."""

import signal
import subprocess

import pytest


def write_executable(package, name, text):
    path = package / 'prefix' / 'lib' / 'probe_package' / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def ros2(*words):
    return subprocess.run(['ros2', *words], capture_output=True, text=True, timeout=30)


def test_arguments_and_exit_status_are_passed_on(probe_package):
    write_executable(probe_package, 'ends', '#!/bin/sh\necho "$0 $*"; exit 7\n')

    result = ros2('run', 'probe_package', 'ends', '--flag', 'a b', '--ros-args', '-p', 'x:=1')

    assert result.returncode == 7
    assert result.stdout.endswith('/ends --flag a b --ros-args -p x:=1\n')


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_reaches_the_executable_itself(probe_package, number):
    path = write_executable(probe_package, 'waits', '#!/bin/sh\necho up; exec sleep 60\n')

    with subprocess.Popen(
        ['ros2', 'run', 'probe_package', 'waits'], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == 'up\n', path
        process.send_signal(number)
        assert process.wait(10) == -number


@pytest.mark.parametrize(
    ('words', 'named'),
    [
        (['run', 'no_such_package', 'x'], 'no_such_package'),
        (['run', 'probe_package', 'no_such'], 'probe'),
        (['run', '--prefix', 'gdb', 'probe_package', 'probe'], 'real ROS 2'),
        (['topic', 'list'], 'ros2 topic list: not in this stand-in, it needs a real ROS 2'),
        (['bag', 'info', 'x'], 'ros2 bag info'),
        (['launch', '--debug', 'a', 'b'], '--debug'),
        (['launch', 'probe_package', 'no_such.launch.xml'], 'no_such.launch.xml'),
    ],
)
def test_what_is_not_there_is_an_error_that_names_it(probe_package, words, named):
    result = ros2(*words)

    assert result.returncode == 1
    assert named in result.stderr
    assert 'Traceback' not in result.stderr


def test_executable_that_is_there_twice_is_an_error(probe_package):
    folder = probe_package / 'prefix' / 'lib' / 'probe_package' / 'more'
    folder.mkdir()
    write_executable(probe_package, 'more/probe', '#!/bin/sh\n')

    result = ros2('run', 'probe_package', 'probe')

    assert result.returncode == 1
    assert 'Multiple executables found' in result.stderr
