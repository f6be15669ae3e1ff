# SPDX-License-Identifier: Apache-2.0
"""Why a transform is not known; names as in tf2."""

# ruff: noqa: N818  (the original's names)


class TransformException(Exception):
    """Base of all."""


class LookupException(TransformException):
    """A frame that was never heard of."""


class ConnectivityException(TransformException):
    """Two frames that no transforms connect."""


class ExtrapolationException(TransformException):
    """A time before, or after, what is known."""


class InvalidArgumentException(TransformException):
    """A frame name that cannot be one."""
