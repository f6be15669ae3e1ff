# SPDX-License-Identifier: Apache-2.0
"""What the packages of the suite share; models and grasps are unknown to it."""
