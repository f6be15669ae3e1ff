# SPDX-License-Identifier: Apache-2.0
"""What a real RGB-D sensor does to a clean image."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import Float32Array, UInt8Array
from sam_simulation.camera.stereo import Stereo

BLOCK_PX = 12


@dataclass(frozen=True, kw_only=True)
class SensorNoise:
    """How far the images are from perfect; all 0: perfect.

    Parameters
    ----------
    shot : float
        Standard deviation of a white pixel's noise [grey levels], falling with the square root.
    read : float
        Standard deviation of a black pixel's noise [grey levels].
    blur_px : float
        Standard deviation of the lens's blur [px].
    vignetting : float
        Share of light that is lost in the corners [0-1].
    depth_at_1m_m : float
        Standard deviation of depth at 1 m [m], growing with the square of depth.
    max_depth_m : float
        Beyond this there is no depth reading [m].
    stereo : Stereo or None
        The pair that depth comes from, with its steps and holes; None: depth has none.

    """

    shot: float = 3.5
    read: float = 1.5
    blur_px: float = 0.5
    vignetting: float = 0.15
    depth_at_1m_m: float = 0.001
    max_depth_m: float = 6.0
    stereo: Stereo | None = None

    def spoil_colour(self, image_rgb: UInt8Array, rng: np.random.Generator) -> UInt8Array:
        """Return a blurred, vignetted and noisy copy of an image (H, W, 3)."""
        height, width = image_rgb.shape[:2]
        image = image_rgb.astype(np.float32)
        if self.blur_px > 0:
            cv2.GaussianBlur(image, (0, 0), self.blur_px, dst=image)
        if self.vignetting > 0:
            x, y = np.linspace(-1, 1, width), np.linspace(-1, 1, height)[:, None]
            image *= (1 - self.vignetting * (x**2 + y**2) / 2).astype(np.float32)[..., None]
        if self.shot > 0 or self.read > 0:
            deviation = np.sqrt(self.read**2 + self.shot**2 / 255 * image)
            image += deviation * rng.standard_normal(image.shape, np.float32)
        return np.clip(np.rint(image), 0, 255).astype(np.uint8)

    def spoil_depth(self, depth_m: Float32Array, rng: np.random.Generator) -> Float32Array:
        """Return a noisy copy of a depth image (H, W) [m].

        It is NaN beyond `max_depth_m`, and where a stereo pair sees nothing.
        """
        depth = depth_m.copy()
        if self.depth_at_1m_m > 0:
            # Neighbours err alike: a stereo sensor matches blocks, not pixels.
            height, width = (-(-side // BLOCK_PX) + 1 for side in depth.shape)
            coarse = rng.standard_normal((height, width), np.float32)
            noise = cv2.resize(coarse, (width * BLOCK_PX, height * BLOCK_PX))
            depth += self.depth_at_1m_m * depth**2 * noise[: depth.shape[0], : depth.shape[1]]
        depth[depth_m > self.max_depth_m] = np.nan
        return depth if self.stereo is None else self.stereo.add_noise(depth, rng)


# Without any noise, to compare with what is true.
PERFECT = SensorNoise(shot=0, read=0, blur_px=0, vignetting=0, depth_at_1m_m=0)
# Like a RealSense D435 (see stereo.py); that it errs by 0.08 px of disparity is our guess.
REALSENSE = SensorNoise(depth_at_1m_m=0.08 / (424.0 * 0.05), stereo=Stereo())
