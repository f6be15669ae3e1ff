# SPDX-License-Identifier: Apache-2.0
"""A node's process from its beginning to an orderly end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor


def run_node(make: Callable[[], Any], start: Callable[[Any], None] = lambda node: None) -> None:
    """Make a node, start it, and spin it until the process is told to stop.

    Parameters
    ----------
    make : callable
        Returns the node; its `close()` frees what it holds.
    start : callable
        Called with the node before it spins.

    Raises
    ------
    Exception
        What making, starting or a callback raises, unless the process was told to stop before.

    """
    # Ctrl-C reaches a launched node twice, from the terminal and from launch: the second time
    # perhaps while it stops for the first.
    with suppress(KeyboardInterrupt):
        _run(make, start)


def _run(make: Callable[[], Any], start: Callable[[Any], None]) -> None:
    rclpy.init()
    node = None
    try:
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        start(node)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # the ordinary ways to stop
    except Exception:
        # Told to stop while it starts, a node fails wherever it next calls rcl: no news either.
        if rclpy.ok():
            raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()
