# SPDX-License-Identifier: Apache-2.0
"""Exact depth images of simple shapes, and how far points are from their surfaces.

World frame: z up. A shape's own frame has its origin in its middle; `pose` (4, 4) is from it to
the world. All lengths are metres.

    camera = pinhole()
    tf_world_camera = look_at((0.5, 0.1, 0.5), (0, 0, 0.04))
    table, box = Ground(), Box((0.06, 0.04, 0.1), pose=placed(z=0.05, yaw=0.3))
    depth_m, ids = render([table, box], camera, tf_world_camera)
    view = View(depth_m=depth_m, mask=ids == 2, camera=camera)
"""

from dataclasses import dataclass, field

import numpy as np

from sam_grasping import CameraModel

FAR = np.inf


def pinhole(size_wh=(640, 480), *, focal=620.0):
    """Return a camera without distortion."""
    width, height = size_wh
    return CameraModel(
        fx=focal, fy=focal, cx=(width - 1) / 2, cy=(height - 1) / 2, size_wh=size_wh
    )


def look_at(eye, target, *, roll=0.0):
    """Return the pose (4, 4) of a camera at `eye` with `target` in its centre, rolled [rad]."""
    eye = np.asarray(eye, float)
    forward = np.asarray(target, float) - eye
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    pose[:3, :3] = pose[:3, :3] @ turned('z', roll)
    pose[:3, 3] = eye
    return pose


def turned(axis, angle):
    """Return the rotation (3, 3) about x, y or z [rad]."""
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = {'x': (1, 2), 'y': (2, 0), 'z': (0, 1)}[axis]
    rotation = np.eye(3)
    rotation[a, a] = rotation[b, b] = cos
    rotation[a, b], rotation[b, a] = -sin, sin
    return rotation


def placed(*, x=0.0, y=0.0, z=0.0, yaw=0.0, rotation=None):
    """Return a pose (4, 4): turned by yaw [rad] (or by a rotation), then moved."""
    pose = np.eye(4)
    pose[:3, :3] = turned('z', yaw) if rotation is None else rotation
    pose[:3, 3] = x, y, z
    return pose


def render(shapes, camera, tf_world_camera):
    """Return depth [m] and the number (from 1) of the shape in each pixel.

    Returns
    -------
    depth_m : array of float32, shape (H, W)
        Along z of the optical frame; NaN: nothing there.
    ids : array of int, shape (H, W)
        0: nothing there.

    """
    width, height = camera.size_wh
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    rays = np.stack(
        [
            (columns - camera.cx) / camera.fx,
            (rows - camera.cy) / camera.fy,
            np.ones((height, width)),
        ],
        axis=-1,
    ).reshape(-1, 3)
    rotation, eye = tf_world_camera[:3, :3], tf_world_camera[:3, 3]
    depths = np.stack([shape.hit(eye, rays @ rotation.T) for shape in shapes])
    nearest = depths.argmin(axis=0)
    depth = depths[nearest, np.arange(len(rays))]
    seen = np.isfinite(depth)
    return (
        np.where(seen, depth, np.nan).astype(np.float32).reshape(height, width),
        np.where(seen, nearest + 1, 0).reshape(height, width),
    )


