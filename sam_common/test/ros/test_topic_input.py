# SPDX-License-Identifier: Apache-2.0
"""What a subscription takes, and what it says of publishers that it cannot hear."""

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from std_msgs.msg import Float64

from sam_common.ros.topic_input import TopicInput

BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
VOLATILE = QoSProfile(depth=1)
KEPT = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def listening(module_ros):
    """Make an input in this process; return it and what spins until something holds."""
    nodes = []

    def listen(topic, *overrides, **options):
        rclpy.init(args=['--ros-args', *overrides], domain_id=module_ros.domain)
        node = rclpy.create_node('listener')
        nodes.append(node)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        received = []
        source = TopicInput(node, Float64, topic, received.append, **options)

        def until(condition, what):
            def attempt():
                executor.spin_once(timeout_sec=0)
                return condition()

            module_ros.until(attempt, what)

        return source, received, until

    yield listen
    for node in nodes:
        node.destroy_node()
    rclpy.try_shutdown()


def test_what_is_kept_for_late_comers_arrives(module_ros, listening):
    publisher = module_ros.node.create_publisher(Float64, '/kept', KEPT)
    publisher.publish(Float64(data=3.0))
    source, received, until = listening('/kept', latched=True)
    until(lambda: received, 'what was published before')
    assert received[0].data == 3.0
    assert source.was_latched
    assert source.received == 1


@pytest.mark.parametrize('qos', [BEST_EFFORT, VOLATILE], ids=['best effort', 'reliable'])
def test_what_is_not_kept_arrives_as_well(module_ros, listening, qos):
    topic = f'/plain{qos.reliability.value}'
    publisher = module_ros.node.create_publisher(Float64, topic, qos)
    source, received, until = listening(topic, latched=True)
    until(lambda: publisher.publish(Float64()) or received, 'a message')
    assert not source.was_latched
    assert not source.incompatible


@pytest.mark.parametrize(
    ('policy', 'demanded', 'qos', 'remedy'),
    [
        ('reliability', 'reliable', BEST_EFFORT, 'best_effort'),
        ('durability', 'transient_local', BEST_EFFORT, 'volatile'),
    ],
)
def test_the_parameter_that_differs_is_named(module_ros, listening, policy, demanded, qos, remedy):
    topic = f'/{policy}'
    name = f'qos_overrides.{topic}.subscription.{policy}'
    source, _, until = listening(topic, '-p', f'{name}:={demanded}')
    module_ros.node.create_publisher(Float64, topic, qos)
    until(lambda: source.incompatible, 'the mismatch to be seen')
    assert f'start the node with {name}:={remedy}' in source.incompatible
