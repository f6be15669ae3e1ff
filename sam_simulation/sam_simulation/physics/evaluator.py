# SPDX-License-Identifier: Apache-2.0
"""Tries grasps in a physics simulation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sam_common.types import FloatArray
from sam_grasping import Grasp, Gripper
from sam_simulation.errors import TrialError
from sam_simulation.physics.outcome import GraspOutcome
from sam_simulation.physics.simulation import Simulation, angle_rad
from sam_simulation.scene.tabletop import Tabletop

# A bowl that is lifted by its rim hangs down, its middle several centimetres lower.
LIFT_M, UP_M = 0.18, 0.10
# At rest: below these limits for _REST_S; waited for at most _MAX_SETTLING_S.
_REST_M, _REST_RAD, _REST_S, _MAX_SETTLING_S = 0.0005, 0.005, 0.24, 4.0
# What moved or turned farther while it came to rest has fallen.
_FALLEN_M, _FALLEN_RAD = 0.03, np.radians(20.0)
_SPEED_M_PER_S = 0.25  # on average
_MIN_MOVE_S, _ARRIVE_S, _CLOSE_S, _HOLD_S, _LOOK_S = 0.2, 0.1, 0.35, 0.2, 0.05
# The gripper is blocked if it is farther from where it was sent.
_BLOCKED_M, _BLOCKED_RAD = 0.005, np.radians(4.0)


class GraspEvaluator:
    """A scene whose objects have come to rest, in which grasps are tried one by one.

    The same grasp gives the same outcome to the bit, whatever was tried before.

    Parameters
    ----------
    scene : Tabletop
    gripper : Gripper or None
        None: a usual one of 80 mm.
    friction : float
        Coefficient between the gripper and the objects.

    Attributes
    ----------
    motions : mapping of int to array of float64, shape (4, 4)
        By object id, the transform in the world that takes it from where the scene has it to
        where it rests [m], as Renderer.render takes them.
    targets : tuple of int
        The objects that rest on the table, about where and as the scene has them; those that
        fell over or off, or don't come to rest, are left out.

    Raises
    ------
    TrialError
        If the friction makes no sense, or an object of the scene has no parts that collide.
    RenderingError
        If MuJoCo cannot be loaded.

    """

    def __init__(
        self, scene: Tabletop, gripper: Gripper | None = None, *, friction: float = 0.8
    ) -> None:
        if not 0 < friction <= 10:
            raise TrialError(f'friction is {friction}; give a coefficient above 0, at most 10')
        for item in scene.objects:
            if not item.parts:
                raise TrialError(
                    f'object {item.id} has no parts that collide; try grasps in the scene of '
                    'a Tabletop, not of a video'
                )
        self.scene = scene
        self.gripper = gripper or Gripper()
        self._ids = tuple(item.id for item in scene.objects)
        self._simulation = Simulation(scene, self.gripper, friction=friction)
        begin = self._simulation.centres()
        resting = self._let_rest()
        self._rest = self._simulation.centres()
        motions = self._simulation.motions()
        self.motions: Mapping[int, FloatArray] = dict(zip(self._ids, motions, strict=True))
        shifts = np.linalg.norm(self._rest - begin, axis=1)
        angles_rad = np.array([angle_rad(motion[:3, :3]) for motion in motions])
        edge = np.abs(scene.table.mesh.vertices[:, :2]).max(axis=0)
        on_table = (np.abs(self._rest[:, :2]) < edge).all(axis=1)
        good = resting & on_table & (shifts < _FALLEN_M) & (angles_rad < _FALLEN_RAD)
        self.targets = tuple(i for i, is_good in zip(self._ids, good, strict=True) if is_good)

    def try_grasp(self, grasp: Grasp, object_id: int, *, strict: bool = False) -> GraspOutcome:
        """Return how a grasp of an object ends.

        The open gripper goes straight from `pre_grasp` to `pose`, closes, rises 18 cm and holds.
        It succeeds if the object's centre of mass is then at least 10 cm above its rest, with both
        fingers on the object.

        Parameters
        ----------
        grasp : Grasp
            In the world's frame.
        object_id : int
            One of `targets`.
        strict : bool
            Whether the trial fails as soon as the gripper touches anything before it closes.

        Raises
        ------
        TrialError
            If the object is no target, or the gripper does not open so wide.

        """
        if object_id not in self.targets:
            raise TrialError(f'object {object_id} is not among those that rest: {self.targets}')
        if grasp.opening_m > self.gripper.max_width_m + 1e-9:
            raise TrialError(
                f'opening_m is {grasp.opening_m}; this gripper opens by '
                f'{self.gripper.max_width_m} m at most'
            )
        simulation = self._simulation
        simulation.reset(grasp.pre_grasp, grasp.opening_m)
        way = float(np.linalg.norm(grasp.pose[:3, 3] - grasp.pre_grasp[:3, 3]))
        seconds = max(_MIN_MOVE_S, way / _SPEED_M_PER_S)
        touched = simulation.follow(grasp.pre_grasp, grasp.pose, seconds, watch=strict)
        if not (touched and strict):
            touched |= simulation.follow(grasp.pose, grasp.pose, _ARRIVE_S, watch=strict)
        if touched and strict:
            return self._outcome('contact_on_approach', object_id, touched)
        shift, angle_rad = simulation.pose_error(grasp.pose)
        if shift > _BLOCKED_M or angle_rad > _BLOCKED_RAD:
            return self._outcome('blocked', object_id, touched)
        simulation.close(_CLOSE_S)
        if not simulation.fingers_on(object_id, _LOOK_S):
            return self._outcome('missed', object_id, touched)
        lifted = grasp.pose.copy()
        lifted[2, 3] += LIFT_M
        simulation.follow(grasp.pose, lifted, LIFT_M / _SPEED_M_PER_S)
        simulation.let_go_by(_HOLD_S)
        fingers = simulation.fingers_on(object_id, _LOOK_S)
        index = self._ids.index(object_id)
        up = simulation.centres()[index, 2] - self._rest[index, 2] >= UP_M
        cause = ('slipped', 'one_finger', 'held')[fingers] if up else 'slipped'
        return self._outcome(cause, object_id, touched)

    def _let_rest(self) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """Wait until the objects rest; return which do, shape (N,), and let trials begin there."""
        simulation = self._simulation
        motions, centres = simulation.motions(), simulation.centres()
        for _ in range(round(_MAX_SETTLING_S / _REST_S)):
            simulation.let_go_by(_REST_S)
            before, motions = motions, simulation.motions()
            shifts = np.linalg.norm(simulation.centres() - centres, axis=1)
            centres = simulation.centres()
            angles_rad = np.array(
                [
                    angle_rad(old[:3, :3].T @ new[:3, :3])
                    for old, new in zip(before, motions, strict=True)
                ]
            )
            resting = (shifts < _REST_M) & (angles_rad < _REST_RAD)
            if resting.all():
                break
        simulation.save()
        return np.asarray(resting)

    def _outcome(self, cause: str, object_id: int, touched: bool) -> GraspOutcome:
        """Return how a trial ends now."""
        centres = self._simulation.centres()
        shifts = np.linalg.norm(centres - self._rest, axis=1)
        index = self._ids.index(object_id)
        return GraspOutcome(
            success=cause == 'held',
            cause=cause,
            touched=touched,
            lifted_m=float(centres[index, 2] - self._rest[index, 2]),
            moved_m={
                other: float(shift)
                for other, shift in zip(self._ids, shifts, strict=True)
                if other != object_id
            },
        )
