# SPDX-License-Identifier: Apache-2.0
"""Convex collision geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sam_common.types import FloatArray

# How far the flat facets of round things may stand off the round [m]; a wall needs a part for
# each, a solid does not.
_WALL_SAGITTA_M, _SOLID_SAGITTA_M = 0.0005, 0.0002


class PartKind(Enum):
    """What a part is, and what its sizes are [m]."""

    BOX = 'half edges x, y, z'
    CYLINDER = 'radius, half height along z'
    CAPSULE = 'radius, half height of the cylinder between its two half balls along z'
    HULL = 'none: the convex hull of its vertices'


@dataclass(frozen=True, eq=False, kw_only=True)
class Part:
    """A convex solid.

    Parameters
    ----------
    kind : PartKind
    size_m : tuple of float
        As the kind says.
    vertices : array of float64, shape (N, 3)
        Of a hull, in its own frame; empty for other kinds [m].
    rotation : array of float64, shape (3, 3)
        From its own frame to that of the thing.
    centre : array of float64, shape (3,)
        Its own frame's origin in that of the thing [m].
    weighs : bool
        Whether it adds to the mass; not if most of it lies in other parts.

    """

    kind: PartKind
    size_m: tuple[float, ...] = ()
    vertices: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    rotation: FloatArray = field(default_factory=lambda: np.eye(3))
    centre: FloatArray = field(default_factory=lambda: np.zeros(3))
    weighs: bool = True

    def moved(self, rotation: FloatArray, translation: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Part:
        """Return the part rotated (3, 3), then translated (3,) [m]."""
        return replace(
            self,
            rotation=rotation @ self.rotation,
            centre=rotation @ self.centre + np.asarray(translation),
        )


def box(size_m: npt.ArrayLike) -> Part:
    """Return a cuboid round the origin with these edges (3,) [m]."""
    half = np.asarray(size_m, np.float64) / 2
    return Part(kind=PartKind.BOX, size_m=(float(half[0]), float(half[1]), float(half[2])))


def cylinder(radius_m: float, low_m: float, high_m: float, *, weighs: bool = True) -> Part:
    """Return a cylinder about the z axis between two heights [m]: what stands well on a table."""
    return Part(
        kind=PartKind.CYLINDER,
        size_m=(float(radius_m), float(high_m - low_m) / 2),
        centre=np.array([0.0, 0.0, (low_m + high_m) / 2]),
        weighs=weighs,
    )


def hull(vertices: FloatArray) -> Part:
    """Return the convex hull of vertices (N, 3) [m]."""
    return Part(kind=PartKind.HULL, vertices=np.unique(vertices, axis=0))


def turned(profile_rz: npt.ArrayLike) -> Part:
    """Return what a convex profile (K, 2) of radius and height [m] fills when it turns about z.

    MuJoCo finds all of the patch where a facet touches a finger, but one point only of the line
    where a cylinder does, so that what is gripped spins: use this for what is gripped.
    """
    profile = np.asarray(profile_rz, np.float64)
    count = _steps(float(profile[:, 0].max()), _SOLID_SAGITTA_M)
    angles = np.arange(count) * 2 * np.pi / count
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = np.empty((len(profile), count, 3))
    points[..., :2] = profile[:, None, :1] * circle
    points[..., 2] = profile[:, 1:]
    return hull(points.reshape(-1, 3))


def ring(profiles_rz: Sequence[npt.ArrayLike]) -> list[Part]:
    """Return a hollow wall about the z axis.

    Parameters
    ----------
    profiles_rz : sequence of arrays, shape (K, 2)
        Convex cross-sections of the wall, one above the other: radius and height [m].

    Returns
    -------
    list of Part
        As many segments round the axis for each profile as make it round.

    """
    profiles = [np.asarray(profile, np.float64) for profile in profiles_rz]
    largest = max(float(profile[:, 0].max()) for profile in profiles)
    count = _steps(largest, _WALL_SAGITTA_M)
    angles = np.arange(count) * 2 * np.pi / count
    parts = []
    for profile in profiles:
        ends = np.array([-np.pi, np.pi]) / count
        points = np.empty((2, len(profile), 3))
        points[..., 0] = np.cos(ends)[:, None] * profile[:, 0]
        points[..., 1] = np.sin(ends)[:, None] * profile[:, 0]
        points[..., 2] = profile[:, 1]
        segment = hull(points.reshape(-1, 3))
        parts += [segment.moved(_about_z(float(angle))) for angle in angles]
    return parts


def handle(
    *, start_x_m: float, reach_m: float, height_m: float, tube_m: float, segments: int = 10
) -> list[Part]:
    """Return rods along half an ellipse, as `mesh.handle` has it."""
    angles = np.linspace(-np.pi / 2, np.pi / 2, segments + 1)
    points = np.stack(
        [
            start_x_m + reach_m * np.cos(angles),
            np.zeros_like(angles),
            height_m / 2 * np.sin(angles),
        ],
        axis=1,
    )
    rods = [_rod(tube_m, start, end) for start, end in pairwise(points)]
    # Its two ends are cut flat; a capsule's would stand out of the wall's inside.
    rods[0] = replace(rods[0], kind=PartKind.CYLINDER)
    rods[-1] = replace(rods[-1], kind=PartKind.CYLINDER)
    return rods


def _rod(radius_m: float, start: FloatArray, end: FloatArray) -> Part:
    along = end - start
    length = float(np.linalg.norm(along))
    x, _, z = along / length  # in the xz plane
    return Part(
        kind=PartKind.CAPSULE,
        size_m=(float(radius_m), length / 2),
        rotation=np.array([[z, 0.0, x], [0.0, 1.0, 0.0], [-x, 0.0, z]]),
        centre=(start + end) / 2,
    )


def _steps(radius_m: float, sagitta_m: float) -> int:
    """Return into how many chords a circle is divided."""
    return max(12, int(np.ceil(np.pi / np.arccos(max(-1.0, 1 - sagitta_m / radius_m)))))


def _about_z(angle_rad: float) -> FloatArray:
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
