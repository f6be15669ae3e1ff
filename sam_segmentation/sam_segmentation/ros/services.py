# SPDX-License-Identifier: Apache-2.0
"""The services of `sam_node`: a request becomes a job, its result an answer."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future as WorkerFuture
from dataclasses import replace
from functools import partial
from hashlib import blake2b
from traceback import format_exc
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from sam_interfaces.msg import ObjectMaskArray
from sam_interfaces.srv import SegmentEverything, SegmentRequest
from sam_segmentation.core.engine import Engine, ImageSource
from sam_segmentation.core.errors import PromptError, SamError, naming_prompt
from sam_segmentation.core.frame_ring import NANOSECONDS, FrameRing
from sam_segmentation.core.masks import label_image
from sam_segmentation.core.scored_mask import ScoredMask
from sam_segmentation.core.segmenter import EverythingOptions
from sam_segmentation.ros import parameters
from sam_segmentation.ros.conversions import (
    array_to_image,
    check_image,
    image_is_empty,
    image_to_rgb,
    object_to_msg,
    prompt_from_msg,
    stamp_to_ns,
)


class Services:
    """`~/segment` and `~/segment_everything`.

    Parameters
    ----------
    node : Node
    active : callable
        Returns the engine and the camera's frames; raises SamError while the node is not active.

    """

    def __init__(self, node: Node, active: Callable[[], tuple[Engine, FrameRing]]) -> None:
        self._node = node
        self._active = active
        # Reentrant: a request that waits for the worker must not hold up the next one.
        group = ReentrantCallbackGroup()
        node.create_service(
            SegmentRequest, '~/segment', partial(self._answer, self._segment), callback_group=group
        )
        node.create_service(
            SegmentEverything,
            '~/segment_everything',
            partial(self._answer, self._segment_everything),
            callback_group=group,
        )

    async def _answer(self, handler: Callable[..., Any], request: Any, response: Any) -> Any:
        """Answer a request, whatever happens: an exception here would end the node."""
        try:
            await handler(request, response)
            response.success = True
        except SamError as error:
            response.message = str(error)
        except Exception as error:  # the caller is told, and the log says where
            self._node.get_logger().error(f'internal error:\n{format_exc()}')
            response.message = f'internal error, please report it: {error!r}'
        return response

    async def _segment(
        self, request: SegmentRequest.Request, response: SegmentRequest.Response
    ) -> None:
        engine, ring = self._active()
        limit = parameters.value(self._node, 'max_prompts')
        if not 1 <= len(request.prompts) <= limit:
            raise PromptError(
                f'the request holds {len(request.prompts)} prompts; give 1 to {limit} '
                '(parameter max_prompts)'
            )
        prompts = []
        for number, prompt in enumerate(request.prompts, start=1):
            with naming_prompt(number, len(request.prompts)):
                prompts.append(prompt_from_msg(prompt))
        header, key, image_rgb = _source(request, ring)
        results = await self._run(
            engine,
            lambda: engine.segment(
                key(),
                image_rgb,
                prompts,
                multimask=request.multimask_output,
                refine_rounds=parameters.value(self._node, 'refine_rounds'),
            ),
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
        engine, ring = self._active()
        options = _options(request, parameters.everything_options(self._node))
        header, key, image_rgb = _source(request, ring)
        masks, size_wh = await self._run(
            engine, lambda: engine.segment_everything(key(), image_rgb, options)
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

    async def _run(self, engine: Engine, job: Callable[[], Any]) -> Any:
        done: Future = Future()

        def wake(finished: WorkerFuture[Any]) -> None:
            done.set_result(finished)
            # Without it the executor would see the result at its next event only.
            if self._node.executor is not None:
                self._node.executor.wake()

        engine.worker.submit(job).add_done_callback(wake)
        return (await done).result()


def _source(request: Any, ring: FrameRing) -> tuple[Header, Callable[[], Hashable], ImageSource]:
    """Return the header, the cache key and the pixels of the image that a request speaks of."""
    image: Image = request.image
    if not image_is_empty(image):
        check_image(image)
        return image.header, partial(_digest, image), partial(image_to_rgb, image)
    stamp_ns = stamp_to_ns(request.stamp)
    frame = ring.at(stamp_ns) if stamp_ns else ring.newest()
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
