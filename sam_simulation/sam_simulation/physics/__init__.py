# SPDX-License-Identifier: Apache-2.0
"""Physics: grasps are tried with a simulated gripper."""
