# SPDX-License-Identifier: Apache-2.0
"""What a planner looks at: one depth image, and which of its pixels are the object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sam_common.camera_model import CameraModel
from sam_common.errors import DepthError
from sam_common.types import BoolArray, Float32Array
from sam_grasping.core.errors import TargetError
from sam_grasping.core.plane import Plane


@dataclass(frozen=True, eq=False, kw_only=True)
class View:
    """A single view of an object on a table, in the camera's optical frame.

    Parameters
    ----------
    depth_m : array of float32, shape (H, W)
        Along z [m]; NaN: no reading.
    mask : array of bool, shape (H, W)
        The object's pixels.
    camera : CameraModel
        Of the depth image.
    plane : Plane or None
        The table's top; None: it is looked for.

    Raises
    ------
    DepthError
        If the depth image is not of the camera's size.
    TargetError
        If the mask is not of the depth image's size.

    Examples
    --------
    >>> import numpy as np
    >>> camera = CameraModel(fx=400, fy=400, cx=159.5, cy=119.5, size_wh=(320, 240))
    >>> depth_m = np.full((240, 320), 0.5, np.float32)
    >>> View(depth_m=depth_m, mask=depth_m < 0.4, camera=camera).plane is None
    True

    """

    depth_m: Float32Array
    mask: BoolArray
    camera: CameraModel
    plane: Plane | None = None

    def __post_init__(self) -> None:
        width, height = self.camera.size_wh
        if self.depth_m.shape != (height, width):
            raise DepthError(
                f'the depth image is {_size(self.depth_m)}, its camera model '
                f'is of {width}x{height}; give both of one camera and resolution'
            )
        if self.mask.shape != self.depth_m.shape:
            raise TargetError(
                f'the mask is {_size(self.mask)}, the depth image {_size(self.depth_m)}; '
                'use depth that is aligned to the colour image, at the same resolution'
            )


def _size(array: npt.NDArray[np.generic]) -> str:
    return 'x'.join(str(side) for side in array.shape[::-1])
