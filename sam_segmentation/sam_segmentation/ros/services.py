# SPDX-License-Identifier: Apache-2.0
"""Segmentation on request: a request becomes a job, its result an answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from typing import Any

from rclpy.node import Node
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam_common.images import check_raw
from sam_common.masks import label_image
from sam_common.ros.async_services import AsyncServices, payload_of
from sam_common.ros.conversions import array_to_image, image_is_empty, image_to_rgb, stamp_to_ns
from sam_common.scored_mask import ScoredMask
from sam_common.stamp_order import NANOSECONDS
from sam_interfaces.msg import ObjectMaskArray
from sam_interfaces.srv import SegmentEverything, SegmentRequest
from sam_segmentation.core.errors import PromptError, naming_prompt
from sam_segmentation.core.segmenter import EverythingOptions
from sam_segmentation.ros.conversions import object_to_msg, prompt_from_msg
from sam_segmentation.ros.parameters import options
from sam_segmentation.streaming.engine import Engine, ImageSource
from sam_segmentation.streaming.frame_buffer import FrameBuffer


class Services:
    """`~/segment` and `~/segment_everything`.

    Parameters
    ----------
    node : Node
    async_services : AsyncServices
    active : callable
        Returns the engine and the camera's frames; raises SamError while the node is not active.

    """

    def __init__(
        self,
        node: Node,
        async_services: AsyncServices,
        active: Callable[[], tuple[Engine, FrameBuffer]],
    ) -> None:
        self._node = node
        self._active = active
        self._answering = async_services
        async_services.serve(SegmentRequest, '~/segment', self._segment)
        async_services.serve(SegmentEverything, '~/segment_everything', self._segment_everything)

    async def _segment(
        self, request: SegmentRequest.Request, response: SegmentRequest.Response
    ) -> None:
        engine, buffer = self._active()
        limit = options(self._node).max_prompts
        if not 1 <= len(request.prompts) <= limit:
            raise PromptError(
                f'the request holds {len(request.prompts)} prompts; give 1 to {limit} '
                '(parameter max_prompts)'
            )
        masks = (prompt.mask.data for prompt in request.prompts)
        payload = payload_of(request.image.data, *masks)
        prompts = []
        for number, prompt in enumerate(request.prompts, start=1):
            with naming_prompt(number, len(request.prompts)):
                prompts.append(prompt_from_msg(prompt))
        header, key, image_rgb = _source(request, buffer)
        results = await self._answering.result(
            engine.segment(
                key,
                image_rgb,
                prompts,
                multimask=request.multimask_output,
                refine_rounds=options(self._node).refine_rounds,
                payload=payload,
            )
        )
        response.header = header
        response.objects = [
            object_to_msg(mask, number, header)
            for number, masks in enumerate(results, start=1)
            for mask in masks
        ]
        response.message = f'{len(response.objects)} masks by {engine.segmenter.name}'

    async def _segment_everything(
        self, request: SegmentEverything.Request, response: SegmentEverything.Response
    ) -> None:
        engine, buffer = self._active()
        everything = _options(request, options(self._node).everything)
        header, key, image_rgb = _source(request, buffer)
        masks, size_wh = await self._answering.result(
            engine.segment_everything(
                key, image_rgb, everything, payload=payload_of(request.image.data)
            )
        )
        response.objects = self._everything_msg(masks, size_wh, header, engine.segmenter.name)
        response.message = f'{len(masks)} objects by {engine.segmenter.name}'

    def _everything_msg(
        self, masks: list[ScoredMask], size_wh: tuple[int, int], header: Header, model: str
    ) -> ObjectMaskArray:
        labels = label_image([mask.mask for mask in masks], range(1, len(masks) + 1), size_wh)
        stamp_ns = stamp_to_ns(header.stamp)
        now_ns = self._node.get_clock().now().nanoseconds
        return ObjectMaskArray(
            header=header,
            label_image=array_to_image(labels, 'mono16', header),
            objects=[
                object_to_msg(mask, number, header, with_mask=False)
                for number, mask in enumerate(masks, start=1)
            ],
            model=model,
            # An image that was sent without a stamp has no age.
            latency=(now_ns - stamp_ns) / NANOSECONDS if stamp_ns else 0.0,
        )


def _source(
    request: Any, buffer: FrameBuffer
) -> tuple[Header, Callable[[], Hashable], ImageSource]:
    """Return the header, the cache key and the pixels of the image that a request speaks of."""
    image: Image = request.image
    if not image_is_empty(image):
        check_raw(image)
        return image.header, partial(_digest, image), partial(image_to_rgb, image)
    stamp_ns = stamp_to_ns(request.stamp)
    frame = buffer.at(stamp_ns) if stamp_ns else buffer.newest()
    return frame.header, lambda: frame, lambda: frame.image_rgb


def _digest(image: Image) -> Hashable:
    shape = (image.height, image.width, image.step, image.encoding, image.is_bigendian)
    return *shape, blake2b(image.data, digest_size=16).digest()


def _options(request: SegmentEverything.Request, defaults: EverythingOptions) -> EverythingOptions:
    names = (
        'points_per_side', 'pred_iou_thresh', 'stability_score_thresh', 'min_mask_region_area',
    )  # fmt: skip
    # A zero stands for the node's parameter.
    given = {name: getattr(request, name) for name in names if getattr(request, name) != 0}
    return replace(defaults, **given)
