# SPDX-License-Identifier: Apache-2.0
"""Launch files mean the commands that ros2/launch would run, or an error that names its cause."""

import pytest
import yaml
from launch_cases import CASES, ERRORS, OUTSIDE
from ros2_standin.errors import OutsideSubsetError, StandinError
from ros2_standin.launch_arguments import format_arguments, parse_arguments
from ros2_standin.launch_description import describe_launch


def write_launch(folder, body):
    path = folder / 'main.launch.xml'
    path.write_text(f'<launch>{body}</launch>')
    return str(path)


def describe(folder, body, arguments=None):
    parameters = folder / 'parameters'
    parameters.mkdir(exist_ok=True)
    path = write_launch(folder, body)
    return describe_launch(path, arguments or {}, parameter_folder=str(parameters)).processes


def with_file_contents(command):
    words = iter(command)
    result = []
    for word in words:
        result.append(word)
        if word == '--params-file':
            with open(next(words)) as stream:
                result.append(yaml.safe_load(stream))
    return result


@pytest.mark.parametrize('case', CASES, ids=[case.name for case in CASES])
def test_commands_are_those_of_ros2_launch(case, probe_package):
    processes = describe(probe_package, case.body, case.arguments)

    assert [with_file_contents(process.command[1:]) for process in processes] == case.commands


@pytest.mark.parametrize(('name', 'body', 'named'), ERRORS, ids=[e[0] for e in ERRORS])
def test_wrong_launch_file_is_an_error_that_names_it(name, body, named, probe_package):
    with pytest.raises(StandinError) as caught:
        describe(probe_package, body)

    assert named in str(caught.value)
    assert str(probe_package) in str(caught.value) or named in '/no/such.launch.xml'


@pytest.mark.parametrize(('name', 'body', 'named'), OUTSIDE, ids=[e[0] for e in OUTSIDE])
def test_outside_of_the_subset_is_an_error_that_names_it(name, body, named, probe_package):
    with pytest.raises(OutsideSubsetError, match='real ROS 2') as caught:
        describe(probe_package, body)

    assert named in str(caught.value)


def test_error_names_the_line(probe_package):
    with pytest.raises(StandinError, match=r'main\.launch\.xml:3: <let>'):
        describe(probe_package, '\n\n<let name="a"/>')


def test_doctype_is_refused(probe_package):
    path = probe_package / 'bomb.launch.xml'
    path.write_text('<!DOCTYPE launch [<!ENTITY a SYSTEM "/etc/passwd">]><launch>&a;</launch>')

    with pytest.raises(StandinError, match='DOCTYPE'):
        describe_launch(str(path), {}, parameter_folder=str(probe_package))


def test_launch_file_that_includes_itself_is_an_error(probe_package):
    with pytest.raises(StandinError, match='includes within each other'):
        describe(probe_package, '<include file="$(dirname)/main.launch.xml"/>')


def test_process_keeps_what_its_element_says(probe_package):
    (process,) = describe(
        probe_package,
        '<set_env name="A_PROBE" value="1"/><executable cmd="ls" name="n" output="screen" cwd="/" '
        'respawn="true" respawn_delay="1.5" on_exit="shutdown"/>',
    )

    assert process.name == 'n-1'
    assert process.environment['A_PROBE'] == '1'
    assert (process.output, process.cwd) == ('screen', '/')
    assert (process.respawn, process.respawn_delay_s) == (True, 1.5)
    assert process.shutdown_on_exit


def test_show_args_lists_those_of_includes(probe_package):
    path = write_launch(
        probe_package,
        '<arg name="a" default="$(env HOME)/x" description="first"/>'
        '<include file="$(find-pkg-share probe_package)/args.launch.xml" if="$(var a)"/>',
    )
    share = probe_package / 'prefix' / 'share' / 'probe_package'
    (share / 'args.launch.xml').write_text(
        '<launch><arg name="a"/><arg name="b"><choice value="1"/></arg></launch>'
    )

    assert format_arguments(path).splitlines() == [
        "Arguments (pass arguments as '<name>:=<value>'):",
        '',
        "    'a':",
        '        first',
        "        (default: EnvVar('HOME') + '/x')",
        '',
        "    'b':*",
        "        One of: ['1']",
        '',
        '* argument(s) which are only used if specific conditions occur',
    ]


@pytest.mark.parametrize('word', ['a', ':=a', 'a:=', 'a=b'])
def test_malformed_argument_is_an_error_that_names_it(word):
    with pytest.raises(StandinError, match=f"'{word}'"):
        parse_arguments([word])


def test_last_of_two_values_counts():
    assert parse_arguments(['a:=1', 'b:=x:=y', 'a:=2']) == {'a': '2', 'b': 'x:=y'}