def spoiled(depth_m, rng, *, noise_m=0.001, block_px=12, step_m=0.0):
    """Return depth with noise that neighbours share (sd at 1 m, squared in depth), in steps."""
    height, width = depth_m.shape
    coarse = rng.standard_normal((height // block_px + 3, width // block_px + 3))
    rows, columns = np.arange(height) / block_px, np.arange(width) / block_px
    r, c = rows.astype(int)[:, None], columns.astype(int)[None]
    v, u = (rows % 1)[:, None], (columns % 1)[None]
    smooth = (coarse[r, c] * (1 - u) + coarse[r, c + 1] * u) * (1 - v)
    smooth += (coarse[r + 1, c] * (1 - u) + coarse[r + 1, c + 1] * u) * v
    depth = depth_m + noise_m * depth_m**2 * smooth
    if step_m > 0:
        depth = np.round(depth / step_m) * step_m
    return depth.astype(np.float32)


class Shape:
    """Something with a surface; `pose` is from its own frame to the world."""

    def hit(self, eye, rays):
        """Return how many times each ray (N, 3) goes from the eye to the surface; inf: never."""
        rotation = self.pose[:3, :3]
        t = self._hit((eye - self.pose[:3, 3]) @ rotation, rays @ rotation)
        return np.where(t > 1e-6, t, FAR)

    def distance(self, points):
        """Return the signed distances (N,) of points (N, 3) from the surface, inside below 0."""
        return self._distance(self._own(points))

    def normals(self, points, *, step=1e-6):
        """Return the outward normals (N, 3) at points (N, 3) near the surface."""
        slopes = [self.distance(points + step * axis) for axis in np.eye(3)]
        result = np.stack(slopes, axis=-1) - self.distance(points)[:, None]
        return result / np.linalg.norm(result, axis=-1, keepdims=True)

    def _own(self, points):
        return (points - self.pose[:3, 3]) @ self.pose[:3, :3]


@dataclass(frozen=True, eq=False)
class Ground(Shape):
    """The plane z = 0 of its own frame; solid below. `half_xy`: of its sides, else endless."""

    pose: np.ndarray = field(default_factory=lambda: np.eye(4))
    half_xy: tuple = (np.inf, np.inf)

    def _hit(self, eye, rays):
        with np.errstate(divide='ignore', invalid='ignore'):
            t = -eye[2] / rays[:, 2]
            there = eye + t[:, None] * rays
        inside = (np.abs(there[:, :2]) <= self.half_xy).all(axis=1)
        return np.where(np.isfinite(t) & inside, t, FAR)

    def _distance(self, points):
        return points[:, 2]


@dataclass(frozen=True, eq=False)
class Box(Shape):
    """A cuboid of this size (x, y, z)."""

    size: tuple
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))

    def _hit(self, eye, rays):
        half = np.asarray(self.size) / 2
        with np.errstate(divide='ignore'):
            a, b = (-half - eye) / rays, (half - eye) / rays
        enter, leave = np.minimum(a, b).max(axis=1), np.maximum(a, b).min(axis=1)
        return np.where(enter <= leave, enter, FAR)

    def _distance(self, points):
        excess = np.abs(points) - np.asarray(self.size) / 2
        outside = np.linalg.norm(np.maximum(excess, 0), axis=-1)
        return outside + np.minimum(excess.max(axis=-1), 0)


@dataclass(frozen=True, eq=False)
class Cylinder(Shape):
    """A cylinder along z."""

    radius: float
    height: float
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))

    def _hit(self, eye, rays):
        half = self.height / 2
        t = _ball_hit(eye[:2], rays[:, :2], self.radius)
        with np.errstate(divide='ignore', invalid='ignore'):
            t = np.where(np.abs(eye[2] + t * rays[:, 2]) <= half, t, FAR)
            for end in (-half, half):
                cap = (end - eye[2]) / rays[:, 2]
                reach = np.linalg.norm(eye[:2] + cap[:, None] * rays[:, :2], axis=1)
                t = np.minimum(t, np.where((reach <= self.radius) & (cap > 0), cap, FAR))
        return t

    def _distance(self, points):
        radial = np.linalg.norm(points[:, :2], axis=1) - self.radius
        excess = np.stack([radial, np.abs(points[:, 2]) - self.height / 2], axis=-1)
        outside = np.linalg.norm(np.maximum(excess, 0), axis=-1)
        return outside + np.minimum(excess.max(axis=-1), 0)


@dataclass(frozen=True, eq=False)
class Sphere(Shape):
    """A ball."""

    radius: float
    pose: np.ndarray = field(default_factory=lambda: np.eye(4))

    def _hit(self, eye, rays):
        return _ball_hit(eye, rays, self.radius)

    def _distance(self, points):
        return np.linalg.norm(points, axis=-1) - self.radius


def _ball_hit(eye, rays, radius):
    """Return where rays first meet |p| = radius, in as many dimensions as they have."""
    a, b = (rays**2).sum(axis=1), rays @ eye
    with np.errstate(invalid='ignore', divide='ignore'):
        t = (-b - np.sqrt(b**2 - a * (eye @ eye - radius**2))) / a
    return np.where(np.isfinite(t), t, FAR)
