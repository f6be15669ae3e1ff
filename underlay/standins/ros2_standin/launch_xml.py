# SPDX-License-Identifier: Apache-2.0
"""Reads a launch file's XML into elements that know their line, and nothing dangerous with it."""

import os
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from ros2_standin.errors import OutsideSubsetError, StandinError


class LaunchFileError(StandinError):
    """A launch file that is wrong, with the place where."""


@dataclass
class Element:
    """One XML element; `file` and `line` say where it opens."""

    tag: str
    attributes: dict[str, str]
    file: str
    line: int
    children: list['Element'] = field(default_factory=list)

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f'{self.file}:{self.line}'

    def error(self, message: str) -> LaunchFileError:
        """Return an error that names this element's place."""
        return LaunchFileError(f'{self.place}: <{self.tag}>: {message}')

    def outside(self, what: str) -> OutsideSubsetError:
        """Return an error that says that something in this element isn't supported here."""
        return OutsideSubsetError(f'{self.place}: <{self.tag}>: {what}')

    def named(self, tag: str) -> list['Element']:
        """Return the children of one tag."""
        return [child for child in self.children if child.tag == tag]


def read_launch_xml(path: str) -> Element:
    """Return the root element of a launch file.

    A document type declaration is refused: it is what entities that expand without end, or read
    other files, are declared in.

    Raises
    ------
    LaunchFileError
        If the file can't be read or isn't well-formed.
    """
    reader = _Reader(path)
    try:
        with open(path, 'rb') as stream:
            reader.parser.ParseFile(stream)
    except OSError as error:
        raise LaunchFileError(f'{path}: {error.strerror}') from error
    except expat.ExpatError as error:
        raise LaunchFileError(f'{path}:{error.lineno}: not well-formed XML: {error}') from error
    return reader.opened[0].children[0]


class _Reader:
    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self.opened = [Element('', {}, self.path, 0)]
        self.parser: Any = expat.ParserCreate()
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.refuse_doctype

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, self.path, self.parser.CurrentLineNumber)
        self.opened[-1].children.append(element)
        self.opened.append(element)

    def end(self, tag: str) -> None:
        self.opened.pop()

    def refuse_doctype(self, *declaration: object) -> None:
        raise LaunchFileError(
            f'{self.path}:{self.parser.CurrentLineNumber}: a DOCTYPE is not allowed here'
        )
