# SPDX-License-Identifier: Apache-2.0
"""A thing that moves over the table, and where it is seen from a camera."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from sam_common.camera_model import CameraModel
from sam_common.types import FloatArray
from sam_simulation.camera.viewpoint import FOVY_DEG, Pose
from sam_simulation.scene import mesh
from sam_simulation.scene import textures as tx
from sam_simulation.scene.mesh import Mesh
from sam_simulation.scene.shapes import CLASS_NAMES, make_shape
from sam_simulation.scene.tabletop import TexturedMesh, apart
from sam_simulation.video.paths import Path, to_pose

# Shapes of images whose sides are 4 to 3: the view that videos are arranged for.
VIEW_WH = (640, 480)
_CAMERA = CameraModel.from_fovy(VIEW_WH, fovy_deg=FOVY_DEG)
_MAX_RADIUS_M, _MIN_HEIGHT_M, _MAX_HEIGHT_M = 0.07, 0.03, 0.17
_SLIM_RADIUS_M, _SLIM_HEIGHT_M = 0.05, 0.085


@dataclass(frozen=True, eq=False)
class Actor:
    """A thing that moves.

    Parameters
    ----------
    class_name : str
    surface : TexturedMesh
        Standing on z = 0, its footprint about x = y = 0 [m].
    path : Path

    """

    class_name: str
    surface: TexturedMesh
    path: Path

    @cached_property
    def footprint(self) -> FloatArray:
        """The convex outline of what it covers on the table, shape (N, 2) [m]."""
        points = self.surface.mesh.vertices[:, :2].astype(np.float32)
        return cv2.convexHull(points)[:, 0].astype(np.float64)

    @cached_property
    def radius_m(self) -> float:
        """How far it reaches from its centre on the table."""
        return float(np.linalg.norm(self.footprint, axis=1).max())

    @cached_property
    def height_m(self) -> float:
        """How tall it is."""
        return float(self.surface.mesh.vertices[:, 2].max())

    def pose(self, time_s: float) -> Pose:
        """Return its pose in the world, shape (4, 4)."""
        return to_pose(self.path(time_s))

    def footprint_at(self, time_s: float) -> FloatArray:
        """Return its footprint in the world, shape (N, 2) [m]."""
        pose = self.pose(time_s)
        return np.asarray(self.footprint @ pose[:2, :2].T + pose[:2, 3])

    def silhouette(self, time_s: float, tf_world_camera: Pose) -> FloatArray:
        """Return the convex outline of the upright prism round it in VIEW_WH, shape (N, 2) [px].

        It holds every pixel that shows the actor.
        """
        ground = np.pad(self.footprint_at(time_s), [(0, 0), (0, 1)])
        ground[:, 2] = self.pose(time_s)[2, 3]
        points = np.concatenate([ground, ground + [0.0, 0.0, self.height_m]])
        seen = (points - tf_world_camera[:3, 3]) @ tf_world_camera[:3, :3]
        pixels = _CAMERA.project(seen).astype(np.float32)
        return cv2.convexHull(pixels)[:, 0].astype(np.float64)

    def touches(self, other: Actor, time_s: float) -> bool:
        """Return whether the footprints of both are closer than things on a table should be."""
        distance = np.linalg.norm(self.pose(time_s)[:2, 3] - other.pose(time_s)[:2, 3])
        if distance > self.radius_m + other.radius_m + 0.01:
            return False
        return not apart(self.footprint_at(time_s), other.footprint_at(time_s))


def in_view(silhouette: FloatArray, *, margin_px: float = 0.0) -> bool:
    """Return whether a silhouette lies wholly in VIEW_WH, this far from its border."""
    low, high = silhouette.min(axis=0), silhouette.max(axis=0)
    return bool((low > margin_px).all() and (high < np.array(VIEW_WH) - 1 - margin_px).all())


def out_of_view(silhouette: FloatArray, *, margin_px: float = 6.0) -> bool:
    """Return whether a silhouette lies wholly outside VIEW_WH, this far from its border."""
    low, high = silhouette.min(axis=0), silhouette.max(axis=0)
    return bool((high < -margin_px).any() or (low > np.array(VIEW_WH) + margin_px).any())


def overlap(first: FloatArray, second: FloatArray) -> float:
    """Return how many pixels two silhouettes share."""
    area, _ = cv2.intersectConvexConvex(first.astype(np.float32), second.astype(np.float32))
    return float(area)


def area(silhouette: FloatArray) -> float:
    """Return how many pixels a silhouette holds."""
    return float(cv2.contourArea(silhouette.astype(np.float32)))


def random_surface(rng: tx.Rng, *, slim: bool = False) -> tuple[str, TexturedMesh]:
    """Return an everyday thing of a hand's size and its class; a slim one is taller than wide."""
    while True:
        name = str(rng.choice(CLASS_NAMES))
        shape = make_shape(name, rng).mesh
        radius = float(np.linalg.norm(shape.vertices[:, :2], axis=1).max())
        height = float(shape.vertices[:, 2].max())
        if radius > _MAX_RADIUS_M or not _MIN_HEIGHT_M < height < _MAX_HEIGHT_M:
            continue
        if not slim or (radius < _SLIM_RADIUS_M and height > _SLIM_HEIGHT_M):
            return name, painted(shape, rng)


def box_surface(size_m: npt.ArrayLike, rng: tx.Rng) -> TexturedMesh:
    """Return a printed box of this size that stands on z = 0 [m]."""
    size = np.asarray(size_m, np.float64)
    return painted(mesh.box(size).moved(np.eye(3), [0.0, 0.0, size[2] / 2]), rng)


def painted(shape: Mesh, rng: tx.Rng) -> TexturedMesh:
    """Return a shape with a random everyday surface."""
    texture = tx.make_object_texture(tx.household_colour(rng), rng)
    return TexturedMesh(shape, texture, rng.uniform(0.05, 0.5), rng.uniform(0.2, 0.9))
