# SPDX-License-Identifier: Apache-2.0
"""`ros2 bag play`: publishes a bag's messages as they were recorded."""

import argparse
from collections.abc import Sequence
from typing import Any

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from rosbags.interfaces import Connection, ConnectionExtRosbag2
from rosbags.rosbag2 import Reader

from ros2_standin.bag_qos import publisher_qos
from ros2_standin.bag_reading import open_bag, read_ahead
from ros2_standin.errors import StandinError
from ros2_standin.message_types import message_class
from ros2_standin.play_clock import PlayClock
from ros2_standin.stopping import StopRequest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `ros2 bag play`."""
    parser.add_argument('bag_path', help='Bag to open')
    parser.add_argument(
        '-r', '--rate', type=_positive, default=1.0, help='rate at which to play back messages'
    )
    parser.add_argument('-l', '--loop', action='store_true', help='start again after the end')
    parser.add_argument('--topics', nargs='+', default=[], help='topics to replay, all if none')
    parser.add_argument(
        '-m', '--remap', nargs='+', default=[], help='list of topics to be remapped: old:=new'
    )
    parser.add_argument(
        '--start-offset', type=_not_negative, default=0.0, help='start this far into the bag [s]'
    )
    parser.add_argument(
        '-d',
        '--delay',
        type=_not_negative,
        default=0.0,
        help='wait before playing, each time [s]: subscriptions need a while to find the topics',
    )
    parser.add_argument(
        '--clock',
        type=_positive,
        nargs='?',
        const=40.0,
        help='publish to /clock at this rate [Hz], 40 if none is given',
    )


def main(args: argparse.Namespace) -> int:
    """Play, and return the exit status."""
    stop = StopRequest()
    with open_bag(args.bag_path) as reader:
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        remaps = [word for rule in args.remap for word in ('-r', rule)]
        node = rclpy.create_node(
            'rosbag2_player',
            cli_args=['--ros-args', *remaps] if remaps else None,
            enable_rosout=False,
            start_parameter_services=False,
        )
        try:
            _Player(node, reader, args, stop).play()
        finally:
            node.destroy_node()
            rclpy.shutdown()
    return 0


class _Player:
    def __init__(
        self, node: Node, reader: Reader, args: argparse.Namespace, stop: StopRequest
    ) -> None:
        self._log = node.get_logger()
        self._reader = reader
        self._stop = stop
        self._loop: bool = args.loop
        self._delay_s: float = args.delay
        self._start_ns = reader.start_time + round(args.start_offset * 1e9)
        self._clock = PlayClock(node, rate=args.rate, publish_hz=args.clock, stop=stop)
        connections = self._chosen(args.topics)
        made = {c.id: self._make_publisher(node, c) for c in connections}
        self._publishers = {key: publisher for key, publisher in made.items() if publisher}
        self._connections = [c for c in connections if c.id in self._publishers]

    def play(self) -> None:
        if not self._connections:
            raise StandinError(f'{self._reader.path}: there is no topic to play')
        while self._play_once() and self._loop and not self._stop.is_set():
            pass
        for publisher in self._publishers.values():
            if not self._stop.is_set() and _is_reliable(publisher):
                publisher.wait_for_all_acked(Duration(seconds=1))

    def _play_once(self) -> bool:
        """Play the bag, and tell whether there was a message in it."""
        self._stop.wait(self._delay_s)
        self._clock.start(self._start_ns)
        any_message = False
        topics = {connection.topic for connection in self._connections}
        for connection, stamp_ns, data in read_ahead(
            str(self._reader.path), topics, self._start_ns
        ):
            any_message = True
            if self._clock.wait_until(stamp_ns):
                break
            self._publishers[connection.id].publish(bytes(data))
        return any_message

    def _chosen(self, topics: Sequence[str]) -> list[Connection]:
        known = {connection.topic for connection in self._reader.connections}
        for topic in topics:
            if topic not in known:
                self._log.warning(f"the bag has no topic '{topic}', only {sorted(known)}")
        return [c for c in self._reader.connections if not topics or c.topic in topics]

    def _make_publisher(self, node: Node, connection: Connection) -> Any:
        profiles = (
            connection.ext.offered_qos_profiles
            if isinstance(connection.ext, ConnectionExtRosbag2)
            else []
        )
        qos, agreed = publisher_qos(profiles)
        if not agreed:
            self._log.warning(
                f"the publishers of '{connection.topic}' offered different QoS; "
                'the default is used, reliable and volatile'
            )
        try:
            kind = message_class(connection.msgtype)
        except StandinError as error:
            self._log.warning(f"topic '{connection.topic}' is not played: {error}")
            return None
        return node.create_publisher(kind, connection.topic, qos)


def _is_reliable(publisher: Any) -> bool:
    return bool(publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'expected a positive number, got {text}')
    return value


def _not_negative(text: str) -> float:
    return 0.0 if float(text) == 0 else _positive(text)
