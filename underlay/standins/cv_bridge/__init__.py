# SPDX-License-Identifier: Apache-2.0
"""Stand-in for ROS 2's cv_bridge: images as messages to and from images as arrays."""

from cv_bridge.core import CvBridge, CvBridgeError

__all__ = ['CvBridge', 'CvBridgeError']
