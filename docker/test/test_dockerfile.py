# SPDX-License-Identifier: Apache-2.0
"""The Dockerfile keeps hadolint's rules (their numbers are named) and copies what exists.

Nothing here builds an image.
"""

import json
import re
import subprocess
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest
from dockerfile import (
    DOCKER,
    REPOSITORY,
    global_arguments,
    ignored_patterns,
    instructions,
    stages,
)

RUNS = [each.value for each in instructions() if each.name == 'RUN']
VARIANTS = ('cpu', 'cuda', 'jetson')
WORKSPACE = sorted(path.parent.name for path in REPOSITORY.glob('*/package.xml'))


def images():
    """Return what each FROM names, for each variant."""
    names = set()
    for stage in stages():
        for variant in VARIANTS:
            name = stage[0].words()[0]
            for argument, value in (global_arguments() | {'VARIANT': variant}).items():
                name = name.replace(f'${{{argument}}}', value)
            names.add(name)
    return names


def stage_names():
    return {stage[0].words()[2] for stage in stages() if len(stage[0].words()) == 3}


def copies():
    """Return source and destination of what is copied out of the repository."""
    for each in instructions():
        if each.name == 'COPY' and '--from=' not in each.value:
            *sources, target = each.words()
            yield from ((source, target) for source in sources)


def test_every_image_is_pinned_to_a_release():  # DL3006, DL3007
    for image in images() - stage_names():
        assert re.search(r':(?!latest)[\w.-]*\d|:jazzy-[\w-]+noble', image), image


def test_each_variant_has_a_base():
    assert {f'base-{variant}' for variant in VARIANTS} <= stage_names()
    assert global_arguments()['VARIANT'] in VARIANTS


def test_apt_installs_only_what_is_named_and_leaves_no_lists():  # DL3015, DL3009, DL3014, DL3027
    for run in RUNS:
        for command in re.findall(r'apt-get install[^&]*', run):
            assert '--no-install-recommends' in command, run
            assert ' -y ' in command, run
        if 'apt-get update' in run:
            assert re.search(r'&& rm -rf [^&]*/var/lib/apt/lists/\*$', run), run
        assert not re.search(r'\bapt (install|update)\b', run), run


def test_pip_keeps_no_cache_and_installs_from_the_pinned_requirements():  # DL3042, DL3013
    commands = [found for run in RUNS for found in re.findall(r'pip install[^&]*', run)]
    assert commands
    for command in commands:
        assert '--no-cache-dir' in command
        assert re.search(r'-r (run|models)\.txt', command), command


def test_the_requirements_that_are_sought_by_pattern_exist():
    requirements = (REPOSITORY / 'requirements' / 'run.txt').read_text()
    assert re.search('^torch==', requirements, re.M), 'what is left out on a Jetson'
    build = (REPOSITORY / 'requirements' / 'build.txt').read_text()
    assert len(re.findall(r'^setuptools[^ ]+', build, re.M)) == 1


def test_nothing_is_run_by_sudo_or_unchecked_from_the_network():  # DL3004
    for run in RUNS:
        assert 'sudo' not in run
        assert ('curl' in run) == ('sha256sum --strict --check' in run)


def test_a_failure_in_a_pipe_fails_the_build():  # DL4006
    for stage in stages():
        shells = [i for i, each in enumerate(stage) if each.name == 'SHELL']
        for i, each in enumerate(stage):
            if each.name == 'RUN':
                assert [shell for shell in shells if shell < i], each.value
                assert 'pipefail' in stage[shells[0]].value


def test_files_are_copied_not_added():  # DL3020
    assert not any(each.name == 'ADD' for each in instructions())


def test_working_directories_are_absolute():  # DL3000
    folders = [each.value for each in instructions() if each.name == 'WORKDIR']
    assert folders
    assert all(PurePosixPath(folder).is_absolute() for folder in folders)


def test_the_image_runs_as_nobody_in_particular():  # DL3002
    users = [each.value for each in stages()[-1] if each.name == 'USER']
    assert users
    assert users[-1] == '1000:1000'


@pytest.mark.parametrize('name', ['CMD', 'ENTRYPOINT', 'SHELL'])
def test_commands_are_lists(name):  # DL3025
    values = [each.value for each in instructions() if each.name == name]
    assert values
    for value in values:
        assert all(isinstance(word, str) for word in json.loads(value))


def test_the_health_check_asks_what_the_image_starts():
    [check] = [each.value for each in stages()[-1] if each.name == 'HEALTHCHECK']
    command = json.loads(check.partition('CMD ')[2])
    assert command[:3] == ['/opt/sam/entrypoint.sh', 'python', '/opt/sam/health.py']
    launch = (REPOSITORY / 'sam_bringup' / 'launch' / 'sam.launch.xml').read_text()
    assert command[3:] == [f'/{name}' for name in re.findall(r'<node .*? name="(\w+)"', launch)]


def test_what_is_copied_exists_and_is_not_ignored():
    for source, _ in copies():
        assert (REPOSITORY / source).exists(), source
        parts = PurePosixPath(source).parts
        for pattern in ignored_patterns():
            assert not any(
                fnmatch('/'.join(parts[: i + 1]), pattern) for i in range(len(parts))
            ), f'{source} is ignored by {pattern}'


def test_stages_copy_from_stages_that_exist():
    for each in instructions():
        for stage in re.findall(r'(?:--|,)from=(\w+)', each.value):
            assert stage in stage_names()


def test_every_package_of_the_workspace_is_built():
    copied = set(copies())
    for package in WORKSPACE:
        assert (f'{package}/package.xml', f'{package}/') in copied, 'its dependencies'
        assert (package, package) in copied, 'its sources'


def test_what_only_a_developer_needs_stays_outside():
    for needless in ('.git', '.venv', 'build', 'install', 'log', 'underlay', '**/test'):
        assert needless in ignored_patterns()


def test_what_pip_brings_is_left_out_of_the_debian_packages():
    [resolve] = [run for run in RUNS if 'rosdep keys' in run]
    left_out = re.search(r'python3-\(([\w|]+)\)', resolve)[1].split('|')
    distributions = {'opencv': 'opencv-python-headless', 'pil': 'Pillow', 'yaml': 'PyYAML'}
    requirements = (REPOSITORY / 'requirements' / 'run.txt').read_text()
    for key in left_out:
        assert re.search(rf'^{distributions.get(key, key)}\b', requirements, re.M), key


def test_the_manifests_name_every_ros_package_that_the_setup_script_installs():
    script = (REPOSITORY / 'scripts' / 'setup.sh').read_text().replace('\\\n', ' ')
    [installed] = re.findall(r'for package in ([^;]*rosbag2[^;]*); do', script)
    manifests = ' '.join((REPOSITORY / name / 'package.xml').read_text() for name in WORKSPACE)
    assert set(installed.split()) <= set(re.findall(r'depend>(\w+)</', manifests))


def test_the_entry_point_can_be_run_and_is_a_correct_script():
    entry = DOCKER / 'entrypoint.sh'
    assert entry.stat().st_mode & 0o111 == 0o111
    subprocess.run(['bash', '-n', entry], check=True)
