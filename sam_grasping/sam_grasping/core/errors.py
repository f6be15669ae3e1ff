# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in grasping; a message names value, expectation, remedy."""

from sam_common.errors import SamError


class GraspingError(SamError):
    """Base of what only grasping raises; bad depth and options have errors of `sam_common`.

    Examples
    --------
    >>> issubclass(TargetError, GraspingError), issubclass(GraspingError, SamError)
    (True, True)

    """


class TargetError(GraspingError, ValueError):
    """A mask that leaves no object to grasp."""


class NoTableError(GraspingError):
    """There is no plane that the object could stand on."""


class UnknownPlannerError(GraspingError, ValueError):
    """A planner's name that nothing is registered under."""
