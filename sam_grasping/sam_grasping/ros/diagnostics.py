# SPDX-License-Identifier: Apache-2.0
"""What `grasp_node` says about itself: above all, why nothing comes out."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from sam_common.errors import CameraModelError
from sam_common.ros.camera_info_input import CameraInfoInput
from sam_common.ros.diagnostics import STANDS_STILL_AFTER_S, Report, mean_ms
from sam_common.ros.topic_input import TopicInput
from sam_common.stamp_order import NANOSECONDS
from sam_grasping.ros.continuous import Continuous
from sam_grasping.ros.depth_input import DepthInput
from sam_grasping.ros.objects_input import ObjectsInput
from sam_grasping.ros.plan_service import Active

OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
Status = tuple[bytes, str]


@dataclass(frozen=True)
class Health:
    """What there is to report on; None for what the node's state does not have."""

    state: str
    error: str
    active: Active | None
    camera_info: CameraInfoInput | None
    continuous: Continuous
    is_continuous: bool
    tolerance_ns: int


def report(health: Health) -> Report:
    """Return the node's report."""
    level, message = judge(health)
    return Report(level, message, facts(health))


def judge(health: Health) -> Status:
    """Return a level of DiagnosticStatus, and the first reason why nothing comes out, if any."""
    active, info = health.active, health.camera_info
    if health.error:
        return ERROR, health.error
    if active is None or info is None:
        return WARN, f'the node is {health.state}; configure and activate it'
    return (
        _silent(active.depth, 'depth images', "remap it to the camera's aligned depth")
        or _silent(info, 'camera_info', 'remap it to that of the depth image')
        or _uncalibrated(info, active.depth)
        or _apart(active.depth, active.objects, health.tolerance_ns)
        or _planning(health, active)
    )


def _silent(source: TopicInput, what: str, remedy: str) -> Status | None:
    """Return why nothing usable comes in on a topic, if nothing does."""
    if source.incompatible and not source.received:
        return ERROR, source.incompatible
    if not source.publishers:
        return WARN, f'no publisher on {source.topic}; {remedy}'
    if source.error:
        return ERROR, source.error
    if not source.rate_hz and not source.was_latched:
        return WARN, f'no {what} on {source.topic}, though it has a publisher'
    return None


def _uncalibrated(info: CameraInfoInput, depth: DepthInput) -> Status | None:
    if not len(depth.buffer):
        return None
    try:
        info.camera(depth.size_wh, depth.topic)
    except CameraModelError as error:
        return ERROR, f'{info.topic} does not fit {depth.topic}: {error}'
    return None


def _apart(depth: DepthInput, objects: ObjectsInput, tolerance_ns: int) -> Status | None:
    """Return how masks and depth don't belong together, if they don't."""
    seen, frames = objects.buffer.newest(), depth.buffer.newest_first()
    if seen is None or not frames or not objects.rate_hz:
        return None
    label = seen.msg.label_image
    size_wh = (label.width, label.height)
    if size_wh != depth.size_wh:
        return ERROR, (
            f'the masks on {objects.topic} are {_size(size_wh)} px, the depth images on '
            f'{depth.topic} {_size(depth.size_wh)}; use depth that is aligned to the colour image'
        )
    apart_ns = min(abs(frame.stamp_ns - seen.stamp_ns) for frame in frames)
    if apart_ns <= tolerance_ns:
        return None
    return WARN, (
        f'the newest masks are {apart_ns / NANOSECONDS:.6f} s from the nearest of '
        f'{len(frames)} depth images; stamp_tolerance_s is {tolerance_ns / NANOSECONDS:g}: raise '
        'it if colour and depth are not taken together, or depth_buffer_size if masks come late'
    )


def _planning(health: Health, active: Active) -> Status:
    seen = active.objects.buffer.newest()
    if active.objects.incompatible and not active.objects.received:
        return WARN, active.objects.incompatible
    if not health.is_continuous:
        return OK, 'ready'
    if seen is None or not seen.msg.objects:
        return OK, 'ready; nothing is tracked: track an object, or call ~/plan'
    if not active.publishing.subscribers:
        return OK, 'ready; nobody is subscribed, so nothing is planned continuously'
    waits_s = active.worker.stream_waits_s
    if waits_s > STANDS_STILL_AFTER_S:
        what, seconds = active.worker.at_work or ('nothing', waits_s)
        return WARN, (
            f'nothing was planned continuously for {waits_s:.0f} s: {what} has been at work for '
            f'{seconds:.0f} s; ask for less at once'
        )
    if health.continuous.error:
        return WARN, health.continuous.error
    return OK, 'planning for the tracked objects'


def facts(health: Health) -> dict[str, object]:
    """Return the figures behind the judgement."""
    values: dict[str, object] = {'state': health.state}
    if health.active is None or health.camera_info is None:
        return values
    active, info = health.active, health.camera_info
    seen, last = active.objects.buffer.newest(), active.planning.last
    values |= {
        'planning time [ms]': mean_ms(active.planning.times_s),
        'last plan': last.explain() if last else 'none yet',
        'requests waiting': active.worker.pending,
        'subscribers': active.publishing.subscribers,
        'images planned for continuously': health.continuous.rounds,
        'depth topic': active.depth.topic,
        'depth publishers': active.depth.publishers,
        'depth images received': active.depth.received,
        'depth rate [Hz]': f'{active.depth.rate_hz:.1f}',
        'depth encoding': active.depth.encoding,
        'depth size [px]': _size(active.depth.size_wh),
        'depth images buffered': len(active.depth.buffer),
        'depth images with an odd stamp': active.depth.buffer.order.skipped,
        'camera_info topic': info.topic,
        'camera_info publishers': info.publishers,
        'calibration in use': _in_use(info, active.depth),
        'objects topic': active.objects.topic,
        'objects publishers': active.objects.publishers,
        'objects tracked': len(seen.msg.objects) if seen else 0,
        'objects visible': len(seen.visible_ids) if seen else 0,
    }
    rejections = last.rejections if last else {}
    return values | {f'rejected: {cause}': count for cause, count in rejections.items()}


def _in_use(info: CameraInfoInput, depth: DepthInput) -> str:
    try:
        return info.in_use(depth.topic)
    except CameraModelError:
        return 'none'


def _size(size_wh: tuple[int, int]) -> str:
    return f'{size_wh[0]} x {size_wh[1]}'
