# SPDX-License-Identifier: Apache-2.0
"""Every planner by name. Its module is imported only when it is made."""

from __future__ import annotations

from importlib import import_module

from sam_grasping.core.errors import UnknownPlannerError
from sam_grasping.core.gripper import Gripper
from sam_grasping.core.planner import Planner
from sam_grasping.core.planner_options import PlannerOptions

DEFAULT_PLANNER = 'geometric'
_loaders: dict[str, str] = {}


def register(name: str, loader: str) -> None:
    """Register a planner; raises ValueError if the name is taken.

    Parameters
    ----------
    name : str
    loader : str
        'module:function'; called as `function(gripper, options)`, returns a Planner.

    """
    if name in _loaders:
        raise ValueError(f'a planner named {name!r} is registered already')
    _loaders[name] = loader


def planner_names() -> list[str]:
    """Return the names of all registered planners."""
    return list(_loaders)


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

    """
    if name not in _loaders:
        raise UnknownPlannerError(f'unknown planner {name!r}; known are {", ".join(_loaders)}')
    module, _, function = _loaders[name].partition(':')
    planner: Planner = getattr(import_module(module), function)(
        gripper or Gripper(), options or PlannerOptions()
    )
    return planner


register('geometric', 'sam_grasping.core.geometric.planner:GeometricPlanner')
