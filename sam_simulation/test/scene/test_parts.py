# SPDX-License-Identifier: Apache-2.0
"""What collides is where what is seen is."""

from functools import cache

import numpy as np
import pytest
from scipy.spatial import ConvexHull, cKDTree

from sam_simulation.scene.convex_part import PartKind
from sam_simulation.scene.shapes import CLASS_NAMES, make_shape

NEAR_M = 0.0013  # about 1 mm; chamfers are made of steps
SPACING_M = 0.0008


def points_on(corners, spacing_m, rng):
    """Return random points on triangles (N, 3, 3), about one per square of the spacing."""
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    count = int(areas.sum() / 2 / spacing_m**2)
    chosen = corners[rng.choice(len(corners), count, p=areas / areas.sum())]
    u, v = rng.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return chosen[:, 0] + u * (chosen[:, 1] - chosen[:, 0]) + v * (chosen[:, 2] - chosen[:, 0])


def triangles(part):
    """Return the part's surface as triangles in the thing's frame, (N, 3, 3)."""
    if part.kind is PartKind.HULL:
        points = part.vertices
    elif part.kind is PartKind.BOX:
        points = np.stack(np.meshgrid(*[[-s, s] for s in part.size_m]), -1).reshape(-1, 3)
    else:
        angles = np.linspace(0, 2 * np.pi, 96)
        circle = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
        radius, half = part.size_m
        levels = [(radius, half), (radius, -half)]
        if part.kind is PartKind.CAPSULE:
            steep = np.linspace(0, np.pi / 2, 8)
            levels = [
                (radius * np.cos(a), side * (half + radius * np.sin(a)))
                for a in steep
                for side in (-1, 1)
            ]
        points = np.concatenate([r * circle + [0, 0, z] for r, z in levels])
    hull = ConvexHull(points)
    return points[hull.simplices] @ part.rotation.T + part.centre


@cache
def planes_of(part):
    """Return a hull's faces, (N, 4): outward normals, and offsets below zero inside."""
    return ConvexHull(part.vertices).equations


def outside_by(part, points):
    """Return how far points are outside a part, negative inside; at least a lower bound [m]."""
    local = (points - part.centre) @ part.rotation
    if part.kind is PartKind.HULL:
        planes = planes_of(part)
        return (local @ planes[:, :3].T + planes[:, 3]).max(axis=1)
    if part.kind is PartKind.BOX:
        return (np.abs(local) - part.size_m).max(axis=1)
    radius, half = part.size_m
    if part.kind is PartKind.CAPSULE:
        axis = np.clip(local[:, 2], -half, half)
        return np.linalg.norm(local - np.outer(axis, [0, 0, 1]), axis=1) - radius
    return np.maximum(np.hypot(local[:, 0], local[:, 1]) - radius, np.abs(local[:, 2]) - half)


@pytest.mark.parametrize('seed', [0, 1])
@pytest.mark.parametrize('name', CLASS_NAMES)
def test_parts_fill_what_is_seen_to_about_a_millimetre(name, seed):
    rng = np.random.default_rng(seed)
    shape = make_shape(name, rng)
    seen = points_on(shape.mesh.vertices[shape.mesh.faces], SPACING_M, rng)
    # Nothing that is seen is far from what collides: no hole in the parts.
    depth = np.min([outside_by(part, seen[::3]) for part in shape.parts], axis=0)
    assert depth.max() < NEAR_M
    # Nothing that collides is far from what is seen: mugs and bowls are hollow.
    tree = cKDTree(seen)
    for part in shape.parts:
        points = points_on(triangles(part), 3 * SPACING_M, rng)
        others = [outside_by(other, points) for other in shape.parts if other is not part]
        bare = points[np.min(others, axis=0, initial=1.0) > 1e-4]  # not where parts meet
        if len(bare):
            assert tree.query(bare)[0].max() < NEAR_M + SPACING_M


def test_parts_move_with_the_shape():
    shape = make_shape('mug', np.random.default_rng(3))
    turn = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    moved = shape.moved(turn, [0.1, 0.2, 0.3])
    before, after = ([part.centre for part in s.parts] for s in (shape, moved))
    np.testing.assert_allclose(after, np.array(before) @ turn.T + [0.1, 0.2, 0.3])
