# SPDX-License-Identifier: Apache-2.0
"""The arguments that a launch file and those that it includes declare, before it is run."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ros2_standin.errors import StandinError
from ros2_standin.launch_schema import read_launch_file
from ros2_standin.launch_xml import Element
from ros2_standin.substitutions import parse_template, perform, unescape


@dataclass(frozen=True)
class _Declared:
    element: Element
    conditional: bool
    # Names that the includes on the way to it set.
    given: frozenset[str]

    @property
    def name(self) -> str:
        return unescape(self.element.attributes['name'])


@dataclass(frozen=True)
class _NoScope:
    """What can be known before a launch file is run: only the environment."""

    variables: dict[str, str]
    environment: dict[str, str]
    folder: str | None = None


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """Parse name:=value words; of two values for one name the last counts.

    Raises
    ------
    StandinError
        If a word isn't of that form.
    """
    arguments = {}
    for word in words:
        name, separator, value = word.partition(':=')
        if not (name and separator and value):
            raise StandinError(
                f"malformed launch argument '{word}', expected format '<name>:=<value>'"
            )
        arguments[name] = value
    return arguments


def choices_of(argument: Element) -> list[str]:
    """Return the values that an `arg` element allows; none: any."""
    return [unescape(choice.attributes['value']) for choice in argument.named('choice')]


def check_arguments_given(root: Element, given: Sequence[str]) -> None:
    """Check that each argument without a default is given where the file is included.

    Raises
    ------
    LaunchFileError
        If one isn't.
    """
    for declared in _first_of_each_name(root):
        if declared.conditional or 'default' in declared.element.attributes:
            continue
        if declared.name not in declared.given.union(given):
            raise declared.element.error(
                f"missing required argument '{declared.name}' (description: "
                f"'{_description(declared.element)}'), given: [{', '.join(given)}]"
            )


def format_arguments(path: str) -> str:
    """Return what `ros2 launch --show-args` prints.

    Raises
    ------
    StandinError
        If the launch file is wrong.
    """
    lines = ["Arguments (pass arguments as '<name>:=<value>'):"]
    all_declared = list(_first_of_each_name(read_launch_file(path)))
    for declared in all_declared:
        lines += ['', f"    '{declared.name}':{'*' if declared.conditional else ''}"]
        lines += [f'        {_description(declared.element)}']
        if 'default' in declared.element.attributes:
            template = parse_template(declared.element.attributes['default'])
            lines += [f'        (default: {" + ".join(part.describe() for part in template)})']
    if not all_declared:
        lines += ['', '  No arguments.']
    elif any(declared.conditional for declared in all_declared):
        lines += ['', '* argument(s) which are only used if specific conditions occur']
    return '\n'.join(lines)


def _description(argument: Element) -> str:
    choices = choices_of(argument)
    if 'description' not in argument.attributes:
        return f'One of: {choices}' if choices else 'no description given'
    text = unescape(argument.attributes['description'])
    if choices:
        text += f'{"" if text.endswith(".") else "."} Valid choices are: {choices}'
    return text


def _first_of_each_name(root: Element) -> Iterator[_Declared]:
    seen: set[str] = set()
    for declared in _declared_in(root, conditional=False, given=frozenset(), depth=0):
        if declared.name not in seen:
            seen.add(declared.name)
            yield declared


def _declared_in(
    parent: Element, *, conditional: bool, given: frozenset[str], depth: int
) -> Iterator[_Declared]:
    for element in parent.children:
        # As ros2/launch, which forgets the outer condition within an unconditional element.
        own = 'if' in element.attributes or 'unless' in element.attributes
        if element.tag == 'arg':
            yield _Declared(element, conditional or own, given)
        elif element.tag == 'group':
            yield from _declared_in(element, conditional=own, given=given, depth=depth)
        elif element.tag == 'include' and depth < 50:
            included = _read_without_scope(element)
            if included is not None:
                names = {arg.attributes['name'] for arg in element.named('arg')}
                yield from _declared_in(
                    included, conditional=own, given=given | names, depth=depth + 1
                )


def _read_without_scope(include: Element) -> Element | None:
    # Where the file's name depends on how the launch goes, its arguments can't be known.
    try:
        path = perform(parse_template(include.attributes['file']), _NoScope({}, dict(os.environ)))
        return read_launch_file(path)
    except StandinError:
        return None
