# SPDX-License-Identifier: Apache-2.0
"""`sam_node`: promptable segmentation and tracking as a managed node."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

from sam_common.errors import SamError
from sam_common.ros.async_services import AsyncServices
from sam_common.ros.diagnostics import StatusPublisher
from sam_common.ros.faults import explain
from sam_common.ros.managed_node import ManagedNode
from sam_common.ros.run_node import run_node
from sam_segmentation.core.errors import CheckpointError, DeviceError
from sam_segmentation.core.segmenter import Segmenter
from sam_segmentation.models.registry import load_segmenter
from sam_segmentation.ros.diagnostics import Health, report
from sam_segmentation.ros.image_input import ImageInput
from sam_segmentation.ros.parameters import SamNodeOptions, options
from sam_segmentation.ros.prompt_topics import PromptTopics
from sam_segmentation.ros.services import Services
from sam_segmentation.ros.stream import Stream
from sam_segmentation.ros.track_service import TrackService
from sam_segmentation.streaming.engine import Engine
from sam_segmentation.streaming.frame_buffer import FrameBuffer

# What a user of ROS does about an error of the core, which states the remedy for Python code.
_REMEDIES: dict[type[SamError], str] = {
    CheckpointError: '`ros2 run sam_segmentation download MODEL`, or the parameter checkpoint',
    DeviceError: 'the parameter device, as device:=cpu',
}


class SamNode(ManagedNode):
    """Loads the model in configure, listens from activate on, frees the model in cleanup."""

    def __init__(self) -> None:
        super().__init__('sam', SamNodeOptions)
        self._engine: Engine | None = None
        self._stream: Stream | None = None
        self._prompts: PromptTopics | None = None
        self._image_input: ImageInput | None = None
        # The services live as long as the node: an inactive one answers, too, and says why not.
        async_services = AsyncServices(self)
        Services(self, async_services, self._active)
        TrackService(async_services, self._active, self._offer)
        StatusPublisher(self, lambda: report(self._health()))

    def configure(self) -> None:
        """Load the model."""
        now = options(self)
        load = partial(
            _load,
            now.model,
            checkpoint=now.checkpoint or None,
            device=now.device,
        )
        self._engine = Engine(
            load,
            tracking=now.tracking,
            history=now.frame_buffer_size,
            cache_size=now.embedding_cache_size,
            max_pending=now.max_pending_requests,
            on_stream_error=self._on_stream_error,
            on_reset=self._on_reset,
            is_cancelled=lambda: not self.context.ok(),
        )
        self._stream = Stream(self, self._engine)
        self._prompts = PromptTopics(self, self._active, self._offer)
        segmenter = self._engine.segmenter
        self.get_logger().info(f'{segmenter.name} is loaded on {segmenter.device}')

    def activate(self) -> None:
        """Begin to listen to the camera."""
        now = options(self)
        self._image_input = ImageInput(
            self,
            transport=now.image_transport,
            capacity=now.frame_buffer_size,
            order=self._engine.session.order if self._engine else None,
            on_frame=self._offer,
        )
        self.get_logger().info(f'ready; images from {self._image_input.topic}')

    def stop_listening(self) -> None:
        """Stop listening to the camera."""
        if self._image_input is not None:
            self._image_input.close()
            self._image_input = None

    def close(self) -> None:
        """Free everything without a transition, at the end of the process."""
        self._image_input = None
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def release(self) -> None:
        """Free the model and its memory."""
        engine, prompts, stream = self._engine, self._prompts, self._stream
        self._engine = self._prompts = self._stream = None
        with ExitStack() as last_to_first:
            if stream is not None:
                last_to_first.callback(stream.close)
            if prompts is not None:
                last_to_first.callback(prompts.close)
            # The worker first: what it still does needs the topics.
            if engine is not None:
                last_to_first.callback(self._close, engine)

    def _close(self, engine: Engine) -> None:
        at_work = engine.worker.at_work
        if not engine.close():
            what = at_work[0] if at_work else 'the model'
            self.get_logger().warning(
                f'{what} cannot be interrupted; its result is dropped, and the memory of '
                f'{engine.segmenter.name} freed, when it ends'
            )

    def _active(self) -> tuple[Engine, FrameBuffer]:
        if self._engine is None or self._image_input is None:
            raise self.not_active()
        return self._engine, self._image_input.buffer

    def _health(self) -> Health:
        return Health(
            self.state,
            self.error,
            self._engine,
            self._image_input,
            self._stream,
            self._prompts,
        )

    def _offer(self) -> None:
        """Let the newest frame be tracked in, if there is an object and somebody who listens."""
        engine, stream = self._engine, self._stream
        if engine and stream and self._image_input and stream.wanted:
            engine.worker.offer(self._process_newest)

    def _process_newest(self) -> None:
        stream, source = self._stream, self._image_input
        if stream is None or source is None:
            return
        # Taken now and not when the job was offered: the newest frame first.
        if frame := source.buffer.current:
            stream.process(frame)

    def _on_stream_error(self, error: Exception) -> None:
        if not self.context.ok():
            return  # the process ends, and errors of a job in flight are expected
        if self._stream is not None:
            self._stream.error = explain(error)
        self.get_logger().error(
            f'the frame was not tracked in: {error!r}', throttle_duration_sec=5.0
        )

    def _on_reset(self, reason: str) -> None:
        if self._stream is not None:
            self._stream.lost = reason
        self.get_logger().warning(reason)


def _load(name: str, *, checkpoint: str | None, device: str) -> Segmenter:
    try:
        return load_segmenter(name, checkpoint=checkpoint, device=device)
    except tuple(_REMEDIES) as error:
        remedy = next(text for kind, text in _REMEDIES.items() if isinstance(error, kind))
        raise type(error)(f'{error} (over ROS: {remedy})') from error


def main() -> None:
    """Run the node until it is told to stop."""
    run_node(SamNode, SamNode.start)


if __name__ == '__main__':
    main()
