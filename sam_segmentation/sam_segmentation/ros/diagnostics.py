# SPDX-License-Identifier: Apache-2.0
"""What `sam_node` says about itself: above all, why nothing comes out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from sam_common.ros.diagnostics import STANDS_STILL_AFTER_S, Report, mean_ms
from sam_segmentation.core.tracked_mask import ObjectState
from sam_segmentation.ros.image_input import ImageInput
from sam_segmentation.ros.prompt_topics import PromptTopics
from sam_segmentation.ros.stream import Stream
from sam_segmentation.streaming.engine import Engine


@dataclass(frozen=True)
class Health:
    """What there is to report on; None for what the node's state does not have."""

    state: str
    error: str
    engine: Engine | None
    image_input: ImageInput | None
    stream: Stream | None
    prompts: PromptTopics | None


def report(health: Health) -> Report:
    """Return the node's report."""
    level, message = judge(health)
    device = health.engine.segmenter.device if health.engine else ''
    return Report(level, message, facts(health), device)


def judge(health: Health) -> tuple[bytes, str]:
    """Return a level of DiagnosticStatus, and the first reason why nothing comes out, if any."""
    source, stream, engine = health.image_input, health.stream, health.engine
    if health.error:
        return DiagnosticStatus.ERROR, health.error
    if source is None or stream is None or engine is None:
        return DiagnosticStatus.WARN, f'the node is {health.state}; configure and activate it'
    if source.incompatible and not source.received:
        return DiagnosticStatus.ERROR, source.incompatible
    if not source.publishers:
        return DiagnosticStatus.WARN, f'no publisher on {source.topic}; remap it to the camera'
    if source.error:
        return DiagnosticStatus.ERROR, source.error
    if not source.rate_hz:
        return DiagnosticStatus.WARN, f'no images on {source.topic}, though it has a publisher'
    if stream.error:
        return DiagnosticStatus.WARN, stream.error
    if engine.worker.stream_waits_s > STANDS_STILL_AFTER_S:
        return DiagnosticStatus.WARN, _standing_still(engine)
    if health.prompts and health.prompts.incompatible:
        return DiagnosticStatus.WARN, health.prompts.incompatible
    if health.prompts and health.prompts.error:
        return DiagnosticStatus.WARN, health.prompts.error
    if not engine.session.is_at_work:
        if stream.lost:
            return DiagnosticStatus.WARN, stream.lost
        return DiagnosticStatus.OK, 'ready; nothing is tracked: click, send detections, or ADD'
    if not stream.subscribers:
        return DiagnosticStatus.OK, 'ready; nobody is subscribed, so nothing is tracked on'
    return DiagnosticStatus.OK, 'tracking'


def _standing_still(engine: Engine) -> str:
    text = f'no frame was tracked in for {engine.worker.stream_waits_s:.0f} s'
    if at_work := engine.worker.at_work:
        what, seconds = at_work
        text += f': {what} has been at work for {seconds:.0f} s'
    return f'{text}; ask for less at once, or use a faster model or device'


def facts(health: Health) -> dict[str, object]:
    """Return the figures behind the judgement."""
    values: dict[str, object] = {'state': health.state}
    if engine := health.engine:
        values |= {
            'model': engine.segmenter.name,
            'device': engine.segmenter.device,
            'model time per image [ms]': mean_ms(engine.model_times_s),
            'requests waiting': engine.worker.pending,
            'at work': at_work[0] if (at_work := engine.worker.at_work) else 'nothing',
            'frames dropped for newer ones': engine.worker.replaced,
            'embeddings reused': engine.cache.hits,
            'embeddings made': engine.cache.misses,
        } | _tracked(engine)
    if source := health.image_input:
        values |= {
            'image topic': source.topic,
            'publishers': source.publishers,
            'images received': source.received,
            'image rate [Hz]': f'{source.rate_hz:.1f}',
            'encoding': source.encoding,
            'frames buffered': len(source.buffer),
        }
    if prompts := health.prompts:
        values['detections left out'] = prompts.left_out
        if prompts.calibration:
            values['calibration in use'] = prompts.calibration
    if stream := health.stream:
        values |= {
            'subscribers': stream.subscribers,
            'frames tracked': stream.processed,
            'tracking rate [Hz]': f'{stream.rate_hz:.1f}',
            'time to publish [ms]': mean_ms(stream.publish_times_s),
            'latency [ms]': f'{1e3 * stream.latency_s:.1f}',
        }
    return values


def _tracked(engine: Engine) -> dict[str, object]:
    session = engine.session
    states = Counter(obj.state for obj in session.objects)
    return {
        'objects tracked': sum(states.values()),
        **{f'objects {state.name.lower()}': states[state] for state in ObjectState},
        'time per tracked frame [ms]': mean_ms(engine.step_times_s),
        'tracker resets': session.resets,
        'last reset': session.reset_reason or 'none',
        'frames with a repeated stamp': session.repeated,
        'frames with an odd stamp': session.order.skipped,
        'frames of an odd size': session.other_size,
    }
