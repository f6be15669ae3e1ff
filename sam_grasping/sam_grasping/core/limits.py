# SPDX-License-Identifier: Apache-2.0
"""Where the gripper may go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from sam_common.errors import OptionError
from sam_common.transforms import checked
from sam_common.types import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Limits:
    """A box that grasps must lie in, and a check that they are within reach.

    Parameters
    ----------
    low_m, high_m : (float, float, float) or None
        Opposite corners of the box in the target frame [m]; None: no limit. The tool's origin at
        `pose`, `pre_grasp` and `lift` must lie inside.
    tf_target_camera : array of float64, shape (4, 4)
        From the camera's optical frame to the target frame.
    reachable : callable or None
        Is given a Grasp in the target frame and tells whether the arm gets there, as by inverse
        kinematics; None: every one counts as reachable. It is asked best first, and only as
        often as needed.

    Raises
    ------
    OptionError
        If a corner is not finite or the box is empty.

    Examples
    --------
    >>> import numpy as np
    >>> limits = Limits(low_m=(0, 0, 0), high_m=(1, 1, 1))
    >>> limits.inside(np.array([[0.5, 0.5, 0.5], [0.5, 0.5, 2.0]])).tolist()
    [True, False]

    """

    low_m: tuple[float, float, float] | None = None
    high_m: tuple[float, float, float] | None = None
    tf_target_camera: FloatArray = field(default_factory=lambda: np.eye(4))
    reachable: Callable[..., bool] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(
            self, 'tf_target_camera', checked(self.tf_target_camera, 'tf_target_camera')
        )
        low = np.full(3, -np.inf) if self.low_m is None else np.asarray(self.low_m, np.float64)
        high = np.full(3, np.inf) if self.high_m is None else np.asarray(self.high_m, np.float64)
        if low.shape != (3,) or high.shape != (3,) or not (low < high).all():
            raise OptionError(
                f'the workspace goes from {self.low_m} to {self.high_m}; give two corners [m], '
                'the first below the second in x, y and z'
            )

    def inside(self, points_camera: FloatArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Return whether points (..., 3) of the camera's frame lie in the box, bool (...)."""
        tf = self.tf_target_camera
        points = points_camera @ tf[:3, :3].T + tf[:3, 3]
        low = -np.inf if self.low_m is None else np.asarray(self.low_m)
        high = np.inf if self.high_m is None else np.asarray(self.high_m)
        result: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (
            (points >= low) & (points <= high)
        ).all(axis=-1)
        return result
