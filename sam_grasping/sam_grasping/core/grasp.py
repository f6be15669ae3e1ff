# SPDX-License-Identifier: Apache-2.0
"""A grasp: poses of the gripper, how wide, how likely to hold."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sam_common.errors import OptionError
from sam_common.transforms import checked
from sam_common.types import FloatArray


@dataclass(frozen=True, eq=False, kw_only=True)
class Grasp:
    """Poses of the tool frame (see Gripper) in one frame, the camera's unless said otherwise.

    Parameters
    ----------
    pose, pre_grasp, lift : array of float64, shape (4, 4)
        Where the fingers close, where the straight approach along z begins, and where the object
        is after it was lifted [m].
    width_m : float
        Of the object between the fingers: what the jaws close to [m].
    opening_m : float
        Of the jaws from `pre_grasp` to `pose` before they close, free of collisions [m].
    score : float
        Probability that the grasp holds [0-1], calibrated on simulated trials.

    Raises
    ------
    OptionError
        If a pose is no rigid transform, or a number is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> pre_grasp, lift = np.eye(4), np.eye(4)
    >>> pre_grasp[2, 3], lift[2, 3] = -0.1, -0.18
    >>> grasp = Grasp(
    ...     pose=np.eye(4), pre_grasp=pre_grasp, lift=lift, width_m=0.03, opening_m=0.05, score=0.9
    ... )
    >>> tf_base_camera = np.eye(4)
    >>> tf_base_camera[:3, 3] = 0.5, 0.0, 1.0
    >>> grasp.in_frame(tf_base_camera).pose[:3, 3].tolist()
    [0.5, 0.0, 1.0]

    """

    pose: FloatArray
    pre_grasp: FloatArray
    lift: FloatArray
    width_m: float
    opening_m: float
    score: float

    def __post_init__(self) -> None:
        for name in ('pose', 'pre_grasp', 'lift'):
            object.__setattr__(self, name, checked(getattr(self, name), name))
        if not (np.isfinite(self.width_m) and 0 <= self.width_m <= self.opening_m):
            raise OptionError(
                f'width_m is {self.width_m}, opening_m {self.opening_m}; '
                'give 0 <= width <= opening'
            )
        if not 0 <= self.score <= 1:
            raise OptionError(f'score is {self.score}; give a probability')

    def in_frame(self, tf_target_source: FloatArray) -> Grasp:
        """Return the same grasp in another frame, by the transform (4, 4) from its own."""
        return replace(
            self,
            pose=tf_target_source @ self.pose,
            pre_grasp=tf_target_source @ self.pre_grasp,
            lift=tf_target_source @ self.lift,
        )
