# SPDX-License-Identifier: Apache-2.0
"""Scenes and their rendering; knows no ROS."""
