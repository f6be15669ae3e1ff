# SPDX-License-Identifier: Apache-2.0
"""The text that defines a message type with all that it contains, as bags carry it."""

from __future__ import annotations

import re
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

SEPARATOR = '=' * 80
PRIMITIVES = frozenset(
    ('bool', 'byte', 'char', 'float32', 'float64', 'string', 'wstring')
    + tuple(f'{sign}int{bits}' for sign in ('', 'u') for bits in (8, 16, 32, 64))
)
_FIELD = re.compile(r'^\s*([A-Za-z][\w/]*)(?:<=\d+)?(?:\[[^\]]*\])?\s+[A-Za-z]\w*')


def message_definition(type_name: str) -> str:
    """Return the .msg files of a type and of those that it contains, concatenated.

    Parameters
    ----------
    type_name : str
        As in 'sensor_msgs/msg/Image'.

    Raises
    ------
    PackageNotFoundError, FileNotFoundError
        If the type is not installed.

    """
    text = _file_text(type_name)
    parts, seen = [text], {type_name}
    waiting = _contained(type_name, text)
    while waiting:
        name = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        text = _file_text(name)
        parts.append(f'{SEPARATOR}\nMSG: {name.replace("/msg/", "/")}\n{text}')
        waiting += _contained(name, text)
    return '\n'.join(parts)


def make_typestore(type_name: str, definition: str) -> Typestore:
    """Return a store that knows the types of a definition from `message_definition`.

    It computes their hashes as ROS 2 does (REP 2016), and serialises them.
    """
    store = get_typestore(Stores.EMPTY)
    store.register(get_types_from_msg(definition, type_name))
    return store


def _file_text(type_name: str) -> str:
    package, _, name = type_name.split('/')
    return (Path(get_package_share_directory(package)) / 'msg' / f'{name}.msg').read_text()


def _contained(type_name: str, text: str) -> list[str]:
    names = []
    for line in text.splitlines():
        field = _FIELD.match(line.partition('#')[0])
        if not field or field[1] in PRIMITIVES:
            continue
        package, _, name = field[1].rpartition('/')
        names.append(f'{package or type_name.partition("/")[0]}/msg/{name}')
    return names
