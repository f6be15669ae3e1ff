# SPDX-License-Identifier: Apache-2.0
"""/diagnostics go on when a simulated clock stands, and tell of another node of the name."""

from diagnostic_msgs.msg import DiagnosticStatus
from rosgraph_msgs.msg import Clock
from running_node import NODE, diagnosis


def test_a_clock_that_stands_and_a_second_node_of_the_name_are_told_of(ros):
    ros.start_node(NODE, use_sim_time=True)
    diagnosis(ros, 'no time has come on /clock; start the simulation', DiagnosticStatus.WARN)
    clock = ros.node.create_publisher(Clock, '/clock', 1)
    message = Clock()

    def tick():
        message.clock.sec += 1
        clock.publish(message)

    received = diagnosis(ros, 'no publisher on /sam/image; remap it to the camera', meanwhile=tick)
    assert received['state'] == 'active'
    diagnosis(
        ros, f'/clock has stood at {message.clock.sec}.000 s', DiagnosticStatus.WARN,
        meanwhile=lambda: clock.publish(message),
    )  # fmt: skip
    ros.start_node(NODE, autostart=False)
    diagnosis(ros, '2 nodes are called /sam, and', DiagnosticStatus.WARN)
