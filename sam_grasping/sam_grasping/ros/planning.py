# SPDX-License-Identifier: Apache-2.0
"""One plan: a depth image and a mask in, grasps in the target frame out."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from rclpy.node import Node
from std_msgs.msg import Header

from sam_common.camera_model import CameraModel
from sam_common.depth import check_scene, remark
from sam_common.errors import SamError
from sam_common.ros.conversions import matrix_from_msg
from sam_common.ros.tf_lookup import TfLookup
from sam_common.scored_mask import ScoredMask
from sam_common.transforms import apply, inverse
from sam_common.types import FloatArray
from sam_grasping.core.geometric.mask_choice import plan_likeliest
from sam_grasping.core.grasp import Grasp
from sam_grasping.core.plan import Plan
from sam_grasping.core.planner import Planner
from sam_grasping.core.view import View
from sam_grasping.ros.depth_input import DepthFrame
from sam_grasping.ros.parameters import options


@dataclass(frozen=True, eq=False)
class Planned:
    """What was planned for an object.

    Parameters
    ----------
    header : Header
        The depth image's stamp, and the frame of all that is here.
    object_id : int
        0: it was given by mask or prompt.
    grasps : tuple of Grasp
        Best first.
    points : array of float64, shape (N, 3)
        Of the object [m].
    plan : Plan
        As the planner made it, in the camera's frame.
    odd : str
        What is odd about the depth, if there is no grasp; '' if nothing is.

    """

    header: Header
    object_id: int
    grasps: tuple[Grasp, ...]
    points: FloatArray
    plan: Plan
    odd: str = ''

    def explain(self) -> str:
        """Return in one sentence how many grasps there are, and why not more."""
        return '; '.join(filter(None, [self.plan.explain(), self.odd]))


class Planning:
    """Plans by the node's parameters; to be called from the worker.

    Parameters
    ----------
    node : Node
    planner : Planner
    frames : TfLookup
    camera : callable
        Returns the depth camera for images of a size [px]; raises SamError if it is not known.

    Attributes
    ----------
    times_s : deque of float
        How long the planner took for the last plans [s].
    last : Plan or None
        The last plan.

    """

    def __init__(
        self,
        node: Node,
        planner: Planner,
        frames: TfLookup,
        camera: Callable[[tuple[int, int]], CameraModel],
    ) -> None:
        self.planner = planner
        self.times_s: deque[float] = deque(maxlen=30)
        self.last: Plan | None = None
        self._node = node
        self._frames = frames
        self._camera = camera

    def plan(
        self,
        depth: DepthFrame,
        masks: Callable[[], list[ScoredMask]],
        *,
        object_id: int = 0,
        max_grasps: int = 0,
    ) -> Planned:
        """Plan grasps of what a mask shows in a depth image.

        Parameters
        ----------
        depth : DepthFrame
        masks : callable
            Returns the object's pixels, or what they may be, best first; raises SamError.
        object_id : int
            0: none.
        max_grasps : int
            How many to return at most; 0: as the parameter says.

        Raises
        ------
        SamError
            If depth, mask, calibration, TF or a parameter cannot be used, or there is nothing
            to plan with.

        """
        # Before TF is waited for: what is wrong with these is known at once.
        found = masks()
        depth_m = depth.depth_m
        height, width = depth_m.shape
        camera = self._camera((width, height))
        check_scene(depth_m)
        view = View(depth_m=depth_m, mask=found[0].mask, camera=camera)
        header = Header(stamp=depth.header.stamp, frame_id=depth.header.frame_id)
        tf = None
        now = options(self._node)
        target = now.target_frame
        if target and target != header.frame_id:
            found_tf = self._frames.lookup(target, depth.header, timeout_s=now.tf_timeout_s)
            tf = matrix_from_msg(found_tf)
            header.frame_id = target
        table = now.table()
        if table is not None:
            plane = table if tf is None else table.in_frame(inverse(tf))
            view = replace(view, plane=plane)
        limits = now.limits(np.eye(4) if tf is None else tf)
        begin = perf_counter()
        odd = remark(depth_m, found[0].mask)
        try:
            plan = plan_likeliest(
                self.planner,
                view,
                found,
                limits=limits,
                max_grasps=max_grasps or now.max_grasps,
            )
        except SamError as error:
            if not odd:
                raise
            raise type(error)(f'{error}; {odd}') from error
        self.times_s.append(perf_counter() - begin)
        self.last = plan
        grasps, points = plan.grasps, plan.object_points
        if tf is not None:
            grasps = tuple(grasp.in_frame(tf) for grasp in grasps)
            points = apply(tf, points)
        return Planned(header, object_id, grasps, points, plan, '' if grasps else odd)


def rejections_of(planned: Iterable[Planned]) -> Counter[str]:
    """Return how many candidates were rejected, by cause, in all plans together."""
    total: Counter[str] = Counter()
    for one in planned:
        total.update(one.plan.rejections)
    return total
