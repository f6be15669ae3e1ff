# SPDX-License-Identifier: Apache-2.0
"""`param` elements of a node: typed values, written to the file that the node reads."""

import os
import tempfile
from typing import Any

import yaml

from ros2_standin.errors import StandinError
from ros2_standin.launch_xml import Element
from ros2_standin.substitutions import Call, Scope, parse_template, perform

Scalar = bool | int | float | str
Value = Scalar | list[Scalar]

_TYPES: dict[str, type] = {'str': str, 'bool': bool, 'int': int, 'float': float}
_LIST = 'list_of_'


def parameter_values(param: Element, scope: Scope) -> dict[str, Value]:
    """Return a `param` element's names and values; nested ones have names with dots.

    Raises
    ------
    LaunchFileError
        If it has both or neither of a value and nested parameters, or the value isn't of its type.
    """
    if 'name' not in param.attributes:
        raise param.error("the attribute 'name' or 'from' is missing")
    try:
        name = perform(parse_template(param.attributes['name']), scope)
    except StandinError as error:
        raise param.error(f'name: {error}') from error
    text, nested = param.attributes.get('value'), param.named('param')
    if (text is None) == (not nested) or (nested and 'type' in param.attributes):
        raise param.error('either a value or nested parameters are expected')
    if text is not None:
        try:
            return {name: _typed_value(text, param.attributes.get('type', 'yaml'), scope)}
        except (StandinError, ValueError) as error:
            raise param.error(f"parameter '{name}': {error}") from error
    values: dict[str, Value] = {}
    for child in nested:
        if 'from' in child.attributes:
            raise child.error("'from' can't be nested")
        values |= {f'{name}.{k}': value for k, value in parameter_values(child, scope).items()}
    return values


def write_parameters(values: dict[str, Value], node_name: str, folder: str) -> str:
    """Write values for a node, `/**` for any, to a new file in a folder; return its path."""
    handle, path = tempfile.mkstemp(prefix='launch_params_', dir=folder)
    with os.fdopen(handle, 'w') as stream:
        yaml.safe_dump({node_name: {'ros__parameters': values}}, stream, default_flow_style=False)
    return path


class _NotYamlError(ValueError):
    """Text that is no YAML, and thus may still be meant as text."""


def _typed_value(text: str, type_name: str, scope: Scope) -> Value:
    # In two steps, as ros2/launch: first what is written, then what substitutions make of it.
    item_name = type_name.removeprefix(_LIST)
    if item_name not in _TYPES and type_name != 'yaml':
        raise ValueError(
            f"the type '{type_name}' is not known; there are yaml, {', '.join(_TYPES)} "
            f'and {_LIST}... of these'
        )
    try:
        written = _convert(text, type_name)
    except _NotYamlError:
        written = text
    except ValueError:
        if _is_plain(text) or type_name.startswith(_LIST):
            raise
        written = text
    result: Value
    if isinstance(written, list):
        items = [_perform(item, item_name, scope) for item in written]
        result = [item for item in items if not isinstance(item, list)]
        if len(result) < len(items):
            raise ValueError(f'{text!r} has a list within a list')
    else:
        result = _perform(written, item_name, scope)
    _check_type(result, type_name)
    return result


def _perform(item: Scalar, type_name: str, scope: Scope) -> Value:
    if not isinstance(item, str):
        return item
    result = perform(parse_template(item), scope)
    return result if _is_plain(item) else _convert(result, type_name)


def _is_plain(text: str) -> bool:
    return not any(isinstance(part, Call) for part in parse_template(text))


def _convert(text: str, type_name: str) -> Value:
    if type_name in ('str', 'int', 'float'):
        scalar: Scalar = _TYPES[type_name](text)
        return scalar
    if type_name == 'bool':
        return _from_yaml({'1': 'true', '0': 'false'}.get(text, text))
    value = _from_yaml(text)
    if type_name.startswith(_LIST) and not isinstance(value, list):
        raise ValueError(f'{text!r} is not a list')
    return value


def _from_yaml(text: str) -> Value:
    if not text:
        return text
    try:
        value: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise _NotYamlError(f'{text!r} is not YAML: {error}') from error
    items = value if isinstance(value, list) else [value]
    if all(isinstance(item, bool | int | float | str) for item in items):
        result: Value = value
        return result
    raise ValueError(f'{text!r} is not a bool, int, float, str or a list of one of these')


def _check_type(value: Value, type_name: str) -> None:
    types = {type(item) for item in (value if isinstance(value, list) else [value])}
    if len(types) > 1:
        raise ValueError(f'the items of {value!r} are not of one type')
    expected = _TYPES.get(type_name.removeprefix(_LIST))
    if expected is not None and (
        types - {expected} or isinstance(value, list) != type_name.startswith(_LIST)
    ):
        raise ValueError(f'{value!r} is not of the type {type_name}')
