# SPDX-License-Identifier: Apache-2.0
"""Launch files of the subset, each with the commands that ros2/launch of Jazzy makes of it.

`PROBE` is an executable and `probe_package` a package that has it as `probe`, see conftest.py.
A command stands without its executable, and a parameter file as what is in it.
"""

from typing import Any, NamedTuple


class Case(NamedTuple):
    """A launch file's body, its arguments, and the commands that it means."""

    name: str
    body: str
    commands: list[list[Any]]
    arguments: dict[str, str] = {}  # noqa: RUF012


NODE = '<node pkg="probe_package" exec="probe"'


def _param(attributes: str) -> str:
    return f'{NODE}><param name="p" {attributes}/></node>'


def _params(value: Any, node: str = '/**') -> list[Any]:
    return ['--ros-args', '--params-file', {node: {'ros__parameters': value}}]


CASES = [
    Case('bare_node', f'{NODE}/>', [['--ros-args']]),
    Case('node_name', f'{NODE} name="n"/>', [['--ros-args', '-r', '__node:=n']]),
    Case('node_namespace', f'{NODE} namespace="a"/>', [['--ros-args', '-r', '__ns:=/a']]),
    Case('empty_namespace', f'{NODE} namespace=""/>', [['--ros-args', '-r', '__ns:=/']]),
    Case('trailing_slash', f'{NODE} namespace="/a/"/>', [['--ros-args', '-r', '__ns:=/a']]),
    Case(
        'all_of_a_node',
        f'{NODE} name="n" namespace="/s" args="--x $(var v)/y \'a b\'">'
        '<param name="i" value="1"/><remap from="a" to="~/b"/><remap from="c" to="d"/></node>',
        [
            ['--x', '1 2/y', 'a b', '--ros-args', '-r', '__node:=n', '-r', '__ns:=/s']
            + _params({'i': 1}, '/s/n')[1:]
            + ['-r', 'a:=~/b', '-r', 'c:=d']
        ],
        {'v': '1 2'},
    ),
    Case(
        'args_between_substitutions',
        f'<let name="a" value="1"/>{NODE} args="$(var a) $(var a)$(var a) --b=$(var a)x  c "/>',
        [['1', '11', '--b=1x', 'c', '--ros-args']],
    ),
    Case('empty_args', f'{NODE} args=""/>', [['', '--ros-args']]),
    Case(
        'pushed_namespace_ends_with_its_group',
        '<group><push_ros_namespace namespace="g"/><group><push-ros-namespace namespace="h"/>'
        f'{NODE} name="n"><param name="p" value="1"/></node></group>{NODE} namespace="i"/>'
        f'{NODE} namespace="/j"/></group>{NODE}/>',
        [
            ['--ros-args', '-r', '__node:=n', '-r', '__ns:=/g/h']
            + _params({'p': 1}, '/g/h/n')[1:],
            ['--ros-args', '-r', '__ns:=/g/i'],
            ['--ros-args', '-r', '__ns:=/j'],
            ['--ros-args'],
        ],
    ),
    Case(
        'let_is_scoped_by_groups',
        '<let name="a" value="1"/><group><let name="a" value="2"/></group>'
        f'<group scoped="false"><let name="b" value="3"/></group>{NODE} args="$(var a)$(var b)"/>',
        [['13', '--ros-args']],
    ),
    Case(
        'set_env_is_scoped_by_groups',
        '<set_env name="A_PROBE" value="1"/><group><set_env name="A_PROBE" value="2"/>'
        f'{NODE} args="$(env A_PROBE)"/></group>'
        f'{NODE} args="$(env A_PROBE) $(env B_PROBE other) $(env B_PROBE \'\')x"/>',
        [['2', '--ros-args'], ['1', 'other', 'x', '--ros-args']],
    ),
    Case(
        'arguments_override_defaults',
        '<arg name="a" default="1" description="d"/><arg name="b" default="$(var a)2"/>'
        f'{NODE} args="$(var a) $(var b) $(var c d)"/>',
        [['7', '72', 'd', '--ros-args']],
        {'a': '7'},
    ),
    Case(
        'conditions',
        f'{NODE} args="1" if="$(var yes)"/>{NODE} args="2" unless="$(var yes)"/>'
        f'{NODE} args="3" if=" 0 "/><group unless="False">{NODE} args="4"/></group>'
        '<let name="l" value="5" if="1"/><let name="l" value="6" unless="1"/>'
        f'{NODE} args="$(var l)"/>',
        [['1', '--ros-args'], ['4', '--ros-args'], ['5', '--ros-args']],
        {'yes': 'TRUE'},
    ),
    Case(
        'choice', f'<arg name="a"><choice value="x"/></arg>{NODE}/>', [['--ros-args']], {'a': 'x'}
    ),
    Case(
        'include_sets_its_arguments_and_they_stay',
        '<include file="$(dirname)/included.launch.xml"><arg name="inner" value="1"/></include>'
        f'{NODE} args="$(var inner) $(var set_inside)"/>',
        [['1', '--ros-args'], ['1', '2', '--ros-args']],
    ),
    Case(
        'include_in_a_group_leaves_nothing',
        '<group><include file="$(dirname)/included.launch.xml"><arg name="inner" value="1"/>'
        f'</include></group>{NODE} args="$(var inner none)"/>',
        [['1', '--ros-args'], ['none', '--ros-args']],
    ),
    Case(
        'find_pkg_share',
        '<include file="$(find-pkg-share probe_package)/shared.launch.xml"/>',
        [['shared', '--ros-args']],
    ),
    Case(
        'dirname_after_an_include',
        '<include file="$(find-pkg-share probe_package)/shared.launch.xml"/>'
        '<include file="$(dirname)/shared.launch.xml"/>',
        [['shared', '--ros-args'], ['shared', '--ros-args']],
    ),
    Case(
        'executable',
        '<executable cmd="$(env PROBE) \'a b\' $(var v)c" name="n" output="both" cwd="/"/>',
        [['a b', 'x yc']],
        {'v': 'x y'},
    ),
    Case('escapes', f'{NODE} args="\\$(var a) \\\\n"/>', [['$(var', 'a)', 'n', '--ros-args']]),
    Case(
        'quotes_in_arguments', f'{NODE} args="$(env B_PROBE \'a b\')"/>', [['a b', '--ros-args']]
    ),
    Case(
        'nested_substitutions',
        f'{NODE} args="$(env $(var v) &quot;$(var w) x&quot;)"/>',
        [['2 x', '--ros-args']],
        {'v': 'B_PROBE', 'w': '2'},
    ),
    Case('param_int', _param('value="1"'), [_params({'p': 1})]),
    Case('param_float', _param('value="1."'), [_params({'p': 1.0})]),
    Case('param_bool', _param('value="true"'), [_params({'p': True})]),
    Case('param_yes_is_bool', _param('value="yes"'), [_params({'p': True})]),
    Case('param_text', _param('value="/a/b c"'), [_params({'p': '/a/b c'})]),
    Case('param_empty', _param('value=""'), [_params({'p': ''})]),
    Case('param_quoted_is_text', _param('value="\'1\'"'), [_params({'p': '1'})]),
    Case('param_no_yaml_is_text', _param('value="[1"'), [_params({'p': '[1'})]),
    Case('param_list', _param('value="[1, 2]"'), [_params({'p': [1, 2]})]),
    Case('param_empty_list', _param('value="[]"'), [_params({'p': []})]),
    Case('param_var', _param('value="$(var v)"'), [_params({'p': 0.5})], {'v': '0.5'}),
    Case('param_var_text', _param('value="$(var v)s"'), [_params({'p': '0.5s'})], {'v': '0.5'}),
    Case(
        'param_list_of_vars',
        _param('value="[$(var v), $(var v)]"'),
        [_params({'p': [3, 3]})],
        {'v': '3'},
    ),
    Case(
        'param_var_is_list', _param('value="$(var v)"'), [_params({'p': [1, 2]})], {'v': '[1,2]'}
    ),
    Case('param_str', _param('value="1" type="str"'), [_params({'p': '1'})]),
    Case(
        'param_str_var', _param('value="$(var v)" type="str"'), [_params({'p': '1'})], {'v': '1'}
    ),
    Case('param_typed_float', _param('value="1" type="float"'), [_params({'p': 1.0})]),
    Case(
        'param_typed_bool',
        _param('value="$(var v)" type="bool"'),
        [_params({'p': True})],
        {'v': '1'},
    ),
    Case(
        'param_list_of_str',
        _param('value="[\'1\', a]" type="list_of_str"'),
        [_params({'p': ['1', 'a']})],
    ),
    Case(
        'params_nested_and_several',
        f'{NODE}><param name="a"><param name="b" value="1"/><param name="c"><param name="d" '
        'value="x"/></param></param><param name="e" value="2"/></node>',
        [_params({'a.b': 1, 'a.c.d': 'x'}) + _params({'e': 2})[1:]],
    ),
    Case(
        'param_file',
        f'{NODE}><param from="$(dirname)/params.yaml"/><param name="p" value="2"/></node>',
        [_params({'q': 5}) + _params({'p': 2})[1:]],
    ),
]

