# SPDX-License-Identifier: Apache-2.0
"""How to plan, whichever planner does it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_common.errors import OptionError

# Inclusive ranges, also of the node's parameters.
RANGES = {
    'approach_cone_rad': (0.0, np.pi / 2),
    'pre_grasp_m': (0.0, 0.5),
    'lift_m': (0.0, 1.0),
    'max_grasps': (1, 1000),
}


@dataclass(frozen=True, kw_only=True)
class PlannerOptions:
    """Options of every planner.

    Parameters
    ----------
    approach_cone_rad : float
        How far the approach may lean from straight down onto the table [rad].
    pre_grasp_m : float
        How far before the grasp the straight approach begins [m].
    lift_m : float
        How far the object is lifted off the table [m].
    max_grasps : int
        How many grasps to return at most.

    Raises
    ------
    OptionError
        If a value is outside its range.

    Examples
    --------
    >>> PlannerOptions(max_grasps=5, lift_m=0.1).pre_grasp_m
    0.1

    """

    approach_cone_rad: float = np.pi / 3
    pre_grasp_m: float = 0.1
    lift_m: float = 0.18
    max_grasps: int = 20

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise OptionError(f'{name} is {value}; give {low:g} to {high:g}')
