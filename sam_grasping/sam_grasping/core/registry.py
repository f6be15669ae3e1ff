# SPDX-License-Identifier: Apache-2.0
"""Every planner by name. Its module is imported only when it is made."""

from __future__ import annotations

from sam_common.plugins import Plugins
from sam_grasping.core.errors import UnknownPlannerError
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.planner import Planner
from sam_grasping.core.planner_options import PlannerOptions

DEFAULT_PLANNER = 'geometric'
_planners = Plugins('planner', 'sam_grasping.planners', Planner, UnknownPlannerError)


def register(name: str, loader: str) -> None:
    """Register a planner of this package; others add theirs by entry points (docs/extending.md).

    Parameters
    ----------
    name : str
    loader : str
        'module:function'; called as `function(gripper, options)`, returns a Planner.

    Raises
    ------
    ValueError
        If the name is taken.

    """
    _planners.register(name, loader)


def planner_names() -> list[str]:
    """Return the names of all planners, with those of other packages.

    Examples
    --------
    >>> 'geometric' in planner_names()
    True

    """
    return _planners.names()


def load_planner(
    name: str = DEFAULT_PLANNER,
    *,
    gripper: Gripper | None = None,
    options: PlannerOptions | None = None,
) -> Planner:
    """Make a planner.

    Parameters
    ----------
    name : str
        A registered name.
    gripper : Gripper or None
        None: a usual one of 80 mm.
    options : PlannerOptions or None
        None: the defaults.

    Raises
    ------
    UnknownPlannerError
        Lists those that exist.
    PluginError
        If more than one package offers the planner, or another package's cannot be made.

    Examples
    --------
    >>> load_planner('geometric', gripper=Gripper(max_width_m=0.06)).gripper.max_width_m
    0.06

    """
    found = _planners.find(name)
    planner: Planner = _planners.make(found, gripper or Gripper(), options or PlannerOptions())
    return planner


register('geometric', 'sam_grasping.core.geometric.planner:GeometricPlanner')
