# SPDX-License-Identifier: Apache-2.0
"""The tracker on the live stream: each new frame is stepped, and what is seen published."""

from __future__ import annotations

from collections import deque
from time import perf_counter

from rclpy.lifecycle import LifecycleNode

from sam_common.rate_counter import RateCounter
from sam_segmentation.ros.parameters import options
from sam_segmentation.ros.publishing import Publishing
from sam_segmentation.streaming.engine import Engine
from sam_segmentation.streaming.frame_buffer import Frame


class Stream:
    """Follows the tracked objects through the camera's frames, for those who listen.

    Attributes
    ----------
    processed : int
        Frames that objects were tracked in.
    error : str
        Why the last frame failed; '' on success.
    lost : str
        Why the stream made the objects go; '' if it did not.
    latency_s : float
        From the last processed image's stamp to its publishing [s].
    publish_times_s : deque of float
        How long publishing took for the last frames [s].

    """

    def __init__(self, node: LifecycleNode, engine: Engine) -> None:
        self.processed = 0
        self.error = ''
        self.lost = ''
        self.latency_s = 0.0
        self.publish_times_s: deque[float] = deque(maxlen=30)
        self._node = node
        self._engine = engine
        self._publishing = Publishing(node)
        self._published = engine.session.version
        self._tracked = RateCounter()

    @property
    def subscribers(self) -> int:
        """How many listen to what is published."""
        return self._publishing.subscribers

    @property
    def wanted(self) -> bool:
        """Whether there is something to track, or to tell, and somebody to see it."""
        session = self._engine.session
        return bool(
            (session.is_at_work or session.version != self._published) and self.subscribers
        )

    @property
    def rate_hz(self) -> float:
        """At what rate frames are tracked in [Hz]; 0 when none was for two seconds."""
        return self._tracked.rate_hz

    def close(self) -> None:
        """End the topics."""
        self._publishing.close()

    def process(self, frame: Frame) -> None:
        """Track in a frame and publish what has changed; to be called from the worker.

        After the last object went away, or a reset, an empty result is published once.

        Raises
        ------
        SamError
            If the frame cannot be decoded, or the device runs out of memory.

        """
        session = self._engine.session
        # A frame that a request has stepped is published all the same, before the next one: else
        # who listens would wait for two steps. One that was published is published anew when a
        # request has changed something in it.
        self._publish_news()
        if session.is_at_work:
            self._engine.step(frame)
            self._publish_news()

    def _publish_news(self) -> None:
        session = self._engine.session
        if session.version == self._published:
            return
        self._published = session.version
        self.error = ''
        if session.objects:
            self.lost = ''
            self.processed += 1
            self._tracked.note()
        begin = perf_counter()
        self.latency_s = self._publishing.publish(
            session.view(),
            model=session.tracker.name,
            threshold=options(self._node).confidence_threshold,
        )
        self.publish_times_s.append(perf_counter() - begin)
