# SPDX-License-Identifier: Apache-2.0
"""Triangle meshes with normals and texture coordinates, and how to make them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sam_common.types import FloatArray

SMOOTH_COS = np.cos(np.radians(40.0))  # a profile bends smoothly up to this angle


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface, seen from outside: its triangles run counter-clockwise.

    Parameters
    ----------
    vertices : array of float64, shape (N, 3)
        [m].
    normals : array of float64, shape (N, 3)
        Of unit length.
    uvs : array of float64, shape (N, 2)
        Texture coordinates; the texture repeats beyond [0, 1].
    faces : array of int32, shape (M, 3)
        Indices of vertices.

    """

    vertices: FloatArray
    normals: FloatArray
    uvs: FloatArray
    faces: npt.NDArray[np.int32]

    def moved(self, rotation: FloatArray, translation: npt.ArrayLike = (0.0, 0.0, 0.0)) -> Mesh:
        """Return the mesh rotated (3, 3), then translated (3,) [m]."""
        return replace(
            self,
            vertices=self.vertices @ rotation.T + np.asarray(translation),
            normals=self.normals @ rotation.T,
        )


def merged(meshes: Sequence[Mesh]) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.uvs for mesh in meshes]),
        np.concatenate(
            [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
        ).astype(np.int32),
    )


def _grid(points: FloatArray, normals: FloatArray, uvs: FloatArray) -> Mesh:
    """Return the surface through a grid of points (R, C, 3), facing along its normals."""
    rows, columns = points.shape[:2]
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    faces = np.concatenate(
        [
            np.stack([first, first + 1, first + columns + 1], axis=1),
            np.stack([first, first + columns + 1, first + columns], axis=1),
        ]
    )
    vertices, normals = points.reshape(-1, 3), normals.reshape(-1, 3)
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    faces, cross = faces[(size := np.linalg.norm(cross, axis=1)) > 1e-12], cross[size > 1e-12]
    if np.einsum('ij,ij->i', cross, normals[faces].sum(axis=1)).sum() < 0:
        faces = faces[:, ::-1]
    return Mesh(vertices, normals, uvs.reshape(-1, 2), faces.astype(np.int32))


def box(size_m: npt.ArrayLike, *, cells: int = 6, texture_m: float | None = None) -> Mesh:
    """Return a cuboid round the origin.

    Parameters
    ----------
    size_m : array, shape (3,)
        Edge lengths [m].
    cells : int
        Squares along each edge: MuJoCo computes light at vertices only.
    texture_m : float or None
        Size of the texture on the surface [m]; None: each face shows all of it once.

    """
    half = np.asarray(size_m, np.float64) / 2
    steps = np.linspace(-1.0, 1.0, cells + 1)
    faces = []
    for axis in range(3):
        across, up = ((1, 2), (0, 2), (0, 1))[axis]
        for sign in (-1.0, 1.0):
            points = np.empty((cells + 1, cells + 1, 3))
            points[..., axis] = sign * half[axis]
            points[..., across] = steps * half[across]
            points[..., up] = steps[:, None] * half[up]
            normals = np.zeros_like(points)
            normals[..., axis] = sign
            # Print reads from left to right as seen from outside.
            right = sign * (1.0, -1.0, 1.0)[axis] * points[..., across]
            uvs = np.stack([right + half[across], half[up] - points[..., up]], axis=-1)
            uvs /= texture_m if texture_m else 2 * half[[across, up]]
            faces.append(_grid(points, normals, uvs))
    return merged(faces)


