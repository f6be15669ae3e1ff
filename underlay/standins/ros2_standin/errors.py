# SPDX-License-Identifier: Apache-2.0
"""What ends the `ros2` command with a message instead of a traceback."""


class StandinError(Exception):
    """Base of all errors that the stand-in raises on purpose."""


class OutsideSubsetError(StandinError):
    """Something that ROS 2 has and this stand-in hasn't."""

    def __init__(self, what: str) -> None:
        super().__init__(f'{what}: not in this stand-in, it needs a real ROS 2')
