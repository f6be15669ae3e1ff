# SPDX-License-Identifier: Apache-2.0
"""The `ros2` command: picks the verb and turns errors into a line and an exit status."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from ros2_standin.errors import OutsideSubsetError, StandinError

# Imported when asked for: `ros2 run` must not wait for what `ros2 bag` needs.
_VERBS = {
    ('run',): ('ros2_standin.run', 'Run a package specific executable'),
    ('launch',): ('ros2_standin.launch', 'Run a launch file'),
    ('bag', 'play'): ('ros2_standin.bag_play', 'Play back ROS data from a bag'),
    ('bag', 'record'): ('ros2_standin.bag_record', 'Record ROS data to a bag'),
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        raise StandinError(
            f'{message}; what this stand-in lacks of the {self.prog} command needs a real ROS 2'
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ros2` and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _dispatch(arguments)
    except StandinError as error:
        print(f'ros2: {error}', file=sys.stderr)
        return 1


def _dispatch(arguments: list[str]) -> int:
    for words, (module_name, description) in _VERBS.items():
        if tuple(arguments[: len(words)]) == words:
            module = importlib.import_module(module_name)
            parser = _Parser(
                prog=f'ros2 {" ".join(words)}', description=description, allow_abbrev=False
            )
            module.add_arguments(parser)
            return int(module.main(parser.parse_args(arguments[len(words) :])))
    if not arguments or arguments[0] in ('-h', '--help'):
        print('usage: ros2 COMMAND ..., where COMMAND is one of:')
        for words, (_, description) in _VERBS.items():
            print(f'  {" ".join(words):12} {description}')
        return 0
    raise OutsideSubsetError(f'ros2 {" ".join(arguments[:2])}')
