# SPDX-License-Identifier: Apache-2.0
"""`ros2 run`: becomes the executable."""

import argparse
import os
from typing import NoReturn

from ros2_standin.packages import find_executable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ros2 run`."""
    parser.add_argument('package_name', help='Name of the ROS package')
    parser.add_argument('executable_name', help='Name of the executable')
    parser.add_argument(
        'argv', nargs=argparse.REMAINDER, help='Pass arbitrary arguments to the executable'
    )


def main(args: argparse.Namespace) -> NoReturn:
    """Replace this process, so that signals and the exit status are the executable's own."""
    path = find_executable(args.package_name, args.executable_name)
    os.execv(path, [path, *args.argv])  # noqa: S606  # the path is the workspace's own
