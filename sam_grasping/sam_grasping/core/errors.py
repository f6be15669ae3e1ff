# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in grasping; a message names value, expectation, remedy."""

from sam_segmentation.core.errors import SamError


class GraspingError(SamError):
    """Base of all errors of grasping."""


class DepthError(GraspingError, ValueError):
    """A depth image that cannot be used, or that shows nothing where it is needed."""


class TargetError(GraspingError, ValueError):
    """A mask that leaves no object to grasp."""


class NoTableError(GraspingError):
    """There is no plane that the object could stand on."""


class OptionError(GraspingError, ValueError):
    """A measure or an option that makes no sense."""


class UnknownPlannerError(GraspingError, ValueError):
    """A planner's name that nothing is registered under."""
