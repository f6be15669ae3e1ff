# SPDX-License-Identifier: Apache-2.0
"""The one family of errors, and those that more than one package raises.

A message names the value, what was expected, and the remedy.
"""


class SamError(Exception):
    """Base of all errors that the packages raise on purpose.

    Examples
    --------
    >>> from sam_common.camera_model import CameraModel
    >>> try:
    ...     CameraModel(fx=0, fy=500, cx=320, cy=240, size_wh=(640, 480))
    ... except SamError as error:
    ...     print(error)
    the camera has focal lengths 0, 500 px; they must be 1 to 1,000,000: calibrate it

    """


class ImageError(SamError, ValueError):
    """An image that cannot be used."""


class CameraModelError(SamError, ValueError):
    """A calibration that cannot be used."""


class MissingFrameError(SamError, LookupError):
    """A frame that was never seen, or is no longer buffered."""


class NoFrameYetError(MissingFrameError):
    """The stream has not brought a frame so far."""


class TooLargeError(SamError):
    """A request that would take more memory than one may."""


class DepthError(SamError, ValueError):
    """A depth image that cannot be used, or that shows nothing where it is needed."""


class OptionError(SamError, ValueError):
    """A measure or an option that makes no sense."""


class PluginError(SamError):
    """A model or planner of another package that cannot be used."""
