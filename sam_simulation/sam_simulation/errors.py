# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in the simulation."""

from sam_common.errors import SamError


class SimulationError(SamError):
    """Base of all errors of the simulation."""


class RenderingError(SimulationError, RuntimeError):
    """There is no OpenGL that can render without a screen."""


class RecordingError(SimulationError):
    """A bag that cannot be written."""


class TrialError(SimulationError, ValueError):
    """A grasp that cannot be tried."""
