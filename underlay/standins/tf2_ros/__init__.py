# SPDX-License-Identifier: Apache-2.0
"""Stand-in for ROS 2's tf2_ros: where frames are, from /tf and /tf_static, and to them."""

from tf2_ros.broadcasters import StaticTransformBroadcaster, TransformBroadcaster
from tf2_ros.buffer import Buffer
from tf2_ros.errors import (
    ConnectivityException,
    ExtrapolationException,
    InvalidArgumentException,
    LookupException,
    TransformException,
)
from tf2_ros.transform_listener import TransformListener

__all__ = [
    'Buffer',
    'ConnectivityException',
    'ExtrapolationException',
    'InvalidArgumentException',
    'LookupException',
    'StaticTransformBroadcaster',
    'TransformBroadcaster',
    'TransformException',
    'TransformListener',
]
