# SPDX-License-Identifier: Apache-2.0
"""The subset of launch XML: its elements, their attributes, and what may stand within them."""

from dataclasses import dataclass

from ros2_standin.errors import OutsideSubsetError
from ros2_standin.launch_xml import Element, LaunchFileError, read_launch_xml
from ros2_standin.substitutions import SubstitutionError, parse_template


@dataclass(frozen=True)
class _Rule:
    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    children: frozenset[str] = frozenset()


_IF = frozenset({'if', 'unless'})
_PROCESS = _IF | {'output', 'respawn', 'respawn_delay', 'on_exit'}
ACTIONS = frozenset(
    {'arg', 'let', 'include', 'group', 'node', 'executable', 'set_env'}
    | {'push_ros_namespace', 'push-ros-namespace'}
)
_NAMESPACE = _Rule(frozenset({'namespace'}), _IF)
_VALUE = _Rule(frozenset({'name', 'value'}))
_RULES = {
    'launch': _Rule(optional=frozenset({'version'}), children=ACTIONS),
    'arg': _Rule(
        frozenset({'name'}), _IF | frozenset({'default', 'description'}), frozenset({'choice'})
    ),
    'choice': _Rule(frozenset({'value'})),
    'let': _Rule(_VALUE.required, _IF),
    'set_env': _Rule(_VALUE.required, _IF),
    'include': _Rule(frozenset({'file'}), _IF, frozenset({'arg'})),
    'include/arg': _VALUE,
    'group': _Rule(optional=_IF | {'scoped'}, children=ACTIONS),
    'push_ros_namespace': _NAMESPACE,
    'push-ros-namespace': _NAMESPACE,
    'node': _Rule(
        frozenset({'exec'}),
        _PROCESS | {'pkg', 'name', 'namespace', 'args'},
        frozenset({'param', 'remap'}),
    ),
    'param': _Rule(
        optional=frozenset({'name', 'value', 'type', 'from'}), children=frozenset({'param'})
    ),
    'remap': _Rule(frozenset({'from', 'to'})),
    'executable': _Rule(frozenset({'cmd'}), _PROCESS | {'name', 'cwd'}),
}


def read_launch_file(path: str) -> Element:
    """Return the root of a launch file in which all is within the subset.

    Raises
    ------
    LaunchFileError
        If the file can't be read or is wrong.
    OutsideSubsetError
        If it has an element, an attribute or a substitution that only ROS 2 knows.
    """
    if not path.endswith('.xml') and not path.endswith('.launch'):
        raise OutsideSubsetError(f'{path}: a launch file that is not *.launch.xml')
    root = read_launch_xml(path)
    if root.tag != 'launch':
        raise LaunchFileError(f'{root.place}: expected <launch> as root, got <{root.tag}>')
    _check(root, _RULES['launch'])
    return root


def _check(element: Element, rule: _Rule) -> None:
    for name, value in element.attributes.items():
        if name not in rule.required | rule.optional:
            raise element.outside(f"the attribute '{name}'")
        try:
            parse_template(value)
        except OutsideSubsetError as error:
            raise OutsideSubsetError(f'{element.place}: {name}="{value}"') from error
        except SubstitutionError as error:
            raise element.error(f'{name}: {error}') from error
    for name in sorted(rule.required - element.attributes.keys()):
        raise element.error(f"the attribute '{name}' is missing")
    if {'if', 'unless'}.issubset(element.attributes):
        raise element.error("'if' and 'unless' can't be used together")
    for child in element.children:
        if child.tag not in rule.children:
            raise child.outside(f'an element within <{element.tag}>')
        _check(child, _RULES.get(f'{element.tag}/{child.tag}', _RULES[child.tag]))
