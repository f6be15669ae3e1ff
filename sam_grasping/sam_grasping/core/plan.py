# SPDX-License-Identifier: Apache-2.0
"""What a planner answers: grasps, and why there are not more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sam_common.types import FloatArray
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.plane import Plane

# Why a candidate is not among the grasps, in the order in which candidates are looked at. A
# planner may count further causes of its own.
CAUSES = {
    'too_wide': 'the object is wider there than the jaws open',
    'contact_slope': 'the fingers would slide off the slope of the surfaces',
    'no_opposite_face': 'there is no surface for the other finger',
    'outside_approach_cone': 'the approach leans more than approach_cone allows',
    'collision_with_table': 'the gripper would touch the table',
    'collision_with_scene': 'the gripper would touch what stands beside the object',
    'collision_with_object': 'the palm or a finger would hit the object itself',
    'collision_on_approach': 'something is in the way from pre_grasp to the grasp',
    'far_from_centre_of_mass': 'the object would turn out of the fingers',
    'low_score': 'it would hardly hold',
    'outside_workspace': 'the grasp leaves the workspace',
    'unreachable': 'the reachability check refused it',
    'too_similar': 'a better grasp is nearly the same',
    'over_max_grasps': 'more grasps were found than were asked for',
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """Grasps of one object in the camera's optical frame.

    Parameters
    ----------
    grasps : tuple of Grasp
        Best first; () if none was found, and `rejections` says why.
    rejections : mapping of str to int
        Candidates that were rejected, by cause; causes without any are left out.
    object_points : array of float64, shape (N, 3)
        What was taken for the object, seen points only [m].
    plane : Plane
        The table that it stands on.

    Examples
    --------
    >>> import numpy as np
    >>> table = Plane(np.array([0.0, 0.0, -1.0]), 0.5)
    >>> plan = Plan(
    ...     grasps=(), rejections={'too_wide': 9}, object_points=np.zeros((0, 3)), plane=table
    ... )
    >>> for part in plan.explain().split('; '):
    ...     print(part)
    no grasp was found
    candidates rejected: 9 too_wide
    mostly, the object is wider there than the jaws open

    """

    grasps: tuple[Grasp, ...]
    rejections: Mapping[str, int] = field(default_factory=dict)
    object_points: FloatArray
    plane: Plane

    def explain(self) -> str:
        """Return in one sentence how many grasps there are, and why not more."""
        causes = sorted(self.rejections.items(), key=lambda item: -item[1])
        rest = ', '.join(f'{count} {cause}' for cause, count in causes)
        found = f'{len(self.grasps)} grasps' if self.grasps else 'no grasp was found'
        if not rest:
            return f'{found}; no candidate was rejected' if self.grasps else found
        return f'{found}; candidates rejected: {rest}{"" if self.grasps else self._hint()}'

    def _hint(self) -> str:
        most = max(self.rejections, key=lambda cause: self.rejections[cause])
        hint = f'; mostly, {CAUSES.get(most, most)}'
        # What everything else about was right: often the one that a person can change.
        farthest = [cause for cause in CAUSES if self.rejections.get(cause)][-1:]
        if farthest and farthest != [most]:
            hint += f'; where all else was right, {CAUSES[farthest[0]]}'
        return hint
