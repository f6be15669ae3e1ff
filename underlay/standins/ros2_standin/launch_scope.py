# SPDX-License-Identifier: Apache-2.0
"""The state in which a launch file is evaluated, and its elements' attributes in that state."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ros2_standin.errors import StandinError
from ros2_standin.launch_xml import Element
from ros2_standin.substitutions import parse_template, perform
from ros2_standin.words import split_words


@dataclass(frozen=True)
class Process:
    """One process to be started."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    output: str = 'log'
    cwd: str | None = None
    respawn: bool = False
    respawn_delay_s: float = 0.0
    shutdown_on_exit: bool = False


@dataclass
class LaunchScope:
    """What the elements of a launch file read and change, one after the other."""

    variables: dict[str, str]
    environment: dict[str, str]
    parameter_folder: str
    folder: str | None = None
    depth: int = 0
    processes: list[Process] = field(default_factory=list)


def attribute(element: Element, name: str, scope: LaunchScope, default: str | None = None) -> str:
    """Return an attribute's value, its substitutions performed; a default if it isn't given."""
    text = element.attributes.get(name)
    if text is None:
        return default or ''
    try:
        return perform(parse_template(text), scope)
    except StandinError as error:
        raise element.error(f'{name}="{text}": {error}') from error


def words(element: Element, name: str, scope: LaunchScope) -> list[str]:
    """Return an attribute's value split into the words of a command line; none if not given."""
    text = element.attributes.get(name)
    if text is None:
        return []
    try:
        return [perform(word, scope) for word in split_words(parse_template(text))]
    except (StandinError, ValueError) as error:  # ValueError: a quotation that isn't closed
        raise element.error(f'{name}="{text}": {error}') from error


def condition_holds(element: Element, scope: LaunchScope) -> bool:
    """Tell whether what an element's `if` or `unless` asks for holds."""
    for name in ('if', 'unless'):
        if name in element.attributes:
            return truth(element, name, scope) == (name == 'if')
    return True


def truth(element: Element, name: str, scope: LaunchScope) -> bool:
    """Return an attribute that says true or false."""
    value = attribute(element, name, scope).strip().lower()
    if value in ('true', '1'):
        return True
    if value in ('false', '0'):
        return False
    raise element.error(f"{name}: '{value}' is not one of true, 1, false, 0")


def seconds(element: Element, name: str) -> float:
    """Return an attribute that gives a time; 0 if it isn't given."""
    text = element.attributes.get(name, '0')
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0.0:
        raise element.error(f"{name}: expected seconds, at least 0, got '{text}'")
    return seconds
