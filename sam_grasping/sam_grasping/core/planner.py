# SPDX-License-Identifier: Apache-2.0
"""What every planner does."""

from __future__ import annotations

from abc import ABC, abstractmethod

from sam_grasping.core.gripper import Gripper
from sam_grasping.core.limits import Limits
from sam_grasping.core.plan import Plan
from sam_grasping.core.planner_options import PlannerOptions
from sam_grasping.core.view import View


class Planner(ABC):
    """Turns a view of an object into ranked grasps; safe to call from one thread at a time.

    Parameters
    ----------
    gripper : Gripper
    options : PlannerOptions

    Examples
    --------
    A box of 40 mm on a table, half a metre below a camera that looks straight down:

    >>> import numpy as np
    >>> from sam_grasping import CameraModel, Plane, View, load_planner
    >>> camera = CameraModel(fx=400, fy=400, cx=159.5, cy=119.5, size_wh=(320, 240))
    >>> depth_m = np.full((240, 320), 0.5, np.float32)
    >>> mask = np.zeros((240, 320), bool)
    >>> mask[102:138, 142:178] = True
    >>> depth_m[mask] = 0.46
    >>> table = Plane(np.array([0.0, 0.0, -1.0]), 0.5)
    >>> view = View(depth_m=depth_m, mask=mask, camera=camera, plane=table)
    >>> plan = load_planner('geometric').plan(view, max_grasps=5)
    >>> 0 < len(plan.grasps) <= 5
    True

    """

    def __init__(self, gripper: Gripper, options: PlannerOptions) -> None:
        self.gripper = gripper
        self.options = options

    @abstractmethod
    def plan(
        self, view: View, *, limits: Limits | None = None, max_grasps: int | None = None
    ) -> Plan:
        """Plan grasps of the object in a view.

        Parameters
        ----------
        view : View
        limits : Limits or None
            Where the gripper may go; None: everywhere.
        max_grasps : int or None
            How many to return at most; None: as the options say.

        Returns
        -------
        Plan
            Without grasps where none holds: that is an answer, with the causes counted.

        Raises
        ------
        DepthError, TargetError, NoTableError
            If the view has no depth, no object or no table to plan with.

        """

    def warm_up(self) -> None:  # noqa: B027  (most planners have nothing to prepare)
        """Do now what would otherwise slow down the first plan."""
