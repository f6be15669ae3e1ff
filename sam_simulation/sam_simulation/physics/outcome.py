# SPDX-License-Identifier: Apache-2.0
"""How a trial of a grasp ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class GraspOutcome:
    """How a trial ended.

    Parameters
    ----------
    success : bool
        Whether the object is up at the end of the hold, with both fingers on it.
    cause : str
        Why it ended so. 'held': the object is up, between both fingers. 'contact_on_approach':
        the gripper touched something before it closed (strict trials only). 'blocked': it did
        not get where it should close, since something stands in its way. 'missed': no finger
        touched the object when the gripper had closed. 'slipped': the object was touched, but
        is not up at the end. 'one_finger': it is up, but not between both fingers.
    touched : bool
        Whether the gripper touched anything before it closed.
    lifted_m : float
        How far the object's centre of mass is above its rest at the end [m].
    moved_m : mapping of int to float
        How far the centre of mass of each other object is from its rest at the end [m].

    """

    success: bool
    cause: str
    touched: bool
    lifted_m: float
    moved_m: Mapping[int, float]

    @property
    def strict_success(self) -> bool:
        """Whether it also succeeds where any touch before closing is a failure."""
        return self.success and not self.touched
