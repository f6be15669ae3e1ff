# SPDX-License-Identifier: Apache-2.0
"""A plane, as the table's top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sam_common.errors import OptionError
from sam_common.types import FloatArray


@dataclass(frozen=True, eq=False)
class Plane:
    """Points p with `normal @ p + offset_m == 0`; above it is where the normal points to.

    Parameters
    ----------
    normal : array of float64, shape (3,)
        Away from the table's inside; made of unit length.
    offset_m : float
        Height of the origin above the plane [m].

    Raises
    ------
    OptionError
        If the normal has no direction, or a number is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> table = Plane(np.array([0.0, 0.0, 2.0]), -1.0)
    >>> table.height_m(np.array([[0.0, 0.0, 0.5], [1.0, 1.0, 2.0]])).tolist()
    [0.0, 1.5]

    """

    normal: FloatArray
    offset_m: float

    def __post_init__(self) -> None:
        normal = np.array(self.normal, np.float64)
        length = float(np.linalg.norm(normal)) if normal.shape == (3,) else np.nan
        if not (np.isfinite(length) and length > 1e-9 and np.isfinite(self.offset_m)):
            raise OptionError(
                f'the plane has normal {self.normal} and offset {self.offset_m}; '
                'give a direction of three numbers and a height [m]'
            )
        object.__setattr__(self, 'normal', normal / length)
        object.__setattr__(self, 'offset_m', float(self.offset_m) / length)

    def height_m(self, points: FloatArray) -> FloatArray:
        """Return the heights (...) of points (..., 3) above the plane [m]."""
        heights: FloatArray = points @ self.normal + self.offset_m
        return heights

    def in_frame(self, tf_target_source: FloatArray) -> Plane:
        """Return the same plane in another frame, by the transform (4, 4) from its own."""
        normal = tf_target_source[:3, :3] @ self.normal
        return Plane(normal, self.offset_m - float(normal @ tf_target_source[:3, 3]))
