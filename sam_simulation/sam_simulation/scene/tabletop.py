# SPDX-License-Identifier: Apache-2.0
"""A table with everyday objects on it, and the light that falls on them, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import FloatArray
from sam_simulation.scene import mesh
from sam_simulation.scene import textures as tx
from sam_simulation.scene.convex_part import Part
from sam_simulation.scene.mesh import Mesh
from sam_simulation.scene.shapes import CLASS_NAMES, make_shape

GAP_M = 0.004
FLOOR_Z_M = -0.75
DEFAULT_SEED = 109  # a well-lit scene, every object in full view
MIN_OBJECTS, MAX_OBJECTS = 4, 9


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A textured mesh in the world, and how it shines [0-1]."""

    mesh: Mesh
    texture: tx.Texture
    specular: float
    shininess: float


@dataclass(frozen=True, eq=False)
class SceneObject:
    """An object on the table.

    Parameters
    ----------
    id : int
        Counts from 1.
    class_name : str
    surface : TexturedMesh
        What is seen of it.
    parts : tuple of Part
        Its collision geometry, in the world; () if it has none, as in a video.

    """

    id: int
    class_name: str
    surface: TexturedMesh
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Light:
    """A light: colour as RGB in [0, 1], unit vector in which it shines.

    One with a position [m] is a lamp whose cone fades; one without is the sun, and casts shadows.
    """

    direction: tuple[float, float, float]
    diffuse: tuple[float, float, float]
    position_m: tuple[float, float, float] | None = None


class Tabletop:
    """A still scene: the same seed gives the same scene to the bit.

    World frame: z up, the table's top at z = 0, the objects near the origin [m].

    Parameters
    ----------
    seed : int
        0 and up.
    object_count : int or None
        How many objects [1-9]; None: 4 to 9, from the seed.

    Attributes
    ----------
    objects : tuple of SceneObject
    table, floor : TexturedMesh
    lights : tuple of Light
    ambient : float
        Light from everywhere [0-1].

    """

    def __init__(self, seed: int, *, object_count: int | None = None) -> None:
        if seed < 0:
            raise ValueError(f'seed is {seed}; give 0 or more')
        if object_count is not None and not 1 <= object_count <= MAX_OBJECTS:
            raise ValueError(f'object_count is {object_count}; give 1 to {MAX_OBJECTS}')
        rng = np.random.default_rng([seed, 0])
        self.seed = seed
        count = object_count or int(rng.integers(MIN_OBJECTS, MAX_OBJECTS + 1))
        colour = tx.table_colour(rng)
        size_xy = rng.uniform([0.8, 0.65], [1.15, 0.9])
        self.table = TexturedMesh(
            mesh.box([*size_xy, 0.03], cells=16, texture_m=rng.uniform(0.25, 0.6)).moved(
                np.eye(3), [0, 0, -0.015]
            ),
            tx.make_table_texture(colour, rng),
            rng.uniform(0.0, 0.35),
            rng.uniform(0.1, 0.6),
        )
        self.floor = TexturedMesh(
            mesh.box([30.0, 30.0, 0.02], cells=10, texture_m=1.2).moved(
                np.eye(3), [0, 0, FLOOR_Z_M - 0.01]
            ),
            tx.make_table_texture(tx.table_colour(rng) * rng.uniform(0.5, 0.9), rng),
            0.0,
            0.0,
        )
        self.objects = _place_objects(count, colour, rng)
        self.lights, self.ambient = _make_lights(rng)


def _place_objects(count: int, colour: tx.Colour, rng: tx.Rng) -> tuple[SceneObject, ...]:
    # Each class comes up before one comes up again, so that all are equally frequent.
    names = [name for _ in range(2) for name in rng.permutation(CLASS_NAMES)][:count]
    footprints: list[FloatArray] = []
    objects = []
    for number, name in enumerate(names, start=1):
        shape = make_shape(name, rng)
        footprint = cv2.convexHull(shape.mesh.vertices[:, :2].astype(np.float32))[:, 0].astype(
            float
        )
        spread = 0.07
        while True:
            offset = rng.normal(0.0, spread, 2)
            if all(apart(footprint + offset, other) for other in footprints):
                break
            spread *= 1.02  # rarely more than a few tries; always ends, since the plane has room
        footprints.append(footprint + offset)
        base = tx.near(colour, rng) if rng.random() < 0.2 else tx.household_colour(rng)
        placed = shape.moved(np.eye(3), [*offset, 0.0])
        surface = TexturedMesh(
            placed.mesh,
            tx.make_object_texture(base, rng),
            rng.uniform(0.05, 0.7),
            rng.uniform(0.2, 0.9),
        )
        objects.append(SceneObject(number, str(name), surface, placed.parts))
    return tuple(objects)


def apart(first: FloatArray, second: FloatArray, *, gap: float = GAP_M) -> bool:
    """Return whether convex polygons (N, 2) and (M, 2) are more than a gap apart."""
    edges = np.concatenate(
        [np.roll(first, -1, axis=0) - first, np.roll(second, -1, axis=0) - second]
    )
    normals: FloatArray = np.stack([edges[:, 1], -edges[:, 0]], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-12
    a, b = first @ normals.T, second @ normals.T
    gaps = np.maximum(a.min(axis=0) - b.max(axis=0), b.min(axis=0) - a.max(axis=0))
    return bool(gaps.max() > gap)


def _make_lights(rng: tx.Rng) -> tuple[tuple[Light, ...], float]:
    azimuth, warmth = rng.uniform(0, 2 * np.pi), rng.uniform(-0.06, 0.06)
    tint = np.array([1 + warmth, 1.0, 1 - warmth])
    key, fill, lamp = rng.uniform([0.45, 0.15, 0.1], [0.7, 0.3, 0.3])
    aside, other = azimuth + rng.uniform([0.6, 0.3], [1.4, 1.7]) * np.pi
    above = _from_angles(other, np.radians(rng.uniform(50, 75)))
    lights = (
        Light(
            _triple(-_from_angles(azimuth, np.radians(rng.uniform(40, 75)))), _triple(key * tint)
        ),
        Light(
            _triple(-_from_angles(aside, np.radians(rng.uniform(45, 75)))), _triple(fill / tint)
        ),
        Light(_triple(-above), _triple(np.full(3, lamp)), _triple(above)),
    )
    return lights, float(rng.uniform(0.32, 0.48))


def _from_angles(azimuth_rad: float, elevation_rad: float) -> FloatArray:
    """Return the unit vector from the origin to there."""
    flat = np.cos(elevation_rad)
    return np.array(
        [flat * np.cos(azimuth_rad), flat * np.sin(azimuth_rad), np.sin(elevation_rad)]
    )


def _triple(values: FloatArray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
