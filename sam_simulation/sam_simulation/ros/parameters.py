# SPDX-License-Identifier: Apache-2.0
"""The parameters of `camera_node`: the only place that states ranges, defaults and meaning."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from rclpy.node import Node

from sam_common.ros.parameters import Applied, parameter, read_options
from sam_simulation.camera.renderer import MAX_SIDE, MIN_SIDE
from sam_simulation.scene.tabletop import DEFAULT_SEED, MAX_OBJECTS

_at_start = partial(parameter, applied=Applied.START)


@dataclass(frozen=True)
class CameraNodeOptions:
    """The values that `camera_node` was started with; `options` reads them."""

    rate_hz: float = _at_start(10.0, 'Frames per second.', (0.1, 120))
    width: int = _at_start(640, 'Width of the images [px].', (MIN_SIDE, MAX_SIDE))
    height: int = _at_start(480, 'Height of the images [px].', (MIN_SIDE, MAX_SIDE))
    seed: int = _at_start(DEFAULT_SEED, 'Which scene is shown.', (0, 2**31 - 1))
    object_count: int = _at_start(0, 'How many objects; 0: as the seed decides.', (0, MAX_OBJECTS))
    jpeg_quality: int = _at_start(90, 'Quality of the compressed images.', (1, 100))
    moving: bool = _at_start(True, 'Whether the camera swings.')
    video: bool = _at_start(
        False, 'Whether the objects move: the video of the seed, forward and backward.'
    )
    fine: bool = _at_start(
        False, 'Whether edges and shadows are smooth; it takes twice the time on a CPU.'
    )
    rest: bool = _at_start(
        False, 'Whether the objects are shown where they come to rest in the physics simulation.'
    )


def options(node: Node) -> CameraNodeOptions:
    """Return the node's options."""
    return read_options(node, CameraNodeOptions)
