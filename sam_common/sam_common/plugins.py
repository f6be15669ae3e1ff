# SPDX-License-Identifier: Apache-2.0
"""What is made by its name: of a package itself, and of others that add to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import Any

from sam_common.errors import PluginError, SamError


@dataclass(frozen=True)
class Plugin:
    """Something that a package offers under a name.

    Parameters
    ----------
    name : str
    loader : str
        'module:function'; imported only when it is called.
    package : str
        Who offers it; with its version where it comes through an entry point.

    """

    name: str
    loader: str
    package: str

    def load(self) -> Any:
        """Import the function and return it."""
        return metadata.EntryPoint(self.name, self.loader, '').load()


class Plugins:
    """All that can be made by name: registered in code, or by entry points of other packages.

    Entry points are read once, when first asked for; their modules are imported only when one is
    made. So a package that is broken harms nobody who does not ask for what it offers.

    Parameters
    ----------
    what : str
        What they are, in one word, for messages: 'model'.
    group : str
        Of the entry points.
    made : type
        What their functions return.
    unknown : type of SamError
        Raised for a name that nothing has.

    """

    def __init__(self, what: str, group: str, made: type[Any], unknown: type[SamError]) -> None:
        self.what = what
        self.group = group
        self._made = made
        self._unknown = unknown
        self._own: dict[str, Plugin] = {}
        self._unreadable: list[str] = []

    def register(self, name: str, loader: str, *, aliases: tuple[str, ...] = ()) -> None:
        """Add one in code; raises ValueError if one of its names is registered already."""
        for taken in (name, *aliases):
            if taken in self._own:
                raise ValueError(f'a {self.what} named {taken!r} is registered already')
        package = loader.partition(':')[0].partition('.')[0]
        self._own.update(dict.fromkeys((name, *aliases), Plugin(name, loader, package)))

    def names(self) -> list[str]:
        """Return every name once, without aliases: those registered in code come first."""
        every = (*self._own.values(), *self._others)
        return list(dict.fromkeys(plugin.name for plugin in every))

    def find(self, name: str, hint: str = '') -> Plugin:
        """Return what has this name.

        Parameters
        ----------
        name : str
        hint : str
            What else may be given; ends the message about an unknown name.

        Raises
        ------
        SamError
            Of the type `unknown`; lists the names that exist.
        PluginError
            If more than one package offers the name.

        """
        found = [plugin for plugin in self._others if plugin.name == name]
        if name in self._own:
            found.insert(0, self._own[name])
        if not found:
            unreadable = ''.join(f'; {text}' for text in self._unreadable)
            raise self._unknown(
                f'unknown {self.what} {name!r:.200}; known are {", ".join(self.names())}{hint}'
                f'{unreadable}'
            )
        if len(found) > 1:
            raise PluginError(
                f'the {self.what} {name!r} is offered more than once, by '
                f'{" and by ".join(plugin.package for plugin in found)}; uninstall all but one'
            )
        return found[0]

    def make(self, plugin: Plugin, *args: Any, **options: Any) -> Any:
        """Make one: import its function and call it.

        Raises
        ------
        PluginError
            If another package's function cannot be imported, fails, or returns something else.

        """
        if plugin not in self._others:
            return plugin.load()(*args, **options)
        told = f'the {self.what} {plugin.name!r} of {plugin.package} ({plugin.loader})'
        try:
            made = plugin.load()(*args, **options)
        except SamError:
            raise
        except (Exception, SystemExit) as error:  # a stranger's module may raise anything
            raise PluginError(
                f'{told} cannot be made: {type(error).__name__}: {error}; repair or uninstall '
                'that package'
            ) from error
        if not isinstance(made, self._made):
            raise PluginError(
                f'{told} returns a {type(made).__name__}, not a {self._made.__name__}; repair '
                'or uninstall that package'
            )
        return made

    @cached_property
    def _others(self) -> list[Plugin]:
        """What entry points offer; notes in `_unreadable` which packages' can't be read."""
        found: dict[str, list[Plugin]] = {}
        for distribution in metadata.distributions():
            try:
                if not any(point.group == self.group for point in distribution.entry_points):
                    continue
                name = distribution.metadata['Name']
                # Of two copies of a package, Python imports the first on the path.
                first = metadata.distribution(name)
                found[re.sub('[-_.]+', '-', name).lower()] = [
                    Plugin(point.name, point.value, f'{name} {first.version}')
                    for point in first.entry_points
                    if point.group == self.group
                ]
            except Exception as error:  # a stranger's file may be damaged in any way
                path = getattr(distribution, '_path', 'a package')
                self._unreadable.append(
                    f'the entry points of {path} cannot be read '
                    f'({type(error).__name__}: {error}); reinstall that package'
                )
        return [plugin for plugins in found.values() for plugin in plugins]