# Bodies that are an error, with what the stand-in's message must name. ros2/launch refuses those
# of the first list too; those of the second it knows, and this stand-in doesn't.
ERRORS = [
    ('unknown_element', '<nodes/>', 'nodes'),
    ('unknown_attribute', f'{NODE} colour="red"/>', 'colour'),
    ('unknown_substitution', f'{NODE} args="$(nothing x)"/>', 'nothing'),
    ('unknown_variable', f'{NODE} args="$(var nothing)"/>', 'nothing'),
    ('unknown_environment', f'{NODE} args="$(env NO_SUCH_PROBE)"/>', 'NO_SUCH_PROBE'),
    ('unknown_package', '<node pkg="no_such_package" exec="x"/>', 'no_such_package'),
    ('unknown_executable', '<node pkg="probe_package" exec="no_such"/>', 'no_such'),
    ('unclosed_substitution', f'{NODE} args="$(var a"/>', '$(var a'),
    ('unclosed_quotation', f'{NODE} args="\'a"/>', "'a"),
    ('unknown_variable_in_param', _param('value="$(var nothing)"'), 'nothing'),
    ('unknown_variable_in_remap', f'{NODE}><remap from="$(var x)" to="b"/></node>', "'x'"),
    ('missing_argument', f'<arg name="needed"/>{NODE}/>', 'needed'),
    (
        'include_without_its_argument',
        '<let name="inner" value="1"/><include file="$(dirname)/included.launch.xml"/>',
        'inner',
    ),
    ('missing_attribute', '<node pkg="probe_package"/>', 'exec'),
    ('no_choice', f'<arg name="a" default="y"><choice value="x"/></arg>{NODE}/>', "'y'"),
    ('no_condition', f'{NODE} if="maybe"/>', 'maybe'),
    ('both_conditions', f'{NODE} if="1" unless="1"/>', 'unless'),
    ('missing_include', '<include file="/no/such.launch.xml"/>', '/no/such.launch.xml'),
    ('param_dict', _param('value="{a: 1}"'), "'p'"),
    ('param_mixed_list', _param('value="[1, a]"'), "'p'"),
    ('param_mixed_numbers', _param('value="[1, 2.0]"'), "'p'"),
    ('param_null', _param('value="null"'), "'p'"),
    ('param_no_int', _param('value="a" type="int"'), "'p'"),
    (
        'param_no_int_var',
        '<let name="v" value="a"/>' + _param('value="$(var v)" type="int"'),
        "'p'",
    ),
    ('param_int_list_var', _param('value="[1, 2]" type="list_of_float"'), "'p'"),
    ('param_unknown_type', _param('value="a" type="text"'), 'text'),
    ('param_without_value', f'{NODE}><param name="p"/></node>', 'value'),
    ('not_well_formed', '<node', 'not well-formed'),
]
OUTSIDE = [
    ('eval', f'{NODE} args="$(eval 1)"/>', 'eval'),
    ('eval_in_a_group_that_is_off', f'<group if="0">{NODE} args="$(eval 1)"/></group>', 'eval'),
    ('command', f'{NODE} args="$(command ls)"/>', 'command'),
    ('composable', '<node_container pkg="a" exec="b" name="c" namespace=""/>', 'node_container'),
    ('timer', '<timer period="1"/>', 'timer'),
    ('ros_args', f'{NODE} ros_args="--log-level debug"/>', 'ros_args'),
    ('launch_prefix', f'{NODE} launch-prefix="gdb"/>', 'launch-prefix'),
    ('python', '<include file="$(dirname)/other.launch.py"/>', 'other.launch.py'),
]
