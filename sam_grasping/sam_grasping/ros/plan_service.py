# SPDX-License-Identifier: Apache-2.0
"""`~/plan`: grasps on request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sam_common.ros.async_services import AsyncServices, payload_of
from sam_common.worker import Worker
from sam_grasping.core.errors import GraspingError
from sam_grasping.ros.depth_input import DepthInput
from sam_grasping.ros.objects_input import ObjectsInput
from sam_grasping.ros.planning import Planned, Planning
from sam_grasping.ros.publishing import Publishing
from sam_grasping.ros.targets import Target, Targets
from sam_interfaces.msg import GraspArray
from sam_interfaces.srv import PlanGrasps


class NoGraspError(GraspingError):
    """Every candidate was rejected."""


@dataclass(frozen=True, eq=False)
class Active:
    """What an active node plans with."""

    depth: DepthInput
    objects: ObjectsInput
    planning: Planning
    publishing: Publishing
    worker: Worker


class PlanService:
    """Turns requests of `~/plan` into jobs of the worker.

    Parameters
    ----------
    async_services : AsyncServices
    targets : Targets
    active : callable
        Returns what to plan with; raises SamError while the node is not active.

    """

    def __init__(
        self, async_services: AsyncServices, targets: Targets, active: Callable[[], Active]
    ) -> None:
        self._answering = async_services
        self._targets = targets
        self._active = active
        async_services.serve(PlanGrasps, '~/plan', self._plan)

    async def _plan(self, request: PlanGrasps.Request, response: PlanGrasps.Response) -> None:
        active = self._active()
        payload = payload_of(request.mask.data, request.prompt.mask.data)
        target = await self._targets.find(request, active.depth, active.objects)
        response.grasps.header = target.depth.header
        planned, response.grasps = await self._answering.result(
            active.worker.submit(
                lambda: _job(active, target, int(request.max_grasps)),
                what='plan',
                payload=payload,
            )
        )
        if not planned.grasps:
            # The answer has the counts all the same.
            raise NoGraspError(planned.explain())
        response.message = planned.explain()


def _job(active: Active, target: Target, max_grasps: int) -> tuple[Planned, GraspArray]:
    planning = active.planning
    planned = planning.plan(
        target.depth, target.masks, object_id=target.object_id, max_grasps=max_grasps
    )
    gripper = planning.planner.gripper
    return planned, active.publishing.publish([planned], planned.header, gripper)
