# SPDX-License-Identifier: Apache-2.0
"""`ros2 launch`: runs what a launch file of the subset describes."""

import argparse
import os
import tempfile
from dataclasses import replace

from ros2_standin.errors import StandinError
from ros2_standin.launch_arguments import format_arguments, parse_arguments
from ros2_standin.launch_description import Description, describe_launch
from ros2_standin.launch_log import LaunchLog, check_output
from ros2_standin.launch_runner import LaunchRunner
from ros2_standin.packages import share_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ros2 launch`."""
    parser.add_argument(
        '-n',
        '--noninteractive',
        action='store_true',
        help='Run with no terminal associated; always so here',
    )
    parser.add_argument(
        '-s',
        '--show-args',
        '--show-arguments',
        action='store_true',
        help='Show arguments that may be given to the launch file.',
    )
    parser.add_argument('package_name', help='Name of the ROS package, or path of a launch file')
    parser.add_argument('launch_file_name', nargs='?', help='Name of the launch file')
    parser.add_argument(
        'launch_arguments', nargs='*', help="Arguments to the launch file; '<name>:=<value>'"
    )


def main(args: argparse.Namespace) -> int:
    """Launch, and return the exit status."""
    words = list(args.launch_arguments)
    if os.path.isfile(args.package_name):
        path = args.package_name
        words = [args.launch_file_name, *words] if args.launch_file_name is not None else words
    else:
        path = _find_launch_file(args.package_name, args.launch_file_name)
    if args.show_args:
        print(format_arguments(path))
        return 0
    arguments = parse_arguments(words)
    with LaunchLog() as log, tempfile.TemporaryDirectory(prefix='launch_') as folder:
        log.info('launch', f'All log files can be found below {log.folder}')
        try:
            description = _describe(path, arguments, folder)
            runner = LaunchRunner(
                log,
                sigterm_timeout_s=_timeout_s(description, 'sigterm_timeout'),
                sigkill_timeout_s=_timeout_s(description, 'sigkill_timeout'),
            )
        except StandinError as error:
            log.error('launch', f'Caught exception in launch: {error}')
            return 1
        return runner.run(description.processes)


def _describe(path: str, arguments: dict[str, str], folder: str) -> Description:
    description = describe_launch(path, arguments, parameter_folder=folder)
    override = os.environ.get('OVERRIDE_LAUNCH_PROCESS_OUTPUT')
    if override:
        description.processes = [replace(p, output=override) for p in description.processes]
    for process in description.processes:
        check_output(process.output)
    return description


def _timeout_s(description: Description, name: str) -> float:
    text = description.variables.get(name, '5')
    try:
        return float(text)
    except ValueError:
        raise StandinError(f'{name}: expected seconds, got {text!r}') from None


def _find_launch_file(package: str, file_name: str | None) -> str:
    if file_name is None:
        raise StandinError(
            f"'{package}' is no launch file; give a package and a launch file's name"
        )
    folder = share_folder(package)
    paths = [
        os.path.join(parent, file_name)
        for parent, _, files in os.walk(folder)
        if file_name in files
    ]
    if len(paths) != 1:
        found = f'more than once: {paths}' if paths else 'not'
        raise StandinError(
            f"file '{file_name}' was {found} found in the share directory of package "
            f"'{package}' which is at '{folder}'"
        )
    return paths[0]
