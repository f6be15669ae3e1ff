# SPDX-License-Identifier: Apache-2.0
"""`ros2 bag record`: writes what is published to a bag until it is asked to stop."""

import argparse
import time
from datetime import datetime
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError

from ros2_standin.bag_qos import bag_qos, subscription_qos
from ros2_standin.errors import StandinError
from ros2_standin.message_types import message_class, message_definition
from ros2_standin.stopping import StopRequest

# How often new topics are looked for.
_DISCOVERY_S = 0.1
_DRAIN_S = 2.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ros2 bag record`."""
    parser.add_argument('topics', nargs='*', help='topics to record')
    parser.add_argument('--topics', nargs='+', default=[], dest='more_topics', metavar='TOPIC')
    parser.add_argument('-a', '--all', action='store_true', help='record all topics')
    parser.add_argument('-o', '--output', help='destination of the bag, a folder to be made')
    parser.add_argument('-s', '--storage', choices=['mcap'], default='mcap')


def main(args: argparse.Namespace) -> int:
    """Record, and return the exit status."""
    topics = {topic if topic[0] == '/' else f'/{topic}' for topic in _topics(args)}
    path = args.output or datetime.now().strftime('rosbag2_%Y_%m_%d-%H_%M_%S')
    stop = StopRequest()
    try:
        writer = Writer(path, version=9, storage_plugin=StoragePlugin.MCAP)
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        writer.open()
    except (WriterError, OSError) as error:
        raise StandinError(f'cannot record to {path}: {error}') from error
    try:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(
            'rosbag2_recorder', enable_rosout=False, start_parameter_services=False
        )
        try:
            _Recorder(node, writer, topics).record(stop)
        finally:
            node.destroy_node()
            rclpy.shutdown()
    finally:
        writer.close()
    return 0


def _topics(args: argparse.Namespace) -> list[str]:
    topics: list[str] = [*args.topics, *args.more_topics]
    if args.all == bool(topics):
        raise StandinError('either topics or --all is expected')
    return topics


class _Recorder:
    """Subscribes to topics as they appear; of none given, to all."""

    def __init__(self, node: Node, writer: Writer, topics: set[str]) -> None:
        self._node = node
        self._log = node.get_logger()
        self._writer = writer
        self._topics = topics
        self._seen: set[str] = set()
        self._count = 0

    def record(self, stop: StopRequest) -> None:
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        self._log.info('Recording...')
        next_look = time.monotonic()
        while not stop.is_set():
            if time.monotonic() >= next_look:
                self._look_for_topics()
                next_look = time.monotonic() + _DISCOVERY_S
            executor.spin_once(timeout_sec=_DISCOVERY_S / 2)
        self._drain(executor)
        executor.shutdown()
        for topic in sorted(self._topics - self._seen):
            self._log.warning(f"nothing was published on '{topic}'")

    def _drain(self, executor: SingleThreadedExecutor) -> None:
        # What had arrived when asked to stop is still recorded, in a limited time.
        deadline = time.monotonic() + _DRAIN_S
        idle_rounds = 0
        while idle_rounds < 3 and time.monotonic() < deadline:
            count = self._count
            executor.spin_once(timeout_sec=0.0)
            idle_rounds = 0 if self._count > count else idle_rounds + 1

    def _look_for_topics(self) -> None:
        for topic, types in self._node.get_topic_names_and_types():
            hidden = any(part.startswith('_') for part in topic.split('/'))
            wanted = topic in self._topics if self._topics else not hidden
            if wanted and topic not in self._seen:
                self._subscribe(topic, types)

    def _subscribe(self, topic: str, types: list[str]) -> None:
        publishers = self._node.get_publishers_info_by_topic(topic)
        if not publishers:
            return
        self._seen.add(topic)
        if len(types) > 1:
            self._log.error(f"topic '{topic}' is not recorded: it has several types, {types}")
            return
        try:
            kind = message_class(types[0])
            definition = message_definition(types[0])
        except StandinError as error:
            self._log.error(f"topic '{topic}' is not recorded: {error}")
            return
        connection = self._writer.add_connection(
            topic,
            types[0],
            msgdef=definition,
            rihs01=str(publishers[0].topic_type_hash),
            offered_qos_profiles=[bag_qos(p.qos_profile) for p in publishers],
        )

        def write(data: Any, info: Any) -> None:
            # The moment of arrival; not all DDS implementations tell it.
            stamp_ns = info['received_timestamp'] or time.time_ns()
            self._writer.write(connection, stamp_ns, data)
            self._count += 1

        self._node.create_subscription(
            kind, topic, write, subscription_qos([p.qos_profile for p in publishers]), raw=True
        )
        self._log.info(f"Subscribed to topic '{topic}'")
