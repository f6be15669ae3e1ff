# SPDX-License-Identifier: Apache-2.0
"""The measures of a parallel-jaw gripper."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sam_common.errors import OptionError
from sam_common.types import FloatArray


@dataclass(frozen=True, kw_only=True)
class Gripper:
    """Two fingers that close along y, on a palm; approaches along z.

    Tool frame: the origin lies between the fingertips, in the plane of their ends. The fingers
    reach from z = -finger_length_m to 0; the palm begins behind them, at z = -finger_length_m,
    and is centred on the z axis. The inner faces of the fingers are at y = -w / 2 and w / 2
    when the opening is w.

    Parameters
    ----------
    max_width_m : float
        Largest opening between the fingers [m].
    finger_length_m : float
        Along z, from the palm to the tips [m].
    finger_thickness_m : float
        Of each finger along y [m].
    finger_width_m : float
        Of each finger along x [m].
    palm_size_xyz_m : (float, float, float)
        Of the hand behind the fingers [m].

    Raises
    ------
    OptionError
        If a measure is not positive and finite, or the open fingers stand out of reason.

    Examples
    --------
    >>> gripper = Gripper(max_width_m=0.06)
    >>> low, high = gripper.boxes(0.06)
    >>> low.shape, high.shape
    ((3, 3), (3, 3))

    """

    max_width_m: float = 0.08
    finger_length_m: float = 0.06
    finger_thickness_m: float = 0.01
    finger_width_m: float = 0.02
    palm_size_xyz_m: tuple[float, float, float] = (0.06, 0.12, 0.08)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not all(np.isfinite(v) and 0 < v <= 1 for v in np.atleast_1d(value)):
                raise OptionError(
                    f'the gripper has {field.name} {value}; give metres above 0, at most 1'
                )
        if len(self.palm_size_xyz_m) != 3:
            raise OptionError(f'palm_size_xyz_m is {self.palm_size_xyz_m}; give three sides [m]')

    def boxes(self, opening_m: float) -> tuple[FloatArray, FloatArray]:
        """Return what the gripper fills when it is open by `opening_m`, in the tool frame.

        Returns
        -------
        low, high : arrays of float64, shape (3, 3)
            Opposite corners of three boxes: the finger at -y, the finger at +y, the palm [m].

        """
        x, inner = self.finger_width_m / 2, opening_m / 2
        outer = inner + self.finger_thickness_m
        palm_x, palm_y = self.palm_size_xyz_m[0] / 2, self.palm_size_xyz_m[1] / 2
        back = -self.finger_length_m - self.palm_size_xyz_m[2]
        low = [
            [-x, -outer, -self.finger_length_m],
            [-x, inner, -self.finger_length_m],
            [-palm_x, -palm_y, back],
        ]
        high = [[x, -inner, 0.0], [x, outer, 0.0], [palm_x, palm_y, -self.finger_length_m]]
        return np.array(low), np.array(high)
