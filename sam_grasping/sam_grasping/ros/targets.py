# SPDX-License-Identifier: Apache-2.0
"""What a request wants grasped: which pixels of which depth image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam_common.errors import MissingFrameError
from sam_common.ros.conversions import image_is_empty, mask_from_msg, stamp_to_ns
from sam_common.ros.managed_node import NotActiveError
from sam_common.scored_mask import ScoredMask
from sam_common.stamp_buffer import StampBuffer, T
from sam_common.stamp_order import NANOSECONDS, format_stamp
from sam_grasping.core.errors import GraspingError, TargetError
from sam_grasping.ros.conversions import is_one_click, prompt_is_empty
from sam_grasping.ros.depth_input import DepthFrame, DepthInput
from sam_grasping.ros.objects_input import Objects, ObjectsInput
from sam_grasping.ros.parameters import options
from sam_interfaces.msg import Prompt
from sam_interfaces.srv import PlanGrasps, SegmentRequest


class SegmentationError(GraspingError):
    """A prompt that gave no mask."""


@dataclass(frozen=True, eq=False)
class Target:
    """Pixels of a depth image.

    Parameters
    ----------
    depth : DepthFrame
    masks : callable
        Returns them, or what they may be, best first; raises SamError.
    object_id : int
        0: none.

    """

    depth: DepthFrame
    masks: Callable[[], list[ScoredMask]]
    object_id: int = 0


class Targets:
    """Finds what requests speak of; may be called where the node spins, since nothing blocks.

    Parameters
    ----------
    node : Node

    """

    def __init__(self, node: Node) -> None:
        self._node = node
        # Its own clock: a simulated one may stand still.
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._segment = node.create_client(SegmentRequest, '~/segment')

    async def find(
        self, request: PlanGrasps.Request, depth: DepthInput, objects: ObjectsInput
    ) -> Target:
        """Return the target of a request.

        Raises
        ------
        TargetError
            If the request does not name exactly one object, or one that is not seen.
        MissingFrameError
            If there is no depth image of its time.
        SegmentationError
            If its prompt gave no mask.
        ImageError
            If its mask cannot be used.

        """
        given = {
            'object_id': bool(request.object_id),
            'mask': not image_is_empty(request.mask),
            'prompt': not prompt_is_empty(request.prompt),
        }
        names = [name for name, is_given in given.items() if is_given]
        if len(names) != 1:
            raise TargetError(
                f'the request names {" and ".join(names) or "nothing"}; give exactly one of '
                'object_id, mask and prompt'
            )
        stamp_ns = stamp_to_ns(request.stamp)
        if names == ['object_id']:
            return await self._tracked(request.object_id, stamp_ns, depth, objects)
        masks, header = [(request.mask, 1.0)], request.mask.header
        if names == ['prompt']:
            masks, header = await self._masks_of(request.prompt, request)
        frame = await self.depth_at(depth, stamp_ns or stamp_to_ns(header.stamp))
        return Target(frame, partial(_decoded, masks))

    async def depth_at(self, depth: DepthInput, stamp_ns: int) -> DepthFrame:
        """Return the depth image of a time, 0: the newest; wait for one that is yet to come.

        Raises
        ------
        MissingFrameError
            If there is none, and none came in time.
        NotActiveError
            If the node was deactivated meanwhile.

        """
        deadline = monotonic() + options(self._node).depth_timeout_s
        while True:
            if depth.is_closed:
                raise NotActiveError(
                    'the node was deactivated while the request waited; activate it and ask again'
                )
            arrival = depth.arrival()
            buffer = depth.buffer
            found = buffer.near(stamp_ns, self.tolerance_ns) if stamp_ns else buffer.newest()
            if found is not None:
                return found
            # What comes now is newer still.
            if buffer.is_past(stamp_ns) or not await self._within(arrival, deadline - monotonic()):
                raise MissingFrameError(self._no_depth(depth, stamp_ns))

    @property
    def tolerance_ns(self) -> int:
        """How far apart stamps may be [ns]."""
        return round(options(self._node).stamp_tolerance_s * NANOSECONDS)

    def newest_pair(
        self, depth: DepthInput, objects: ObjectsInput, *, after: Objects | None = None
    ) -> tuple[DepthFrame, Objects] | None:
        """Return the newest objects that have a depth image, and came after others; else None."""
        tolerance_ns = self.tolerance_ns
        for seen in objects.buffer.newest_first():
            if seen is after:
                return None
            frame = depth.buffer.near(seen.stamp_ns, tolerance_ns)
            if frame is not None:
                return frame, seen
        return None

    async def _tracked(
        self, object_id: int, stamp_ns: int, depth: DepthInput, objects: ObjectsInput
    ) -> Target:
        pair = None if stamp_ns else self.newest_pair(depth, objects)
        if pair is not None:
            frame, seen = pair
        else:
            seen = self._objects_at(objects, stamp_ns)
            frame = await self.depth_at(depth, seen.stamp_ns)
        return Target(frame, partial(seen.masks, object_id), object_id)

    def _objects_at(self, objects: ObjectsInput, stamp_ns: int) -> Objects:
        buffer = objects.buffer
        seen = buffer.near(stamp_ns, self.tolerance_ns) if stamp_ns else buffer.newest()
        if seen is not None:
            return seen
        if not len(buffer):
            raise TargetError(
                f'nothing is tracked: no message has arrived on {objects.topic}; track an object '
                '(~/track of sam_node), or remap ~/objects'
            )
        raise MissingFrameError(
            f'no objects of stamp {format_stamp(stamp_ns)} are buffered; {_span(buffer)}'
        )

    async def _masks_of(
        self, prompt: Prompt, request: PlanGrasps.Request
    ) -> tuple[list[tuple[Image, float]], Header]:
        """Return the masks of a prompt with their scores, by `~/segment`, and its image's header.

        A click alone may mean a thing or a part of it: it gives several.
        """
        name = self._node.resolve_service_name('~/segment')
        if not self._segment.service_is_ready():
            raise SegmentationError(
                f'a prompt needs the service {name}, which nobody offers; start sam_node, remap '
                '~/segment, or give a mask'
            )
        future = self._segment.call_async(
            SegmentRequest.Request(
                stamp=request.stamp, prompts=[prompt], multimask_output=is_one_click(prompt)
            )
        )
        timeout_s = options(self._node).segment_timeout_s
        if not await self._within(future, timeout_s):
            self._segment.remove_pending_request(future)
            raise SegmentationError(
                f'{name} has not answered within {timeout_s:g} s; see whether its node lives, or '
                'raise segment_timeout_s'
            )
        answer = future.result()
        if not answer.success or not answer.objects:
            raise SegmentationError(f'{name} found nothing: {answer.message}')
        return [(obj.mask, obj.score) for obj in answer.objects], answer.header

    async def _within(self, future: Future, timeout_s: float) -> bool:
        """Wait until a future is done or the time is up; return whether it is done."""
        if timeout_s <= 0:
            return bool(future.done())
        either = Future()

        def finish(_: object = None) -> None:
            if not either.done():
                either.set_result(None)

        future.add_done_callback(finish)
        timer = self._node.create_timer(timeout_s, finish, clock=self._clock)
        try:
            await either
        finally:
            self._node.destroy_timer(timer)
        return bool(future.done())

    def _no_depth(self, depth: DepthInput, stamp_ns: int) -> str:
        waited_s = options(self._node).depth_timeout_s
        if depth.error:
            return f'the depth images on {depth.topic} cannot be used: {depth.error}'
        if not len(depth.buffer):
            return (
                f'no depth image has arrived on {depth.topic} ({waited_s:g} s waited); check the '
                'camera and the topic (/diagnostics says what is missing)'
            )
        return (
            f'no depth image of stamp {format_stamp(stamp_ns)} is buffered; '
            f'{_span(depth.buffer)}: ask sooner, raise depth_buffer_size, or stamp_tolerance_s if '
            'depth and colour are not taken together'
        )


def _decoded(masks: list[tuple[Image, float]]) -> list[ScoredMask]:
    return [ScoredMask(mask_from_msg(image), score) for image, score in masks]


def _span(buffer: StampBuffer[T]) -> str:
    stamps = [item.stamp_ns for item in buffer.newest_first()]
    return (
        f'the {len(stamps)} that are go from {format_stamp(min(stamps))} to '
        f'{format_stamp(max(stamps))}'
    )
