# SPDX-License-Identifier: Apache-2.0
"""The one family of errors that the core raises; a message names value, expectation, remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sam_common.errors import ImageError, SamError


class PromptError(SamError, ValueError):
    """A prompt that means nothing, or nothing in the image that it is for."""


class UnknownModelError(SamError, ValueError):
    """A model name that nothing is registered under."""


class CheckpointError(SamError):
    """A checkpoint that is missing, damaged, of another model, or unsafe to load."""


class DeviceError(SamError, RuntimeError):
    """A device that is not there, or has no memory left."""


class UnknownObjectError(SamError, LookupError):
    """An object id that is not tracked, or no longer."""


class TooManyObjectsError(SamError):
    """One more object than may be tracked at once."""


@contextmanager
def naming_prompt(number: int, count: int) -> Iterator[None]:
    """Let an error about one prompt of several say which one it was, counted from 1."""
    try:
        yield
    except (ImageError, PromptError) as error:
        if count == 1:
            raise
        raise type(error)(f'prompt {number}: {error}') from error
