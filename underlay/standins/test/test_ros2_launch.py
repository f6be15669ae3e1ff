# SPDX-License-Identifier: Apache-2.0
"""`ros2 launch` as a process: output, exit statuses, respawn, and no process that outlives it."""

import os
import re
import signal
import time

import pytest
from ros2_standin.testing import RunningLaunch

# Prints its own process id and those of its children, one in a session of its own.
TREE = "bash -c 'sleep 100 &amp; echo child $!; echo self $$; wait'"
STUBBORN = "bash -c 'trap : INT TERM; echo self $$; while :; do sleep 0.1; done'"


def launch(folder, body, **arguments):
    path = folder / 'main.launch.xml'
    path.write_text(f'<launch>{body}</launch>')
    return RunningLaunch([str(path)], arguments=arguments)


def pids(output):
    return [int(pid) for pid in re.findall(r'(?:self|child) (\d+)', output)]


def is_alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as stream:
            return stream.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def wait_until_gone(found, timeout_s=5.0):
    deadline = time.monotonic() + timeout_s
    while any(is_alive(pid) for pid in found):
        assert time.monotonic() < deadline, f'still alive: {[p for p in found if is_alive(p)]}'
        time.sleep(0.02)


def test_launch_ends_with_its_processes_and_passes_their_output_on(probe_package):
    body = (
        '<executable name="a" output="screen" cmd="bash -c \'echo out; echo err &gt;&amp;2; '
        'printf unended\'"/><executable name="b" cmd="bash -c \'echo hidden; exit 3\'"/>'
    )
    with launch(probe_package, body) as running:
        assert running.wait() == 0

    lines = running.output.splitlines()
    assert {'[a-1] out', '[a-1] err', '[a-1] unended'} <= set(lines)
    assert '[b-2] hidden' not in lines
    assert re.search(r'\[INFO\] \[a-1\]: process has finished cleanly \[pid \d+\]', running.output)
    assert re.search(
        r'\[ERROR\] \[b-2\]: process has died \[pid \d+, exit code 3, cmd ', running.output
    )
    (log,) = (probe_package / 'log').glob('*/launch.log')
    assert '[b-2] hidden' in log.read_text()


@pytest.mark.parametrize(
    ('number', 'status'), [(signal.SIGINT, 0), (signal.SIGTERM, 1), (signal.SIGHUP, 1)]
)
def test_signal_ends_processes_and_their_children(probe_package, number, status):
    body = f'<executable name="t" output="screen" cmd="{TREE}"/>' * 2
    with launch(probe_package, body.replace('"t"', '"u"', 1)) as running:
        running.wait_for(r'\[u-1\] self')
        running.wait_for(r'\[t-2\] self')
        found = pids(running.output)
        begin = time.monotonic()
        assert running.stop(number) == status

    assert time.monotonic() - begin < 4
    assert len(found) == 4
    wait_until_gone(found, timeout_s=0.5)


def test_stubborn_process_is_killed(probe_package):
    body = f'<executable name="s" output="screen" cmd="{STUBBORN}"/>'
    with launch(probe_package, body, sigterm_timeout='0.3', sigkill_timeout='0.3') as running:
        running.wait_for('self')
        assert running.stop() == 0

    assert re.search(r"escalating to 'SIGTERM'(.|\n)*escalating to 'SIGKILL'", running.output)
    assert 'exit code -9' in running.output
    wait_until_gone(pids(running.output), timeout_s=0.5)


def test_killed_launch_leaves_no_process(probe_package):
    body = '<executable name="s" output="screen" cmd="bash -c \'echo self $$; exec sleep 100\'"/>'
    with launch(probe_package, body) as running:
        running.wait_for('self')
        running.stop(signal.SIGKILL)

    wait_until_gone(pids(running.output))


def test_process_that_ends_leaves_no_child(probe_package):
    body = '<executable name="s" output="screen" cmd="bash -c \'sleep 100 &amp; echo child $!\'"/>'
    with launch(probe_package, body) as running:
        assert running.wait(timeout_s=10) == 0

    wait_until_gone(pids(running.output), timeout_s=0.5)


def test_respawn_and_shutdown_on_exit(probe_package):
    body = (
        '<executable name="r" output="screen" respawn="true" cmd="echo again"/>'
        '<executable name="q" on_exit="shutdown" cmd="sleep 0.7"/>'
    )
    with launch(probe_package, body) as running:
        assert running.wait() == 0

    assert running.output.count('[r-1] again') >= 2
    assert 'process[q-2] was required: shutting down launched system' in running.output


def test_shutdown_does_not_wait_for_a_respawn(probe_package):
    body = '<executable name="r" respawn="true" respawn_delay="100" cmd="true"/>'
    with launch(probe_package, body) as running:
        running.wait_for('finished cleanly')
        begin = time.monotonic()
        assert running.stop() == 0

    assert time.monotonic() - begin < 3


def test_package_file_and_arguments(probe_package):
    with RunningLaunch(['probe_package', 'shared.launch.xml'], arguments={'a': '1'}) as running:
        assert running.wait() == 0

    assert len(os.listdir(probe_package / 'started')) == 1


def test_parameter_files_are_removed(probe_package, tmp_path, monkeypatch):
    monkeypatch.setenv('TMPDIR', str(tmp_path / 'temporary'))
    (tmp_path / 'temporary').mkdir()
    body = '<node pkg="probe_package" exec="probe"><param name="p" value="1"/></node>'
    with launch(probe_package, body) as running:
        assert running.wait() == 0

    (started,) = (probe_package / 'started').iterdir()
    assert '{"p": 1}' in started.read_text()
    assert os.listdir(tmp_path / 'temporary') == []


@pytest.mark.parametrize(
    ('body', 'named'),
    [
        ('<node pkg="probe_package" exec="probe" if="maybe"/>', 'main.launch.xml:1: <node>: if'),
        ('<executable cmd="ls" output="nowhere"/>', 'nowhere'),
        ('<executable cmd="/no/such/program"/>', '/no/such/program'),
    ],
)
def test_failure_has_an_exit_status_and_a_message(probe_package, body, named):
    with launch(probe_package, body) as running:
        assert running.wait() == 1

    assert named in running.output
    assert 'Traceback' not in running.output


def test_wait_for_what_never_comes_says_what_came(probe_package):
    with (
        launch(probe_package, '<executable cmd="echo here" output="screen"/>') as running,
        pytest.raises(TimeoutError, match=r'\[echo-1\] here'),
    ):
        running.wait_for('nothing of this kind')
