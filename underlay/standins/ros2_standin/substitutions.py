# SPDX-License-Identifier: Apache-2.0
"""`$(name arguments)` in attributes: parsed into templates, which a context turns into text.

Grammar and results are those of ros2/launch. A template is a list of parts, text and calls.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ros2_standin.errors import OutsideSubsetError, StandinError
from ros2_standin.packages import share_folder


class SubstitutionError(StandinError):
    """A substitution that is written wrongly, or has no value."""


class Scope(Protocol):
    """What substitutions look their values up in."""

    @property
    def variables(self) -> Mapping[str, str]:
        """Launch arguments and what `let` set."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Environment variables."""

    @property
    def folder(self) -> str | None:
        """Folder of the launch file."""


@dataclass(frozen=True)
class Text:
    """A part that stands for itself."""

    text: str

    def perform(self, scope: Scope) -> str:
        """Return the text."""
        return self.text

    def describe(self) -> str:
        """Return what `--show-args` prints."""
        return f"'{self.text}'"


@dataclass(frozen=True)
class Call:
    """A part in `$(...)`; each argument is a template."""

    name: str
    arguments: tuple['Template', ...]

    def perform(self, scope: Scope) -> str:
        """Return the value.

        Raises
        ------
        SubstitutionError
            If a name has no value.
        StandinError
            If there is no such package.
        """
        values = [perform(argument, scope) for argument in self.arguments]
        if self.name == 'dirname':
            if scope.folder is None:
                raise SubstitutionError('$(dirname) has no value outside of a launch file')
            return scope.folder
        if self.name == 'find-pkg-share':
            return share_folder(values[0])
        known, what = scope.environment, 'environment variable'
        if self.name == 'var':
            known, what = scope.variables, 'launch configuration'
        value = known.get(values[0], *values[1:])
        if value is None:
            raise SubstitutionError(f"{what} '{values[0]}' does not exist")
        return value

    def describe(self) -> str:
        """Return what `--show-args` prints."""
        first = self.arguments[0] if self.arguments else []
        described = ' + '.join(part.describe() for part in first)
        names = {
            'var': 'LaunchConfig({})',
            'env': 'EnvVar({})',
            'find-pkg-share': 'FindPackageShare(pkg={})',
            'dirname': 'ThisLaunchFileDir()',
        }
        return names[self.name].format(described)


Template = list[Text | Call]

# How many arguments each substitution takes.
_ARGUMENT_COUNTS = {'var': (1, 2), 'env': (1, 2), 'find-pkg-share': (1, 1), 'dirname': (0, 0)}

_NAME = re.compile(r'\$\(([A-Za-z][A-Za-z0-9_-]*)')
# Text up to the next `$(`; a backslash takes the meaning from what follows it.
_OUTSIDE = re.compile(r'(?:\\.|[^$\\]|\\$|\$(?!\())+', re.DOTALL)
_ARGUMENT = re.compile(r'(?:\\.|[^ \'"$()\\]|\$(?!\())+', re.DOTALL)
_QUOTED = {
    "'": re.compile(r"(?:\\.|[^'$\\]|\$(?!\())+", re.DOTALL),
    '"': re.compile(r'(?:\\.|[^"$\\]|\$(?!\())+', re.DOTALL),
}


def unescape(text: str) -> str:
    """Drop the backslashes that take a character's meaning away."""
    return re.sub(r'\\(.)', r'\1', text)


def perform(template: Template, scope: Scope) -> str:
    """Return the text that a template stands for."""
    return ''.join(part.perform(scope) for part in template)


def parse_template(text: str) -> Template:
    """Parse an attribute's value.

    Raises
    ------
    SubstitutionError
        If a substitution isn't written as it should be.
    OutsideSubsetError
        If it is one that only ROS 2 knows.
    """
    if not text:
        return [Text('')]
    template, end = _parse_parts(text, 0, _OUTSIDE)
    if end < len(text):
        raise SubstitutionError(f'cannot parse {text!r} from {text[end:]!r} on')
    return template


def _parse_parts(text: str, at: int, plain: re.Pattern[str]) -> tuple[Template, int]:
    parts: Template = []
    while at < len(text):
        if match := plain.match(text, at):
            parts.append(Text(unescape(match[0])))
            at = match.end()
        elif text.startswith('$(', at):
            call, at = _parse_call(text, at)
            parts.append(call)
        else:
            break
    return parts, at


def _parse_call(text: str, start: int) -> tuple[Call, int]:
    match = _NAME.match(text, start)
    if match is None:
        raise SubstitutionError(f'a substitution needs a name: {text[start:]!r}')
    name, at = match[1], match.end()
    if name not in _ARGUMENT_COUNTS:
        raise OutsideSubsetError(f'the substitution $({name})')
    arguments: list[Template] = []
    while text.startswith(' ', at):
        argument, at = _parse_argument(text, at + 1)
        arguments.append(argument)
    if not text.startswith(')', at):
        raise SubstitutionError(f'expected a closing bracket in {text!r} before {text[at:]!r}')
    least, most = _ARGUMENT_COUNTS[name]
    if not least <= len(arguments) <= most:
        raise SubstitutionError(
            f'{text[start : at + 1]} has {len(arguments)} arguments, '
            f'{least} to {most} are expected'
        )
    return Call(name, tuple(arguments)), at + 1


def _parse_argument(text: str, at: int) -> tuple[Template, int]:
    quote = text[at : at + 1]
    if quote not in _QUOTED:
        template, end = _parse_parts(text, at, _ARGUMENT)
        if end == at:
            raise SubstitutionError(f'an argument is missing in {text!r} before {text[at:]!r}')
        return template, end
    template, end = _parse_parts(text, at + 1, _QUOTED[quote])
    if not text.startswith(quote, end):
        raise SubstitutionError(f'expected a closing {quote} in {text!r} before {text[end:]!r}')
    return template, end + 1
