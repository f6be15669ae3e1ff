# SPDX-License-Identifier: Apache-2.0
"""A node's process from its beginning to an orderly end."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import rclpy
from rclpy.exceptions import NameValidationException, ParameterException
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor

from sam_common.errors import SamError
from sam_common.ros.faults import Faults, reason
from sam_common.worker import is_left_running

# A fault of rclpy itself may come back at once; it must not take the whole processor [s].
PAUSE_S = 0.001
# What a command line with a bad parameter, remapping or name leads to; no bug of the node's.
GIVEN_WRONGLY = (SamError, ParameterException, NameValidationException)


def run_node(make: Callable[[], Any], start: Callable[[Any], None] = lambda node: None) -> None:
    """Make a node, start it, and spin it until the process is told to stop.

    What a callback raises is logged and does not end it. Parameters or arguments that cannot be
    used end it with one line that says why, and status 1.

    Parameters
    ----------
    make : callable
        Returns the node; its `close()` frees what it holds.
    start : callable
        Called with the node before it spins.

    Raises
    ------
    Exception
        What making or starting raises, unless the process was told to stop before.

    """
    # Ctrl-C reaches a launched node twice, from the terminal and from launch: the second time
    # perhaps while it stops for the first.
    with suppress(KeyboardInterrupt):
        _run(make, start)
    if is_left_running():
        # Python would end a thread in the middle of the model's own code, which may crash there,
        # or hang. Nothing is lost: what it does was refused, and it writes no files.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _run(make: Callable[[], Any], start: Callable[[Any], None]) -> None:
    try:
        rclpy.init()
    except RuntimeError as error:  # arguments that rcl does not understand
        _give_up(error)
    node = None
    try:
        node = make()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        start(node)
        _spin(executor, node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # the ordinary ways to stop
    except Exception as error:
        # Told to stop while it starts, a node fails wherever it next calls rcl: also expected.
        if rclpy.ok():
            if node is None and isinstance(error, GIVEN_WRONGLY):
                _give_up(error)
            raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if node is not None:
            node.close()
            node.destroy_node()
        rclpy.try_shutdown()


def _give_up(error: Exception) -> NoReturn:
    sys.exit(f'{Path(sys.argv[0]).stem}: {reason(error)}')


def _spin(executor: Executor, node: Any) -> None:
    """Spin until the process is told to stop, whatever callbacks, or rclpy itself, raise."""
    faults: Faults = getattr(node, 'faults', None) or Faults(node.get_logger)
    while executor.context.ok():
        try:
            executor.spin()
        except ExternalShutdownException:
            raise
        except Exception as error:
            # Told to stop, a callback fails wherever it next calls rcl: expected.
            if executor.context.ok():
                faults.note('a callback', error)
                time.sleep(PAUSE_S)
