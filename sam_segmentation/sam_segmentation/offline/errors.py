# SPDX-License-Identifier: Apache-2.0
"""Errors of offline tracking, of the core's family."""

from __future__ import annotations

from sam_common.errors import SamError


class InputError(SamError):
    """A video, folder, bag or prompt file that cannot be used."""


class BadFrameError(InputError):
    """A frame that is damaged, among others that may not be."""


class OutputError(SamError):
    """An output folder that cannot be written, is damaged, or belongs to another run."""
