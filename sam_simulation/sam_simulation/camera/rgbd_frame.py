# SPDX-License-Identifier: Apache-2.0
"""One frame of an RGB-D camera, with ground truth."""

from __future__ import annotations

from dataclasses import dataclass

from sam_common.camera_model import CameraModel
from sam_common.types import Float32Array, UInt8Array, UInt16Array
from sam_simulation.camera.viewpoint import Pose


@dataclass(frozen=True, eq=False)
class RgbdFrame:
    """A colour image with depth and labels for the same pixels.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    depth_m : array of float32, shape (H, W)
        Along z of the optical frame [m]; NaN: no reading.
    labels : array of uint16, shape (H, W)
        Id of the object that the pixel's centre shows; 0: none.
    camera : CameraModel
        Of all three images [px].
    tf_world_camera : array of float64, shape (4, 4)
        From the optical frame (x right, y down, z forward) to the world [m].

    """

    image_rgb: UInt8Array
    depth_m: Float32Array
    labels: UInt16Array
    camera: CameraModel
    tf_world_camera: Pose

    def __post_init__(self) -> None:
        size = self.image_rgb.shape[:2]
        if self.image_rgb.shape != (*size, 3) or not (
            self.depth_m.shape == self.labels.shape == size
        ):
            raise ValueError(
                f'image {self.image_rgb.shape}, depth {self.depth_m.shape} and labels '
                f'{self.labels.shape} differ in size; give all three for the same pixels'
            )
