# SPDX-License-Identifier: Apache-2.0
"""A small YAML file from anywhere, read as plain data: nothing is made, looked up or repeated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from sam_segmentation.core.errors import SamError
from sam_segmentation.core.files import read_file

MAX_BYTES = 65_536
MAX_DEPTH = 16
_MAX_SHOWN = 60

Plain: TypeAlias = 'dict[str, Plain] | list[Plain] | str | int | float | bool | None'

_NULL = frozenset({'', '~', 'null', 'Null', 'NULL'})
_TRUTH = {
    spelling: value
    for word, value in {
        'true': True,
        'yes': True,
        'on': True,
        'false': False,
        'no': False,
        'off': False,
    }.items()
    for spelling in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r'[-+]?[0-9]{1,18}', re.ASCII)
# 1e-6 is a number too, as in the official configs, though YAML 1.1 takes it for a word.
_DECIMAL = re.compile(
    r'[-+]?([0-9]{1,40}(\.[0-9]{0,40})?|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?', re.ASCII
)


class PlainYamlError(SamError, ValueError):
    """A YAML file that cannot be read, or is more than plain data."""


def read_plain_yaml(path: Path, *, max_bytes: int = MAX_BYTES) -> Plain:
    """Read one document of mappings by words, lists, words, numbers, booleans and nulls.

    There are no tags, aliases, merges, dates, or references such as ${name}: each is refused,
    as a key that comes twice is. A word that is no number, boolean or null stays a word.

    Raises
    ------
    FileError
        If it is no ordinary file of at most `max_bytes`.
    PlainYamlError
        If it is not plain, or nested deeper than `MAX_DEPTH`; the message says in which line.

    """
    text = read_file(path, max_bytes=max_bytes)
    root: list[Plain] = []
    # The collections that are open, each with the key that waits for its value.
    within: list[tuple[dict[str, Plain] | list[Plain], str | None]] = [(root, None)]
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            _refuse_more_than_data(event)
            if isinstance(event, yaml.DocumentStartEvent) and root:
                _fail(event, 'a second document begins')
            if isinstance(event, yaml.CollectionEndEvent):
                within.pop()
            if isinstance(event, yaml.NodeEvent):
                _add(event, within)
    except PlainYamlError as error:
        raise PlainYamlError(f'{path}, {error}') from error
    # The latter two come from the scanner, for an escape or a version that is no number of its.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        message = ' '.join(str(error).split())[:200]
        raise PlainYamlError(f'{path} is no YAML: {message}') from error
    return root[0] if root else None


def _refuse_more_than_data(event: Any) -> None:
    if isinstance(event, yaml.AliasEvent):
        _fail(event, f'the alias *{event.anchor!s:.{_MAX_SHOWN}}; write out what it stands for')
    if getattr(event, 'tag', None) is not None:
        _fail(event, f'the tag {event.tag[:_MAX_SHOWN]!r}; leave it out')
    if isinstance(event, yaml.ScalarEvent) and '${' in event.value:
        _fail(event, f'{event.value[:_MAX_SHOWN]!r}, which refers to something; write the value')


def _add(event: Any, within: list[tuple[dict[str, Plain] | list[Plain], str | None]]) -> None:
    parent, key = within[-1]
    if isinstance(parent, dict) and key is None:
        if not isinstance(event, yaml.ScalarEvent):
            _fail(event, 'a key that is no word')
        if event.value in parent:
            _fail(event, f'the key {event.value[:_MAX_SHOWN]!r} a second time')
        within[-1] = parent, event.value
        return
    value: Plain = _value(event)
    if isinstance(parent, dict):
        assert key is not None  # noqa: S101  (for the type checker)
        parent[key] = value
        within[-1] = parent, None
    else:
        parent.append(value)
    if isinstance(value, dict | list):
        within.append((value, None))
        if len(within) > MAX_DEPTH + 1:
            _fail(event, f'a nesting deeper than {MAX_DEPTH}')


def _value(event: Any) -> Plain:
    if isinstance(event, yaml.MappingStartEvent):
        return {}
    if isinstance(event, yaml.SequenceStartEvent):
        return []
    word: str = event.value
    if event.style is not None:  # quoted
        return word
    if word in _NULL:
        return None
    if word in _TRUTH:
        return _TRUTH[word]
    if _INTEGER.fullmatch(word):
        return int(word)
    return float(word) if _DECIMAL.fullmatch(word) else word


def _fail(event: Any, what: str) -> None:
    raise PlainYamlError(f'line {event.start_mark.line + 1}: {what}')
