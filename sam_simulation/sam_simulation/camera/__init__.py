# SPDX-License-Identifier: Apache-2.0
"""RGB-D cameras: viewpoints, rendering, sensor noise."""
