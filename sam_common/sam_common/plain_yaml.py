# SPDX-License-Identifier: Apache-2.0
"""A small YAML file from anywhere, read as plain data: nothing is made, looked up or repeated."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from sam_common.errors import SamError
from sam_common.files import read_file

MAX_BYTES = 65_536
MAX_DEPTH = 16
# Of what an alias may stand for; with no alias in it, so that none doubles another.
MAX_ALIASED = 1000
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


def read_plain_yaml(
    path: Path, *, max_bytes: int = MAX_BYTES, with_aliases: bool = False
) -> Plain:
    """Read one document of mappings by words, lists, words, numbers, booleans and nulls.

    There are no tags, aliases, merges, dates, or references such as ${name}: each is refused,
    as a key that comes twice is. A word that is no number, boolean or null stays a word. With
    aliases, as PyYAML writes them for an object that comes twice, each stands for at most
    `MAX_ALIASED` values, and is refused within what another one stands for.

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
    aliased = _Aliased() if with_aliases else None
    try:
        for event in yaml.parse(text, yaml.SafeLoader):
            if aliased is not None and isinstance(event, yaml.AliasEvent):
                _put(event, aliased.value(event), within)
                continue
            _refuse_more_than_data(event)
            if isinstance(event, yaml.DocumentStartEvent) and root:
                _fail(event, 'a second document begins')
            if isinstance(event, yaml.CollectionEndEvent):
                within.pop()
            if isinstance(event, yaml.NodeEvent):
                _add(event, within)
            if aliased is not None:
                aliased.note(event, within[-1][0] if within else None)
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
    value = _value(event)
    _put(event, value, within)
    if isinstance(value, dict | list):
        within.append((value, None))
        if len(within) > MAX_DEPTH + 1:
            _fail(event, f'a nesting deeper than {MAX_DEPTH}')


def _put(
    event: Any, value: Plain, within: list[tuple[dict[str, Plain] | list[Plain], str | None]]
) -> None:
    parent, key = within[-1]
    if isinstance(parent, list):
        parent.append(value)
    elif key is None:
        _fail(event, 'a key that is no word')
    else:
        parent[key] = value
        within[-1] = parent, None


class _Aliased:
    """What aliases stand for; see `read_plain_yaml`."""

    def __init__(self) -> None:
        self._known: dict[str, Plain] = {}
        # Of each collection that is open: its anchor, itself, how many values it has.
        self._open: list[tuple[str | None, Plain, float]] = []

    def note(self, event: Any, within: dict[str, Plain] | list[Plain] | None) -> None:
        """Take note of an event that is no alias; `within` is open after it."""
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append((event.anchor, within, 0))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, value, count = self._open.pop()
            if anchor is not None and count <= MAX_ALIASED:
                self._known[anchor] = value
            self._count(count)
        elif isinstance(event, yaml.ScalarEvent):
            if event.anchor is not None:
                self._known[event.anchor] = _value(event)
            self._count(1)

    def value(self, event: Any) -> Plain:
        """Return what an alias stands for."""
        self._count(float('inf'))
        if event.anchor not in self._known:
            _fail(
                event,
                f'the alias *{event.anchor!s:.{_MAX_SHOWN}} stands for nothing, for more than '
                f'{MAX_ALIASED} values, or for another alias; write them out',
            )
        return self._known[event.anchor]

    def _count(self, more: float) -> None:
        if self._open:
            anchor, value, count = self._open[-1]
            self._open[-1] = anchor, value, count + more


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
