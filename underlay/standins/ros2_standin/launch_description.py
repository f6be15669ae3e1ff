# SPDX-License-Identifier: Apache-2.0
"""What a launch file means: the processes that it starts, as ros2/launch would start them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ros2_standin.errors import StandinError
from ros2_standin.launch_arguments import check_arguments_given, choices_of
from ros2_standin.launch_parameters import parameter_values, write_parameters
from ros2_standin.launch_schema import read_launch_file
from ros2_standin.launch_scope import (
    LaunchScope,
    Process,
    attribute,
    condition_holds,
    seconds,
    truth,
    words,
)
from ros2_standin.launch_xml import Element
from ros2_standin.packages import executable_in_package
from ros2_standin.substitutions import unescape
from ros2_standin.words import join_namespace

# A file that includes itself would else end in a RecursionError.
_MAX_DEPTH = 50


@dataclass
class Description:
    """All that a launch file starts, and the variables at its end."""

    processes: list[Process]
    variables: dict[str, str]


def describe_launch(
    path: str, arguments: Mapping[str, str], *, parameter_folder: str
) -> Description:
    """Evaluate a launch file with its arguments; nothing is started.

    Parameters
    ----------
    path : str
        The launch file.
    arguments : Mapping[str, str]
        What the user gave as name:=value.
    parameter_folder : str
        Where the nodes' parameter files go.

    Raises
    ------
    StandinError
        If the file is wrong, needs something that is missing, or is outside the subset.
    """
    scope = LaunchScope({}, dict(os.environ), parameter_folder)
    _include(path, dict(arguments), scope)
    return Description(scope.processes, scope.variables)


def _include(path: str, arguments: dict[str, str], scope: LaunchScope) -> None:
    if scope.depth >= _MAX_DEPTH:
        raise StandinError(f'{path}: more than {_MAX_DEPTH} includes within each other')
    root = read_launch_file(path)
    check_arguments_given(root, list(arguments))
    # As in ros2/launch of Jazzy, neither these nor the folder are undone after an include.
    scope.variables.update(arguments)
    scope.folder = os.path.dirname(os.path.abspath(path))
    scope.depth += 1
    _visit_all(root, scope)
    scope.depth -= 1


def _visit_all(parent: Element, scope: LaunchScope) -> None:
    for element in parent.children:
        if element.tag in _VISITORS and condition_holds(element, scope):
            _VISITORS[element.tag](element, scope)


def _visit_arg(element: Element, scope: LaunchScope) -> None:
    name = unescape(element.attributes['name'])
    if name not in scope.variables:
        if 'default' not in element.attributes:
            raise element.error(f"Required launch argument '{name}' was not provided")
        scope.variables[name] = attribute(element, 'default', scope)
    choices = choices_of(element)
    if choices and scope.variables[name] not in choices:
        raise element.error(
            f"Argument '{name}' provided value '{scope.variables[name]}' is not valid. "
            f'Valid options are: {choices}'
        )


def _visit_let(element: Element, scope: LaunchScope) -> None:
    scope.variables[attribute(element, 'name', scope)] = attribute(element, 'value', scope)


def _visit_set_env(element: Element, scope: LaunchScope) -> None:
    scope.environment[attribute(element, 'name', scope)] = attribute(element, 'value', scope)


def _visit_include(element: Element, scope: LaunchScope) -> None:
    path = attribute(element, 'file', scope)
    arguments = {
        attribute(arg, 'name', scope): attribute(arg, 'value', scope)
        for arg in element.named('arg')
    }
    try:
        _include(path, arguments, scope)
    except StandinError as error:
        if scope.depth >= _MAX_DEPTH:
            raise
        raise type(error)(f'{error}\n  included from {element.place}') from error


def _visit_group(element: Element, scope: LaunchScope) -> None:
    if 'scoped' in element.attributes and not truth(element, 'scoped', scope):
        _visit_all(element, scope)
        return
    variables, environment = dict(scope.variables), dict(scope.environment)
    _visit_all(element, scope)
    scope.variables, scope.environment = variables, environment


def _visit_namespace(element: Element, scope: LaunchScope) -> None:
    pushed = join_namespace(
        scope.variables.get('ros_namespace'), attribute(element, 'namespace', scope)
    )
    # The name under which launch_ros keeps it, too.
    scope.variables['ros_namespace'] = pushed or '/'


def _visit_executable(element: Element, scope: LaunchScope) -> None:
    _add_process(element, words(element, 'cmd', scope), scope)


def _visit_node(element: Element, scope: LaunchScope) -> None:
    executable = attribute(element, 'exec', scope)
    if 'pkg' in element.attributes:
        try:
            executable = executable_in_package(attribute(element, 'pkg', scope), executable)
        except StandinError as error:
            raise element.error(str(error)) from error
    command = [executable, *words(element, 'args', scope), '--ros-args']
    name = attribute(element, 'name', scope) if 'name' in element.attributes else None
    own = attribute(element, 'namespace', scope) if 'namespace' in element.attributes else None
    namespace = join_namespace(scope.variables.get('ros_namespace'), own)
    command += ['-r', f'__node:={name}'] if name is not None else []
    command += ['-r', f'__ns:={namespace}'] if namespace is not None else []
    full_name = join_namespace(namespace, name) if None not in (name, namespace) else None
    for param in element.named('param'):
        command += _parameter_arguments(param, full_name or '/**', scope)
    for remap in element.named('remap'):
        source, target = attribute(remap, 'from', scope), attribute(remap, 'to', scope)
        command += ['-r', f'{source}:={target}']
    _add_process(element, command, scope)


def _parameter_arguments(param: Element, node_name: str, scope: LaunchScope) -> list[str]:
    if 'from' not in param.attributes:
        values = parameter_values(param, scope)
        return ['--params-file', write_parameters(values, node_name, scope.parameter_folder)]
    if set(param.attributes) != {'from'} or param.children:
        raise param.error("beside 'from' nothing else can be given")
    path = attribute(param, 'from', scope)
    if not os.path.isfile(path):
        raise param.error(f"the parameter file '{path}' does not exist")
    return ['--params-file', path]


def _add_process(element: Element, command: list[str], scope: LaunchScope) -> None:
    # A node's name is that of the node, an executable's that of the process.
    named = element.tag == 'executable' and 'name' in element.attributes
    label = attribute(element, 'name', scope) if named else os.path.basename(command[0])
    on_exit = element.attributes.get('on_exit')
    if on_exit not in (None, 'shutdown'):
        raise element.error(f"on_exit: expected 'shutdown', got '{on_exit}'")
    scope.processes.append(
        Process(
            name=f'{label}-{len(scope.processes) + 1}',
            command=tuple(command),
            environment=dict(scope.environment),
            output=attribute(element, 'output', scope, 'log'),
            cwd=attribute(element, 'cwd', scope) or None,
            respawn='respawn' in element.attributes and truth(element, 'respawn', scope),
            respawn_delay_s=seconds(element, 'respawn_delay'),
            shutdown_on_exit=on_exit == 'shutdown',
        )
    )


_VISITORS = {
    'arg': _visit_arg,
    'let': _visit_let,
    'set_env': _visit_set_env,
    'include': _visit_include,
    'group': _visit_group,
    'push_ros_namespace': _visit_namespace,
    'push-ros-namespace': _visit_namespace,
    'executable': _visit_executable,
    'node': _visit_node,
}
