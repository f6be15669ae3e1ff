# SPDX-License-Identifier: Apache-2.0
"""The default planner: fingers on opposite faces, found by geometry, without weights."""

from __future__ import annotations

from collections import Counter

import numpy as np

from sam_common.transforms import apply
from sam_grasping.core.geometric.collision import find_collision
from sam_grasping.core.geometric.diversity import similar
from sam_grasping.core.geometric.proposals import Proposals, propose
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.limits import Limits
from sam_grasping.core.observe.observation import Observation
from sam_grasping.core.observe.observe import observe
from sam_grasping.core.plan import Plan
from sam_grasping.core.plane import Plane
from sam_grasping.core.planner import Planner
from sam_grasping.core.view import View


class GeometricPlanner(Planner):
    """Plans on the geometry of what is seen and of its completion down to the table."""

    def plan(
        self, view: View, *, limits: Limits | None = None, max_grasps: int | None = None
    ) -> Plan:
        """Plan grasps of the object in a view; see Planner."""
        observation = observe(view, self.gripper, approach_m=self.options.pre_grasp_m)
        return self.plan_observation(observation, limits=limits, max_grasps=max_grasps)

    def plan_observation(
        self,
        observation: Observation,
        *,
        limits: Limits | None = None,
        max_grasps: int | None = None,
    ) -> Plan:
        """Plan grasps of an object that was observed already; see Planner."""
        proposals = propose(observation, self.gripper, self.options)
        rejections = Counter(proposals.rejections)
        grasps = self._choose(
            proposals,
            observation,
            limits or Limits(),
            max_grasps or self.options.max_grasps,
            rejections,
        )
        tf = observation.tf_camera_table
        return Plan(
            grasps=tuple(grasps),
            rejections={cause: count for cause, count in rejections.items() if count},
            object_points=apply(tf, observation.seen.points),
            plane=Plane(np.array([0.0, 0.0, 1.0]), 0.0).in_frame(tf),
        )

    def _choose(
        self,
        proposals: Proposals,
        observation: Observation,
        limits: Limits,
        most: int,
        rejections: Counter[str],
    ) -> list[Grasp]:
        """Return the best grasps in the camera's frame that differ and that the limits allow."""
        order = np.argsort(-proposals.score, kind='stable')
        poses = observation.tf_camera_table @ proposals.poses[order]
        up = observation.tf_camera_table[:3, 2]
        pre_grasp, lift = poses.copy(), poses.copy()
        pre_grasp[:, :3, 3] -= poses[:, :3, 2] * self.options.pre_grasp_m
        lift[:, :3, 3] += up * self.options.lift_m
        ways = np.stack([poses, pre_grasp, lift], axis=1)
        inside = limits.inside(ways[..., :3, 3]).all(axis=1)
        rejections['outside_workspace'] += int((~inside).sum())
        left = np.flatnonzero(inside)
        grasps: list[Grasp] = []
        while len(left) and len(grasps) < most:
            best, left = left[0], left[1:]
            row = order[best]
            # The proposals were checked against some of the obstacles, these few against all.
            cause = find_collision(
                proposals.poses[row],
                float(proposals.opening[row]),
                observation.obstacles,
                self.gripper,
                pre_grasp_m=self.options.pre_grasp_m,
            )
            if cause:
                rejections[cause] += 1
                continue
            grasp = Grasp(
                pose=ways[best, 0],
                pre_grasp=ways[best, 1],
                lift=ways[best, 2],
                width_m=float(proposals.width[row]),
                opening_m=float(proposals.opening[row]),
                score=float(proposals.score[row]),
            )
            if limits.reachable is not None and not limits.reachable(
                grasp.in_frame(limits.tf_target_camera)
            ):
                rejections['unreachable'] += 1
                continue
            grasps.append(grasp)
            # In the table frame, so that rounding is the same wherever the camera is.
            alike = similar(proposals.poses[order[left]], proposals.poses[row])
            rejections['too_similar'] += int(alike.sum())
            left = left[~alike]
        rejections['over_max_grasps'] += len(left)
        return grasps
