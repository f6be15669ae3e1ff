# SPDX-License-Identifier: Apache-2.0
"""Where the workspace's packages keep their executables and files."""

import os
import shutil

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)

from ros2_standin.errors import StandinError


def find_executable(package: str, executable: str) -> str:
    """Return the path of a package's executable.

    Raises
    ------
    StandinError
        If there is no such package or executable, or there are several of that name.
    """
    folder = os.path.join(_prefix(package), 'lib', package)
    names: set[str] = set()
    paths: list[str] = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith('.'))
        runnable = {name for name in files if os.access(os.path.join(parent, name), os.X_OK)}
        names |= runnable
        paths += [os.path.join(parent, executable)] if executable in runnable else []
    if not paths:
        raise StandinError(
            f"No executable '{executable}' found in package '{package}'; "
            f'in {folder} there are: {", ".join(sorted(names)) or "none"}'
        )
    if len(paths) > 1:
        raise StandinError('Multiple executables found:' + ''.join(f'\n- {p}' for p in paths))
    return paths[0]


def executable_in_package(package: str, executable: str) -> str:
    """Return the path of a package's executable as launch files name it.

    Raises
    ------
    StandinError
        If there is no such package or executable.
    """
    folder = os.path.join(_prefix(package), 'lib', package)
    path = shutil.which(executable, path=folder)
    if path is None:
        raise StandinError(f"executable '{executable}' not found in the folder '{folder}'")
    return path


def share_folder(package: str) -> str:
    """Return the folder of a package's shared files.

    Raises
    ------
    StandinError
        If there is no such package.
    """
    _prefix(package)
    return str(get_package_share_directory(package, print_warning=False))


def _prefix(package: str) -> str:
    try:
        return str(get_package_prefix(package))
    except (PackageNotFoundError, ValueError, OSError) as error:
        raise StandinError(
            f"Package '{package}' not found, searching: "
            f'{os.environ.get("AMENT_PREFIX_PATH", "")!r}; is install/setup.bash sourced?'
        ) from error
