# SPDX-License-Identifier: Apache-2.0
"""Everyday shapes of random size, standing or lying as they would on a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sam_common.types import FloatArray
from sam_simulation.scene import convex_part as part
from sam_simulation.scene import mesh
from sam_simulation.scene.convex_part import Part
from sam_simulation.scene.mesh import Mesh

Rng = np.random.Generator

LYING = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])  # z goes to x
UPSIDE_DOWN = np.diag([1.0, -1.0, -1.0])
# What is round rests on one flat part; its other parts end this far above, so that they don't
# all touch the table [m].
_LIFT_M = 0.0003


@dataclass(frozen=True, eq=False)
class Shape:
    """What is seen of a thing, and the convex parts that fill the same space."""

    mesh: Mesh
    parts: tuple[Part, ...]

    def moved(self, rotation: FloatArray, translation: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Shape:
        """Return the shape rotated (3, 3), then translated (3,) [m]."""
        parts = tuple(piece.moved(rotation, translation) for piece in self.parts)
        return Shape(self.mesh.moved(rotation, translation), parts)


def make_shape(class_name: str, rng: Rng) -> Shape:
    """Return a shape of this class, resting on z = 0, turned randomly about z.

    Parameters
    ----------
    class_name : str
        One of CLASS_NAMES.
    rng : numpy Generator

    Returns
    -------
    Shape
        Its axis-aligned bounds are centred on x = y = 0; its lowest point has z = 0 [m].

    """
    shape = _MAKERS[class_name](rng)
    yaw = rng.uniform(0, 2 * np.pi)
    cos, sin = np.cos(yaw), np.sin(yaw)
    shape = shape.moved(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]))
    low, high = shape.mesh.vertices.min(axis=0), shape.mesh.vertices.max(axis=0)
    return shape.moved(np.eye(3), [-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])


def _box(rng: Rng) -> Shape:
    kind = rng.integers(3)
    if kind == 0:  # a carton that stands or lies
        size = rng.uniform([0.035, 0.06, 0.09], [0.07, 0.13, 0.2])
    elif kind == 1:  # a small block
        size = rng.uniform(0.03, 0.08, 3)
    else:  # a book or a flat case
        size = rng.uniform([0.09, 0.06, 0.015], [0.17, 0.12, 0.04])
    if rng.random() < 0.3:
        size = rng.permutation(size)
    return Shape(mesh.box(size), (part.box(size),))


def _cylinder(rng: Rng) -> Shape:
    radius, height = rng.uniform(0.015, 0.045), rng.uniform(0.05, 0.16)
    rim = rng.uniform(0.0008, 0.003)
    surface = mesh.lathe(
        [
            (0, 0),
            (radius - rim, 0),
            (radius, rim),
            (radius, height * 0.33),
            (radius, height * 0.67),
            (radius, height - rim),
            (radius - rim, height),
            (0, height),
        ]
    )
    parts = (
        part.turned(
            [
                (radius - rim, _LIFT_M),
                (radius, rim),
                (radius, height - rim),
                (radius - rim, height - _LIFT_M),
            ]
        ),
        part.cylinder(radius - rim, 0, height, weighs=False),
    )
    shape = Shape(surface, parts)
    return shape.moved(LYING) if rng.random() < 0.25 else shape


def _mug(rng: Rng) -> Shape:
    radius, height = rng.uniform(0.033, 0.047), rng.uniform(0.075, 0.11)
    wall, foot = rng.uniform(0.003, 0.005), rng.uniform(0.75, 1.0)
    levels = np.linspace(0.0, 1.0, 7)
    outer = radius * (foot + (1 - foot) * np.sqrt(levels))
    body = mesh.lathe(
        [(0, 0), (outer[0] - 0.002, 0)]
        + [(r, 0.002 + level * (height - 0.004)) for r, level in zip(outer, levels, strict=True)]
        + [(radius - wall / 2, height)]
        + [
            (r - wall, max(0.006, level * (height - 0.002)))
            for r, level in zip(outer[::-1], levels[::-1], strict=True)
        ]
        + [(0, 0.006)]
    )
    start, reach = float(outer[4]) - wall, rng.uniform(0.025, 0.035) + wall
    between, tube = height * rng.uniform(0.5, 0.62), rng.uniform(0.004, 0.0065)
    grip = mesh.handle(start_x_m=start, reach_m=reach, height_m=between, tube_m=tube)
    bars = part.handle(start_x_m=start, reach_m=reach, height_m=between, tube_m=tube)
    middle = [0, 0, height * 0.52]
    outline = np.stack([outer, 0.002 + levels * (height - 0.004)], axis=1)
    inside = np.stack([outer - wall, np.maximum(0.006, levels * (height - 0.002))], axis=1)
    bands = _bands(outline, inside, (0, 1, 3, 6))
    bands[0] += [(outer[0] - 0.002, _LIFT_M), (outer[0] - wall, _LIFT_M)]
    bands[-1].append((radius - wall / 2, height))
    parts = (
        part.cylinder(outer[0] - 0.002, 0, 0.006),
        *part.ring(bands),
        *(piece.moved(np.eye(3), middle) for piece in bars),
    )
    shape = Shape(
        mesh.merged([body, grip.moved(np.eye(3), middle)]),
        parts,
    )
    return shape.moved(UPSIDE_DOWN) if rng.random() < 0.12 else shape


def _bowl(rng: Rng) -> Shape:
    radius, height = rng.uniform(0.05, 0.09), rng.uniform(0.035, 0.07)
    wall, foot = rng.uniform(0.003, 0.005), radius * rng.uniform(0.35, 0.55)
    bulge = rng.uniform(0.45, 0.8)
    levels = np.linspace(0.0, 1.0, 10)
    outer = foot + (radius - foot) * levels**bulge
    heights = 0.005 + (height - 0.005) * levels
    inner = [
        (max(r - wall, 0.001), h + wall * 0.8 * (1 - level))
        for r, h, level in zip(outer[::-1], heights[::-1], levels[::-1], strict=True)
    ]
    surface = mesh.lathe(
        [(0, 0), (foot * 0.95, 0)]
        + list(zip(outer, heights, strict=True))
        + [(radius - wall / 2, height + wall / 3)]
        + inner
        + [(0, inner[-1][1] - 0.001)]
    )
    outline = np.stack([outer, heights], axis=1)
    bands = _bands(outline, np.array(inner[::-1]), (0, 1, 2, 4, 6, 9))
    bands[0].append((foot - wall, 0.005))
    bands[-1].append((radius - wall / 2, height + wall / 3))
    floor = part.cylinder(foot * 0.95, 0, inner[-1][1] - 0.001)
    base = part.turned([(foot * 0.95, _LIFT_M), (foot, 0.005)])
    shape = Shape(surface, (floor, replace(base, weighs=False), *part.ring(bands)))
    return shape.moved(UPSIDE_DOWN) if rng.random() < 0.15 else shape


def _bottle(rng: Rng) -> Shape:
    radius, height = rng.uniform(0.025, 0.04), rng.uniform(0.14, 0.2)
    neck, cap = radius * rng.uniform(0.3, 0.5), rng.uniform(0.015, 0.025)
    body, shoulder = height * rng.uniform(0.5, 0.65), height * rng.uniform(0.78, 0.85)
    levels = np.linspace(0.0, 1.0, 8)
    curve = neck + (radius - neck) * (1 + np.cos(np.pi * levels)) / 2
    rising = list(zip(curve, body + levels * (shoulder - body), strict=True))
    surface = mesh.lathe(
        [(0, 0), (radius - 0.004, 0), (radius, 0.004), (radius, body / 2)]
        + rising
        + [(neck, height - cap), (neck * 1.2, height - cap)]
        + [(neck * 1.2, height - 0.001), (neck * 1.2 - 0.001, height), (0, height)]
    )
    parts = (
        # It bulges up to the middle of the curve, and is hollow from there.
        part.turned([(radius - 0.004, _LIFT_M), (radius, 0.004), *rising[:4]]),
        *(part.turned(rising[index : index + 2]) for index in range(3, 7)),
        part.turned([(neck, shoulder), (neck, height - cap)]),
        part.turned([(neck * 1.2, height - cap), (neck * 1.2, height)]),
        part.cylinder(radius - 0.004, 0, body, weighs=False),
    )
    shape = Shape(surface, parts)
    return shape.moved(LYING) if rng.random() < 0.2 else shape


def _hull(rng: Rng) -> Shape:
    points = rng.normal(size=(14, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    surface = mesh.convex_hull(points * rng.uniform(0.022, 0.055, 3), texture_m=0.1)
    shape = Shape(surface, (part.hull(surface.vertices),))
    return shape.moved(_rest_on_face(surface))


def _bands(
    outer_rz: FloatArray, inner_rz: FloatArray, levels: Sequence[int]
) -> list[list[tuple[float, float]]]:
    """Return the cross-sections of a wall between two profiles (K, 2), cut at some of its rows."""
    return [
        [*map(tuple, outer_rz[[low, high]]), *map(tuple, inner_rz[[low, high]])]
        for low, high in pairwise(levels)
    ]


def _rest_on_face(shape: Mesh) -> FloatArray:
    """Return the rotation that puts down the largest face under which the hull cannot tip."""
    corners = shape.vertices[shape.faces]
    volumes = np.linalg.det(corners)
    centre = (volumes[:, None] * corners.sum(axis=1) / 4).sum(axis=0) / volumes.sum()
    edges = np.roll(corners, -1, axis=1) - corners
    normals = np.cross(edges[:, 0], edges[:, 1])
    inward = np.cross(normals[:, None], edges)
    stable = (np.einsum('nij,nij->ni', inward, centre - corners) > 0).all(axis=1)
    areas = np.linalg.norm(normals, axis=1)
    down = normals[np.argmax(np.where(stable, areas, 0.0))]
    z = -down / np.linalg.norm(down)
    x = np.cross(z, [0.3, 0.9, 0.1])
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(z, x), z])


_MAKERS: dict[str, Callable[[Rng], Shape]] = {
    'box': _box,
    'cylinder': _cylinder,
    'mug': _mug,
    'bowl': _bowl,
    'bottle': _bottle,
    'hull': _hull,
}
CLASS_NAMES = tuple(_MAKERS)