def lathe(profile_rz: npt.ArrayLike, *, segments: int = 64) -> Mesh:
    """Return the surface that a profile sweeps round the z axis.

    Parameters
    ----------
    profile_rz : array, shape (K, 2)
        Radius and height [m]; outside is on the right when walking along it, so a solid's profile
        runs from the bottom of the axis outwards and up.
    segments : int
        Steps round the axis.

    """
    profile = np.asarray(profile_rz, np.float64)
    steps = np.diff(profile, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    flat = np.stack([steps[:, 1], -steps[:, 0]], axis=1) / lengths[:, None]
    ends = np.repeat(flat[:, None], 2, axis=1)  # (K - 1, 2, 2): a normal at each segment's ends
    smooth = np.einsum('ij,ij->i', flat[:-1], flat[1:]) > SMOOTH_COS
    mean = flat[:-1] + flat[1:]
    mean /= np.linalg.norm(mean, axis=1, keepdims=True) + 1e-12
    ends[:-1, 1][smooth] = mean[smooth]
    ends[1:, 0][smooth] = mean[smooth]
    along = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum()
    angles = np.linspace(0.0, 2 * np.pi, segments + 1)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    strips = []
    for index in range(len(steps)):
        points = np.empty((2, segments + 1, 3))
        normals, uvs = np.empty_like(points), np.empty((2, segments + 1, 2))
        for end in range(2):
            radius, height = profile[index + end]
            points[end] = np.column_stack([radius * circle, np.full(segments + 1, height)])
            radial, axial = ends[index, end]
            normals[end] = np.column_stack([radial * circle, np.full(segments + 1, axial)])
            uvs[end] = np.stack(
                [angles / (2 * np.pi), np.full(segments + 1, 1 - along[index + end])], 1
            )
        strips.append(_grid(points, normals, uvs))
    return merged(strips)


def handle(
    *, start_x_m: float, reach_m: float, height_m: float, tube_m: float, segments: int = 20
) -> Mesh:
    """Return half an elliptic torus in the xz plane: a mug's handle, open where it meets the wall.

    Parameters
    ----------
    start_x_m, reach_m : float
        Where it leaves the wall, and how far its centre line reaches beyond [m].
    height_m : float
        Between the two ends of its centre line [m], which lie at z = -height / 2 and height / 2.
    tube_m : float
        Radius of the tube [m].
    segments : int
        Steps along it.

    """
    angles = np.linspace(-np.pi / 2, np.pi / 2, segments + 1)
    zero = np.zeros_like(angles)
    centre = np.stack(
        [start_x_m + reach_m * np.cos(angles), zero, height_m / 2 * np.sin(angles)], axis=1
    )
    outward = np.stack([height_m / 2 * np.cos(angles), zero, reach_m * np.sin(angles)], axis=1)
    outward /= np.linalg.norm(outward, axis=1, keepdims=True)
    around = np.linspace(0.0, 2 * np.pi, 17)
    normals = (
        outward[:, None] * np.cos(around)[:, None]
        + np.array([0.0, 1, 0]) * np.sin(around)[:, None]
    )
    u, v = np.meshgrid(around / (2 * np.pi) * 0.2, np.linspace(0.2, 0.4, segments + 1))
    return _grid(centre[:, None] + tube_m * normals, normals, np.stack([u, v], axis=-1))


def convex_hull(points: FloatArray, *, texture_m: float) -> Mesh:
    """Return the flat-shaded convex hull of a few points (N, 3) in general position [m].

    Every triple of points is tried, so N should stay below 30.
    """
    count = len(points)
    triples = np.array(
        [(i, j, k) for i in range(count) for j in range(i + 1, count) for k in range(j + 1, count)]
    )
    corners = points[triples]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = np.einsum('ij,ij->i', normals, corners[:, 0])
    sides = normals @ points.T - offsets[:, None]
    below, above = (sides < 1e-9).all(axis=1), (sides > -1e-9).all(axis=1)
    corners = np.concatenate([corners[below], corners[above][:, ::-1]])
    normals = np.concatenate([normals[below], -normals[above]])
    right = np.cross(normals, [0.0, 0.3, 1.0])
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    up = np.cross(normals, right)
    uvs = np.stack(
        [np.einsum('nij,nj->ni', corners, right), np.einsum('nij,nj->ni', corners, up)], axis=-1
    )
    faces = np.arange(3 * len(corners), dtype=np.int32).reshape(-1, 3)
    return Mesh(
        corners.reshape(-1, 3),
        np.repeat(normals, 3, axis=0),
        uvs.reshape(-1, 2) / texture_m,
        faces,
    )
