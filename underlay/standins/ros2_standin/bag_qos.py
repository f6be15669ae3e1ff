# SPDX-License-Identifier: Apache-2.0
"""Quality of service: as publishers offer it, as bags keep it, as subscriptions ask for it."""

from collections.abc import Sequence

from rclpy.duration import Duration
from rclpy.qos import (
    DurabilityPolicy,
    HistoryPolicy,
    LivelinessPolicy,
    QoSProfile,
    ReliabilityPolicy,
)
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

_DEFAULT_DEPTH = 10
# For recording, deep enough to bridge the time that the disk takes.
_RECORD_DEPTH = 100
_NANOSECONDS = 1_000_000_000


def publisher_qos(recorded: Sequence[Qos]) -> tuple[QoSProfile, bool]:
    """Return what a topic was recorded with, and whether its publishers agreed.

    Where they did not, or nothing is known, it is the default: reliable, volatile.
    """
    default = QoSProfile(depth=_DEFAULT_DEPTH)
    if not recorded:
        return default, True
    first = recorded[0]
    if any(_offer(other) != _offer(first) for other in recorded):
        return default, False
    known_depth = first.history is QosHistory.KEEP_LAST and first.depth > 0
    profile = QoSProfile(
        depth=first.depth if known_depth else _DEFAULT_DEPTH,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.BEST_EFFORT
        if first.reliability is QosReliability.BEST_EFFORT
        else ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if first.durability is QosDurability.TRANSIENT_LOCAL
        else DurabilityPolicy.VOLATILE,
        deadline=_duration(first.deadline),
        lifespan=_duration(first.lifespan),
    )
    if first.liveliness is QosLiveliness.MANUAL_BY_TOPIC:
        profile.liveliness = LivelinessPolicy.MANUAL_BY_TOPIC
        profile.liveliness_lease_duration = _duration(first.liveliness_lease_duration)
    return profile, True


def subscription_qos(offered: Sequence[QoSProfile]) -> QoSProfile:
    """Return what matches all publishers of a topic, and asks for the most that it can."""
    reliable = all(p.reliability == ReliabilityPolicy.RELIABLE for p in offered)
    kept = all(p.durability == DurabilityPolicy.TRANSIENT_LOCAL for p in offered)
    return QoSProfile(
        depth=_RECORD_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if kept else DurabilityPolicy.VOLATILE,
    )


def bag_qos(offered: QoSProfile) -> Qos:
    """Return a publisher's profile as bags keep it."""
    return Qos(
        history=QosHistory[offered.history.name],
        depth=offered.depth,
        reliability=QosReliability[offered.reliability.name],
        durability=QosDurability[offered.durability.name],
        deadline=_time(offered.deadline),
        lifespan=_time(offered.lifespan),
        liveliness=QosLiveliness[offered.liveliness.name],
        liveliness_lease_duration=_time(offered.liveliness_lease_duration),
        avoid_ros_namespace_conventions=offered.avoid_ros_namespace_conventions,
    )


def _offer(qos: Qos) -> tuple[object, ...]:
    return (qos.reliability, qos.durability, qos.deadline, qos.liveliness)


def _duration(time: QosTime) -> Duration:
    # Infinite is written as the most seconds there are, which is more than 64 bits of nanoseconds.
    return Duration(nanoseconds=min(time.sec * _NANOSECONDS + time.nsec, 2**63 - 1))


def _time(duration: Duration) -> QosTime:
    return QosTime(*divmod(int(duration.nanoseconds), _NANOSECONDS))
