# SPDX-License-Identifier: Apache-2.0
"""Messages, parameters and the grasping node; thin."""
