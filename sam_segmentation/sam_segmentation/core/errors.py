# SPDX-License-Identifier: Apache-2.0
"""The one family of errors that the core raises; a message names value, expectation, remedy."""


class SamError(Exception):
    """Base of all errors that the core raises on purpose."""


class ImageError(SamError, ValueError):
    """An image that cannot be used."""


class PromptError(SamError, ValueError):
    """A prompt that means nothing, or nothing in the image that it is for."""


class UnknownModelError(SamError, ValueError):
    """A model name that nothing is registered under."""


class CheckpointError(SamError):
    """A checkpoint that is missing, damaged, of another model, or unsafe to load."""


class DeviceError(SamError, RuntimeError):
    """A device that is not there, or has no memory left."""


class MissingFrameError(SamError, LookupError):
    """A frame that was never seen, or is no longer buffered."""
