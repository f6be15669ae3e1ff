# SPDX-License-Identifier: Apache-2.0
"""How depth from a stereo pair differs from depth as it is.

Facts of the RealSense D435, from Intel's white papers for the D400 series: the baseline is 50 mm;
848x480 with 90 degrees across is its best resolution, so that a pixel is 1/424 of a radian
('Tuning depth cameras for best performance', https://dev.intelrealsense.com/docs); disparity is
found in steps of 1/32 px ('Subpixel linearity improvement', at the same place), so that steps of
depth grow with its square; the left camera is the reference (data sheet, 'invalid depth band'),
so that what a foreground hides from the right camera, on its left, has no depth; the band at the
image's left edge lies outside the narrower colour image. How ragged edges are and how many
speckles there are is our guess.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.camera_model import CameraModel
from sam_common.types import BoolArray, Float32Array
from sam_simulation.camera.viewpoint import FOVY_DEG


@dataclass(frozen=True, kw_only=True)
class Stereo:
    """A stereo pair whose depth is laid over the colour image.

    Parameters
    ----------
    focal_px : float
        Of the stereo cameras.
    baseline_m : float
        Between them.
    step_px : float
        Of disparity.
    edge_px : float
        Jump of disparity from which a neighbourhood counts as an edge.
    lost_at_edges, fat_at_edges, mixed_at_edges : float
        Shares of the pixels at edges that have no depth, that of the foreground, or one between
        foreground and background [0-1].
    speckles : float
        Share of all pixels that have no depth, in spots [0-1].

    """

    focal_px: float = 424.0
    baseline_m: float = 0.05
    step_px: float = 1 / 32
    edge_px: float = 1.0
    lost_at_edges: float = 0.3
    fat_at_edges: float = 0.2
    mixed_at_edges: float = 0.1
    speckles: float = 0.005

    def add_noise(self, depth_m: Float32Array, rng: np.random.Generator) -> Float32Array:
        """Return what the pair sees of a depth image (H, W) [m]; NaN where it sees nothing."""
        height, width = depth_m.shape
        # The stereo image is coarser than the colour image that it is laid over.
        scale = self.focal_px / CameraModel.from_fovy((width, height), fovy_deg=FOVY_DEG).fx
        rows = ((np.arange(max(1, round(height * scale))) + 0.5) / scale).astype(int)
        columns = ((np.arange(max(1, round(width * scale))) + 0.5) / scale).astype(int)
        seen = depth_m[np.minimum(rows, height - 1)[:, None], np.minimum(columns, width - 1)]
        disparity = np.nan_to_num(self.focal_px * self.baseline_m / seen, nan=0.0)
        hidden = _hidden_from_right(disparity)
        disparity = self._spoil_edges(disparity, rng)
        disparity = np.rint(disparity / self.step_px) * np.float32(self.step_px)
        disparity[hidden | (_spots(disparity.shape, 3, rng) < self.speckles)] = 0.0
        back_rows = np.minimum((np.arange(height) * scale).astype(int), len(rows) - 1)
        back_columns = np.minimum((np.arange(width) * scale).astype(int), len(columns) - 1)
        disparity = disparity[back_rows[:, None], back_columns]
        depth = np.full(depth_m.shape, np.nan, np.float32)
        np.divide(
            np.float32(self.focal_px * self.baseline_m), disparity, out=depth, where=disparity > 0
        )
        return depth

    def _spoil_edges(self, disparity: Float32Array, rng: np.random.Generator) -> Float32Array:
        kernel = np.ones((3, 3), np.uint8)
        near, far = cv2.dilate(disparity, kernel), cv2.erode(disparity, kernel)
        fate = _spots(disparity.shape, 2, rng)
        fate[near - far < self.edge_px] = 1.0
        lost, fat = self.lost_at_edges, self.lost_at_edges + self.fat_at_edges
        share = rng.random(disparity.shape, np.float32)
        result = disparity.copy()
        mixed = fate < fat + self.mixed_at_edges
        result[mixed] = (far + share * (near - far))[mixed]
        result[fate < fat] = near[fate < fat]
        result[fate < lost] = 0.0
        return result


def _hidden_from_right(disparity_px: Float32Array) -> BoolArray:
    """Return which pixels (H, W) of the left image something nearer hides in the right one."""
    at = np.arange(disparity_px.shape[1], dtype=np.float32) - disparity_px
    leftmost = np.minimum.accumulate(at[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(at.shape, bool)
    hidden[:, :-1] = leftmost[:, 1:] < at[:, :-1] - 0.5
    return hidden


def _spots(shape: tuple[int, ...], size_px: int, rng: np.random.Generator) -> Float32Array:
    """Return values spread evenly in [0, 1], alike within spots of about this size."""
    height, width = (-(-side // size_px) for side in shape)
    values = rng.random((height, width), np.float32)
    return values.repeat(size_px, 0).repeat(size_px, 1)[: shape[0], : shape[1]].copy()
