# SPDX-License-Identifier: Apache-2.0
"""What to say where a backend's package is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sam_common.errors import SamError


@contextmanager
def require_packages(*packages: str) -> Iterator[None]:
    """Guard a backend's imports.

    Parameters
    ----------
    packages : str
        What pip has to install for them.

    Raises
    ------
    SamError
        If an import fails, with the command to type.

    """
    try:
        yield
    # torch and torchvision raise the latter two where their libraries do not fit together.
    except (ImportError, OSError, RuntimeError) as error:
        raise SamError(
            f'this model needs packages that do not import here ({error}); '
            f'type: python3 -m pip install {" ".join(packages)}'
        ) from error
