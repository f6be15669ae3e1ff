# SPDX-License-Identifier: Apache-2.0
"""What `sam_node` says about itself: above all, why nothing comes out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from sam_segmentation.core.engine import Engine
from sam_segmentation.ros.image_input import ImageInput
from sam_segmentation.ros.stream import Stream

PERIOD_S = 1.0


@dataclass(frozen=True)
class Health:
    """What there is to report on; None for what the node's state does not have."""

    state: str
    error: str
    engine: Engine | None
    image_input: ImageInput | None
    stream: Stream | None


class Diagnostics:
    """Publishes the node's health on /diagnostics once a second."""

    def __init__(self, node: Node, health: Callable[[], Health]) -> None:
        self._node = node
        self._health = health
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        node.create_timer(PERIOD_S, self._publish)

    def _publish(self) -> None:
        health = self._health()
        level, message = judge(health)
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name(),
            message=message,
            hardware_id=health.engine.segmenter.device if health.engine else '',
            values=[KeyValue(key=key, value=str(value)) for key, value in facts(health).items()],
        )
        array = DiagnosticArray(status=[status])
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)


def judge(health: Health) -> tuple[bytes, str]:
    """Return a level of DiagnosticStatus, and the first reason why nothing comes out, if any."""
    source, stream = health.image_input, health.stream
    if health.error:
        return DiagnosticStatus.ERROR, health.error
    if source is None or stream is None:
        return DiagnosticStatus.WARN, f'the node is {health.state}; configure and activate it'
    if source.incompatible and not source.received:
        return (
            DiagnosticStatus.ERROR,
            f'QoS {source.incompatible} is incompatible with the publisher on {source.topic}',
        )
    if not source.publishers:
        return DiagnosticStatus.WARN, f'no publisher on {source.topic}; remap it to the camera'
    if source.error:
        return DiagnosticStatus.ERROR, source.error
    if not source.rate_hz:
        return DiagnosticStatus.WARN, f'no images on {source.topic}, though it has a publisher'
    if stream.error:
        return DiagnosticStatus.WARN, stream.error
    if not stream.standing:
        return DiagnosticStatus.OK, 'ready; no standing prompt: click, or send detections'
    if not stream.subscribers:
        return DiagnosticStatus.OK, 'ready; nobody is subscribed, so nothing is segmented'
    return DiagnosticStatus.OK, 'segmenting'


def facts(health: Health) -> dict[str, object]:
    """Return the figures behind the judgement."""
    values: dict[str, object] = {'state': health.state}
    if engine := health.engine:
        times = list(engine.model_times_s)
        values |= {
            'model': engine.segmenter.name,
            'device': engine.segmenter.device,
            'model time per image [ms]': f'{1e3 * fmean(times):.1f}' if times else 'none yet',
            'requests waiting': engine.worker.pending,
            'frames dropped for newer ones': engine.worker.replaced,
            'embeddings reused': engine.cache.hits,
            'embeddings made': engine.cache.misses,
        }
    if source := health.image_input:
        values |= {
            'image topic': source.topic,
            'publishers': source.publishers,
            'images received': source.received,
            'image rate [Hz]': f'{source.rate_hz:.1f}',
            'encoding': source.encoding,
            'frames buffered': len(source.ring),
        }
    if stream := health.stream:
        values |= {
            'standing prompts': len(stream.standing),
            'subscribers': stream.subscribers,
            'frames segmented': stream.processed,
            'latency [ms]': f'{1e3 * stream.latency_s:.1f}',
        }
    return values
