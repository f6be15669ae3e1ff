# SPDX-License-Identifier: Apache-2.0
"""Exit with 0 only if every lifecycle node named is active: the health check of a container."""

from __future__ import annotations

import argparse
import os
import sys
import time

import rclpy
from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.node import Node

_ASK_AGAIN_S = 1.0


def main() -> int:
    """Ask the nodes, say of each that is not active what it is, return 0 or 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('nodes', nargs='+', help='full names, such as /sam')
    parser.add_argument('--timeout', type=float, default=10.0, help='seconds in all')
    arguments = parser.parse_args()
    rclpy.init()
    node = rclpy.create_node(
        f'health_{os.getpid()}', start_parameter_services=False, enable_rosout=False
    )
    try:
        deadline = time.monotonic() + arguments.timeout
        states = {name: lifecycle_state(node, name, deadline) for name in arguments.nodes}
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    for name, state in states.items():
        print(f'{name}: {state.label if state else f"no answer in {arguments.timeout:g} s"}')
    healthy = all(state and state.id == State.PRIMARY_STATE_ACTIVE for state in states.values())
    return 0 if healthy else 1


def lifecycle_state(node: Node, name: str, deadline: float) -> State | None:
    """Return the lifecycle state of a node, or None if it gives none before the deadline.

    A client sees a service before the service sees the client, and what is answered in between
    is lost; so it is asked again and again.
    """
    client = node.create_client(GetState, f'{name}/get_state')
    asked = []
    next_at = time.monotonic()
    while (now := time.monotonic()) < deadline:
        if now >= next_at and client.service_is_ready():
            next_at = now + _ASK_AGAIN_S
            asked.append(client.call_async(GetState.Request()))
        rclpy.spin_once(node, timeout_sec=0.1)
        for future in asked:
            if future.done():
                return future.result().current_state
    return None


if __name__ == '__main__':
    sys.exit(main())
