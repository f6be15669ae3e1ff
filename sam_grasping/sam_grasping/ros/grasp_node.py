# SPDX-License-Identifier: Apache-2.0
"""`grasp_node`: grasps of segmented objects as a managed node."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from traceback import format_exception

import numpy as np

from sam_common.camera_model import CameraModel
from sam_common.ros.async_services import AsyncServices
from sam_common.ros.camera_info_input import CameraInfoInput
from sam_common.ros.diagnostics import StatusPublisher
from sam_common.ros.managed_node import ManagedNode
from sam_common.ros.run_node import run_node
from sam_common.ros.tf_lookup import TfLookup
from sam_common.worker import Worker
from sam_grasping.core.registry import load_planner
from sam_grasping.ros.continuous import Continuous
from sam_grasping.ros.depth_input import DepthInput
from sam_grasping.ros.diagnostics import Health, report
from sam_grasping.ros.objects_input import ObjectsInput
from sam_grasping.ros.parameters import GraspNodeOptions, options
from sam_grasping.ros.plan_service import Active, PlanService
from sam_grasping.ros.planning import Planning
from sam_grasping.ros.publishing import Publishing
from sam_grasping.ros.targets import Targets


class GraspNode(ManagedNode):
    """Makes the planner in configure, listens from activate on, lets go of all in cleanup."""

    def __init__(self) -> None:
        super().__init__('sam_grasping', GraspNodeOptions)
        self._frames: TfLookup | None = None
        self._worker: Worker | None = None
        self._planning: Planning | None = None
        self._publishing: Publishing | None = None
        self._depth: DepthInput | None = None
        self._camera_info: CameraInfoInput | None = None
        self._objects: ObjectsInput | None = None
        self._active: Active | None = None
        # Of the depth images: another one began when their stamps went back.
        self._era = 0
        self._targets = Targets(self)
        self._continuous = Continuous(self, self._targets, lambda: self._active)
        # The service lives as long as the node: an inactive one answers, too, and says why not.
        PlanService(AsyncServices(self), self._targets, self._while_active)
        StatusPublisher(self, lambda: report(self._health()))

    def configure(self) -> None:
        """Make the planner and what it needs."""
        now = options(self)
        planner = load_planner(now.planner, gripper=now.gripper, options=now.planning)
        # Both only to be refused here, before the first request needs them.
        now.limits(np.eye(4))
        now.table()
        planner.warm_up()
        self._frames = TfLookup(self)
        self._publishing = Publishing(self)
        self._worker = Worker(now.max_pending_requests, self._on_stream_error)
        self._planning = Planning(self, planner, self._frames, self._camera)
        self.get_logger().info(f'the {now.planner} planner is ready')

    def activate(self) -> None:
        """Begin to listen to the camera and to what is tracked."""
        if self._planning is None or self._publishing is None or self._worker is None:
            raise self.not_active()
        now = options(self)
        capacity = now.depth_buffer_size
        offer = self._continuous.offer
        self._depth = DepthInput(
            self,
            transport=now.depth_transport,
            capacity=capacity,
            on_frame=partial(self._on_depth, offer),
        )
        self._camera_info = CameraInfoInput(self)
        self._objects = ObjectsInput(self, capacity=capacity, on_objects=offer)
        self._active = Active(
            self._depth, self._objects, self._planning, self._publishing, self._worker
        )
        self.get_logger().info(f'ready; depth from {self._depth.topic}')

    def _on_depth(self, offer: Callable[[], None]) -> None:
        depth, frames = self._depth, self._frames
        if depth is not None and frames is not None and depth.buffer.order.era != self._era:
            self._era = depth.buffer.order.era
            if self._era:
                frames.forget('the stamps of the depth images went back')
        offer()

    def close(self) -> None:
        """End the worker without a transition, at the end of the process."""
        self._active = None
        if self._worker is not None:
            self._worker.stop()
            self._worker = None

    def stop_listening(self) -> None:
        """Stop listening to the camera and to what is tracked."""
        inputs = (self._depth, self._camera_info, self._objects)
        self._active = self._depth = self._camera_info = self._objects = None
        with ExitStack() as each:
            for source in inputs:
                if source is not None:
                    each.callback(source.close)

    def release(self) -> None:
        """Let go of the planner, and of what it needs."""
        worker, publishing, frames = self._worker, self._publishing, self._frames
        self._worker = self._publishing = self._frames = self._planning = None
        with ExitStack() as last_to_first:
            last_to_first.callback(self._continuous.reset)
            if frames is not None:
                last_to_first.callback(frames.close)
            if publishing is not None:
                last_to_first.callback(publishing.close)
            # The worker first: what it still does needs the others.
            if worker is not None:
                last_to_first.callback(worker.stop)

    def _while_active(self) -> Active:
        if self._active is None:
            raise self.not_active()
        return self._active

    def _camera(self, size_wh: tuple[int, int]) -> CameraModel:
        if self._camera_info is None or self._active is None:
            raise self.not_active()
        return self._camera_info.camera(size_wh, self._active.depth.topic)

    def _health(self) -> Health:
        return Health(
            state=self.state,
            error=self.error,
            active=self._active,
            camera_info=self._camera_info,
            continuous=self._continuous,
            is_continuous=options(self).continuous,
            tolerance_ns=self._targets.tolerance_ns,
        )

    def _on_stream_error(self, error: Exception) -> None:
        if not self.context.ok():
            return  # the process ends, and errors of a job in flight are expected
        self._continuous.error = f'internal error, please report it: {error!r}'
        self.get_logger().error(
            f'internal error:\n{"".join(format_exception(error))}', throttle_duration_sec=5.0
        )


def main() -> None:
    """Run the node until it is told to stop."""
    run_node(GraspNode, GraspNode.start)


if __name__ == '__main__':
    main()
