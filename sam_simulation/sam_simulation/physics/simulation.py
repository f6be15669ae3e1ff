# SPDX-License-Identifier: Apache-2.0
"""A physics simulation of a scene with a gripper, as it goes step by step."""

from __future__ import annotations

import numpy as np

from sam_common.types import FloatArray
from sam_grasping import Gripper
from sam_simulation.camera.gl import load_mujoco
from sam_simulation.physics.bodies import STEP_S, build_physics
from sam_simulation.scene.tabletop import Tabletop

_PARKED = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 1.5], [0, 0, 0, 1]])


class Simulation:
    """The objects of a scene and a gripper; begins as the scene has them, the gripper far above.

    Parameters
    ----------
    scene : Tabletop
    gripper : Gripper
    friction : float
        Coefficient between the gripper and the objects.

    """

    def __init__(self, scene: Tabletop, gripper: Gripper, *, friction: float) -> None:
        self._mujoco = load_mujoco()
        self._physics = build_physics(scene, gripper, friction=friction)
        self._model = self._physics.model
        self._data = self._mujoco.MjData(self._model)
        self._bodies = np.array(list(self._physics.body_ids.values()), np.int64)
        joint = int(self._model.body_jntadr[self._physics.hand_id])
        self._hand = int(self._model.jnt_qposadr[joint])
        self._place_hand(_PARKED, gripper.max_width_m)
        self._mujoco.mj_forward(self._model, self._data)
        self._begin = self._data.qpos.copy()

    def save(self) -> None:
        """Let every reset begin with the objects as they are now, without motion."""
        self._begin = self._data.qpos.copy()
        self.reset(_PARKED, 0.0)

    def reset(self, tf_world_tool: FloatArray, opening_m: float) -> None:
        """Begin anew, with the gripper open there; nothing is left of what happened before."""
        self._mujoco.mj_resetData(self._model, self._data)
        self._data.qpos[:] = self._begin
        self._place_hand(tf_world_tool, opening_m)
        self._mujoco.mj_forward(self._model, self._data)

    def let_go_by(self, seconds: float) -> None:
        """Let time pass."""
        self._mujoco.mj_step(self._model, self._data, _steps(seconds))

    def follow(
        self, start: FloatArray, end: FloatArray, seconds: float, *, watch: bool = False
    ) -> bool:
        """Send the gripper straight from one pose to another, with minimum jerk.

        Parameters
        ----------
        start, end : array of float64, shape (4, 4)
            The tool frame in the world [m].
        seconds : float
        watch : bool
            Whether to stop as soon as the gripper touches anything.

        Returns
        -------
        bool
            Whether the gripper touched anything.

        """
        share = np.linspace(0.0, 1.0, _steps(seconds) + 1)[1:]
        share = share**3 * (10 - 15 * share + 6 * share**2)
        positions = start[:3, 3] + share[:, None] * (end[:3, 3] - start[:3, 3])
        first, last = self._quaternion(start), self._quaternion(end)
        quaternions = first + share[:, None] * (np.copysign(1.0, first @ last) * last - first)
        quaternions /= np.linalg.norm(quaternions, axis=1, keepdims=True)
        touched = False
        for position, quaternion in zip(positions, quaternions, strict=True):
            self._data.mocap_pos[0] = position
            self._data.mocap_quat[0] = quaternion
            self._mujoco.mj_step(self._model, self._data)
            if not touched and self._gripper_touches():
                touched = True
                if watch:
                    break
        return touched

    def close(self, seconds: float) -> None:
        """Close the fingers, with all their force."""
        self._data.ctrl[:] = -0.01  # beyond closed, so that the force stays where it is full
        self.let_go_by(seconds)

    def fingers_on(self, object_id: int, seconds: float) -> int:
        """Let time pass, and return how many fingers touch an object in it [0-2].

        Stiff contacts chatter, so that at a single moment one may be missing.
        """
        fingers: set[int] = set()
        for _ in range(_steps(seconds)):
            self._mujoco.mj_step(self._model, self._data)
            pairs = self._data.contact.geom
            mine = (self._physics.object_of_geom[pairs] == object_id).any(axis=1)
            fingers.update(self._physics.finger_of_geom[pairs[mine]].ravel().tolist())
        return len(fingers - {0})

    def pose_error(self, tf_world_tool: FloatArray) -> tuple[float, float]:
        """Return how far the gripper is from a pose [m, rad]."""
        body = self._data.body(self._physics.hand_id)
        turn = body.xmat.reshape(3, 3).T @ tf_world_tool[:3, :3]
        return float(np.linalg.norm(body.xpos - tf_world_tool[:3, 3])), angle_rad(turn)

    def motions(self) -> FloatArray:
        """Return how each object has moved in the world since the scene, shape (N, 4, 4) [m]."""
        result = np.tile(np.eye(4), (len(self._bodies), 1, 1))
        result[:, :3, :3] = self._data.xmat[self._bodies].reshape(-1, 3, 3)
        result[:, :3, 3] = self._data.xpos[self._bodies]
        return result

    def centres(self) -> FloatArray:
        """Return each object's centre of mass in the world, shape (N, 3) [m]."""
        return np.array(self._data.xipos[self._bodies])

    def _place_hand(self, tf_world_tool: FloatArray, opening_m: float) -> None:
        quaternion = self._quaternion(tf_world_tool)
        self._data.mocap_pos[0] = tf_world_tool[:3, 3]
        self._data.mocap_quat[0] = quaternion
        self._data.qpos[self._hand : self._hand + 3] = tf_world_tool[:3, 3]
        self._data.qpos[self._hand + 3 : self._hand + 7] = quaternion
        self._data.qpos[-2:] = opening_m / 2
        self._data.ctrl[:] = opening_m / 2

    def _quaternion(self, pose: FloatArray) -> FloatArray:
        quaternion = np.empty(4)
        self._mujoco.mju_mat2Quat(quaternion, pose[:3, :3].ravel())
        return quaternion

    def _gripper_touches(self) -> bool:
        return bool(self._physics.gripper_geoms[self._data.contact.geom].any())


def angle_rad(rotation: FloatArray) -> float:
    """Return by how much a rotation (3, 3) turns [rad]."""
    # By the skew part: the trace alone can't tell small angles from none.
    skew = rotation - rotation.T
    sine = np.linalg.norm([skew[2, 1], skew[0, 2], skew[1, 0]]) / 2
    return float(np.arctan2(sine, (np.trace(rotation) - 1) / 2))


def _steps(seconds: float) -> int:
    return max(1, round(seconds / STEP_S))
