# SPDX-License-Identifier: Apache-2.0
"""The default planner: antipodal grasps found by geometry."""
