# SPDX-License-Identifier: Apache-2.0
"""Grasps that follow what is tracked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from rclpy.node import Node
from std_msgs.msg import Header

from sam_common.errors import SamError
from sam_grasping.ros.depth_input import DepthFrame
from sam_grasping.ros.objects_input import Objects
from sam_grasping.ros.parameters import options
from sam_grasping.ros.plan_service import Active
from sam_grasping.ros.planning import Planned
from sam_grasping.ros.targets import Targets


@dataclass(eq=False)
class _Round:
    """The objects of one image, planned for one after the other."""

    depth: DepthFrame
    objects: Objects
    ids: list[int]
    planned: list[Planned] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


class Continuous:
    """Plans anew for the tracked objects, the newest image first.

    All objects of an image are published together, so that the last message says what there is.
    Between two objects requests have their turn.

    Parameters
    ----------
    node : Node
    targets : Targets
    active : callable
        Returns what to plan with; None while the node is not active.

    Attributes
    ----------
    error : str
        Why the last image gave no grasps for an object; empty: each was planned for.
    rounds : int
        Images that all was planned for.

    """

    def __init__(self, node: Node, targets: Targets, active: Callable[[], Active | None]) -> None:
        self.error = ''
        self.rounds = 0
        self._node = node
        self._targets = targets
        self._active = active
        self._round: _Round | None = None
        self._last: Objects | None = None
        # Whether grasps were published that are still to be taken back.
        self._shown = False

    def offer(self) -> None:
        """Let the worker see what is new, if it is wanted and somebody listens."""
        active = self._active()
        if active and options(self._node).continuous and active.publishing.subscribers:
            active.worker.offer(self._step)

    def reset(self) -> None:
        """Forget the round at work, as its topics end."""
        self._round = self._last = None
        self._shown = False
        self.error = ''

    def _step(self) -> None:
        """Plan for one object, and publish after the last one; in the worker."""
        active = self._active()
        if active is None:
            return
        if self._round is None:
            self._round = self._begin(active)
        current = self._round
        if current is None:
            return
        if current.ids:
            self._plan_next(active, current)
        if not current.ids:
            self._round = None
            self._publish(active, current)
        # Also after the last one: what came meanwhile has been offered for nothing.
        active.worker.offer(self._step)

    def _begin(self, active: Active) -> _Round | None:
        pair = self._targets.newest_pair(active.depth, active.objects, after=self._last)
        if pair is None:
            return None
        depth, self._last = pair
        wanted = options(self._node).continuous_ids
        ids = [i for i in self._last.visible_ids if not wanted or i in wanted]
        return _Round(depth, self._last, ids)

    def _plan_next(self, active: Active, current: _Round) -> None:
        object_id = current.ids.pop(0)
        masks = partial(current.objects.masks, object_id)
        try:
            planned = active.planning.plan(current.depth, masks, object_id=object_id)
        except SamError as error:
            current.errors.append(f'object {object_id}: {error}')
            return
        current.planned.append(planned)
        if not planned.grasps:
            current.errors.append(f'object {object_id}: {planned.explain()}')

    def _publish(self, active: Active, current: _Round) -> None:
        self.rounds += 1
        self.error = '; '.join(current.errors)
        if not (current.planned or self._shown):
            return
        self._shown = bool(current.planned)
        frame = options(self._node).target_frame or current.depth.header.frame_id
        header = Header(stamp=current.depth.header.stamp, frame_id=frame)
        gripper = active.planning.planner.gripper
        active.publishing.publish(current.planned, header, gripper)
