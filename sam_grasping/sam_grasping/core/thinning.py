# SPDX-License-Identifier: Apache-2.0
"""Fewer points where many are not needed."""

from __future__ import annotations

from sam_grasping.core.observation import Surface


def thinned(surface: Surface, count: int) -> Surface:
    """Return at most `count` of the surface's points, spread evenly over it."""
    if len(surface.points) <= count:
        return surface
    order = spread(len(surface.points), count)
    return Surface(surface.points[order], surface.normals[order])


def spread(rows: int, count: int) -> slice:
    """Return a slice that takes every so manieth of the rows, `count` at most."""
    return slice(None, None, max(1, -(-rows // count)))
