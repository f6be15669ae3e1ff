# SPDX-License-Identifier: Apache-2.0
"""The part of a view that matters for its object."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.camera_model import CameraModel
from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_grasping.core.view import View


@dataclass(frozen=True, eq=False, kw_only=True)
class Crop:
    """A rectangle of a view.

    Parameters
    ----------
    origin_xy : (int, int)
        Its first pixel in the view.
    depth_m : array of float32, shape (H, W)
        Along z [m]; NaN: no reading.
    mask : array of bool, shape (H, W)
    points : array of float32, shape (H, W, 3)
        In the camera's optical frame [m]; NaN: no reading.
    camera : CameraModel
        Of the whole view.

    """

    origin_xy: tuple[int, int]
    depth_m: Float32Array
    mask: BoolArray
    points: Float32Array
    camera: CameraModel

    def occluded(self, points_camera: FloatArray, *, behind_m: float) -> BoolArray:
        """Return whether points (N, 3) [m] lie further than this behind what is measured.

        So do those that no pixel of the crop measures: nothing says that they are in sight.
        """
        pixels = np.rint(self.camera.project(points_camera)) - self.origin_xy
        height, width = self.depth_m.shape
        inside = ((pixels >= 0) & (pixels < (width, height))).all(axis=1)
        # At an edge the nearer of the two surfaces counts, since pixels are not points.
        nearest = cv2.erode(
            np.where(np.isfinite(self.depth_m), self.depth_m, np.float32(-np.inf)),
            np.ones((3, 3), np.uint8),
        )
        result = np.ones(len(points_camera), bool)
        column, row = pixels[inside].astype(np.int64).T
        result[inside] = points_camera[inside, 2] > nearest[row, column] + behind_m
        return result


def crop(view: View, reach_m: float) -> Crop:
    """Return the part of a view within reach of its object's mask, which must not be empty."""
    x, y, width, height = cv2.boundingRect(view.mask.astype(np.uint8))
    depths = view.depth_m[y : y + height, x : x + width]
    depths = depths[view.mask[y : y + height, x : x + width] & np.isfinite(depths)]
    nearest = float(np.quantile(depths, 0.1)) if len(depths) else np.inf
    pad = int(reach_m * max(view.camera.fx, view.camera.fy) / nearest) + 8
    rows = slice(max(0, y - pad), y + height + pad)
    columns = slice(max(0, x - pad), x + width + pad)
    depth = np.ascontiguousarray(view.depth_m[rows, columns], np.float32)
    return Crop(
        origin_xy=(columns.start, rows.start),
        depth_m=depth,
        mask=np.ascontiguousarray(view.mask[rows, columns], bool),
        points=view.camera.deproject(depth, origin_xy=(columns.start, rows.start)),
        camera=view.camera,
    )
