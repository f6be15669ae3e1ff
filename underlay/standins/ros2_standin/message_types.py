# SPDX-License-Identifier: Apache-2.0
"""Message types by name: their Python class, and their definition as bags keep it."""

import importlib
import os
import re
from typing import Any

from ros2_standin.errors import StandinError
from ros2_standin.packages import share_folder

_NAME = re.compile(r'([a-z][a-z0-9_]*)/msg/([A-Z][A-Za-z0-9]*)')
_USED = re.compile(r'([a-z][a-z0-9_]*)/([A-Z][A-Za-z0-9]*)')


def message_class(type_name: str) -> Any:
    """Return the class of a type as `std_msgs/msg/String`.

    Raises
    ------
    StandinError
        If it is no name of a message type, or its package isn't installed.
    """
    match = _NAME.fullmatch(type_name)
    if match is None:
        raise StandinError(f"'{type_name}' is not the name of a message type")
    # A name out of a bag must not import whatever happens to be called so.
    share_folder(match[1])
    try:
        return getattr(importlib.import_module(f'{match[1]}.msg'), match[2])
    except (ImportError, AttributeError) as error:
        raise StandinError(f"the message type '{type_name}' is not installed") from error


def message_definition(type_name: str) -> str:
    """Return the text of a type's .msg file, followed by those of all types that it uses.

    Raises
    ------
    StandinError
        If a type isn't installed.
    """
    texts: dict[str, str] = {}
    pending = [type_name]
    while pending:
        name = pending.pop(0)
        package, _, kind = name.split('/')
        if name not in texts:
            texts[name] = _read_definition(package, kind)
            fields = message_class(name).get_fields_and_field_types().values()
            pending += [f'{m[1]}/msg/{m[2]}' for field in fields for m in _USED.finditer(field)]
    separator = '=' * 80
    own = texts.pop(type_name)
    used = (f'{separator}\nMSG: {name.replace("/msg/", "/")}\n{t}' for name, t in texts.items())
    return '\n'.join([own, *used])


def _read_definition(package: str, kind: str) -> str:
    path = os.path.join(share_folder(package), 'msg', f'{kind}.msg')
    try:
        with open(path, encoding='utf-8') as stream:
            return stream.read()
    except OSError as error:
        raise StandinError(f'cannot read {path}: {error.strerror}') from error
