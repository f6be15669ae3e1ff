# SPDX-License-Identifier: Apache-2.0
"""A simulated tabletop, seen by an RGB-D camera, with ground truth."""
