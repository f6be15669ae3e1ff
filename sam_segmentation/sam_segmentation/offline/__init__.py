# SPDX-License-Identifier: Apache-2.0
"""Tracking through recorded video: `track_video`; no ROS below this name."""
