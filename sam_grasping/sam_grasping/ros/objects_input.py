# SPDX-License-Identifier: Apache-2.0
"""What is tracked, as `sam_node` tells it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rclpy.node import Node

from sam_common.ros.conversions import stamp_to_ns
from sam_common.ros.topic_input import TopicInput
from sam_common.scored_mask import ScoredMask
from sam_common.stamp_buffer import StampBuffer
from sam_grasping.core.errors import TargetError
from sam_grasping.ros.conversions import mask_of_object
from sam_interfaces.msg import ObjectMask, ObjectMaskArray

STATES = {
    ObjectMask.VISIBLE: 'visible',
    ObjectMask.OCCLUDED: 'occluded',
    ObjectMask.LOST: 'lost',
}


@dataclass(frozen=True, eq=False)
class Objects:
    """All that was tracked in one image.

    Parameters
    ----------
    stamp_ns : int
        Of the image [ns].
    msg : ObjectMaskArray

    """

    stamp_ns: int
    msg: ObjectMaskArray

    @property
    def visible_ids(self) -> list[int]:
        """The objects that are seen in the image."""
        return [obj.id for obj in self.msg.objects if obj.state == ObjectMask.VISIBLE and obj.area]

    def masks(self, object_id: int) -> list[ScoredMask]:
        """Return where an object is, as the only mask.

        Raises
        ------
        TargetError
            If it is not tracked, or not seen.
        ImageError
            If the label image cannot be used.

        """
        states = {obj.id: obj.state for obj in self.msg.objects}
        if object_id not in states:
            known = ', '.join(map(str, states)) or 'none'
            raise TargetError(f'object {object_id} is not tracked; tracked are: {known}')
        if object_id not in self.visible_ids:
            state = STATES.get(states[object_id], 'unknown')
            if states[object_id] == ObjectMask.VISIBLE:
                state = 'visible without a pixel'
            raise TargetError(
                f'object {object_id} is {state} in that image; wait until it is seen, or track '
                'it anew'
            )
        return [ScoredMask(mask_of_object(self.msg.label_image, object_id), 1.0)]


class ObjectsInput(TopicInput):
    """Subscribes to the tracked objects and keeps the newest messages.

    Parameters
    ----------
    node : Node
    capacity : int
        How many messages are kept.
    on_objects : callable
        Called, quickly, after each message.

    Attributes
    ----------
    buffer : StampBuffer of Objects

    """

    def __init__(self, node: Node, *, capacity: int, on_objects: Callable[[], None]) -> None:
        self.buffer = StampBuffer[Objects](capacity)
        self._on_objects = on_objects
        super().__init__(node, ObjectMaskArray, '~/objects', self._keep)

    def close(self) -> None:
        """End the subscription and forget the messages."""
        super().close()
        self.buffer.clear()

    def _keep(self, msg: ObjectMaskArray) -> None:
        self.buffer.add(Objects(stamp_to_ns(msg.header.stamp), msg))
        self._on_objects()
