# SPDX-License-Identifier: Apache-2.0
"""A scene's objects as free bodies on the table, and a parallel-jaw hand over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sam_common.types import BoolArray, IntArray
from sam_grasping import Gripper
from sam_simulation.camera.gl import load_mujoco
from sam_simulation.scene.convex_part import Part, PartKind
from sam_simulation.scene.tabletop import Tabletop

STEP_S = 0.002
# [kg/m3]: pottery; a bottle of water; a tin or jar; a carton that is not full; fruit.
DENSITIES = {
    'mug': 2300.0,
    'bowl': 2300.0,
    'bottle': 950.0,
    'cylinder': 700.0,
    'box': 400.0,
    'hull': 900.0,
}
OTHER_FRICTION = 0.5  # between objects, and of objects on the table
# Beside sliding: against twisting about the contact's normal, and against rolling [m]. A pad
# that touches a patch of some millimetres resists a twist with two thirds of its radius.
TWIST_M, ROLL_M = 0.003, 0.0002
# Stiff: MuJoCo's contacts give way in proportion to force over mass, so that light things would
# be squeezed flat. The time constant is as short as the step allows.
_CONTACT = {'solref': [2 * STEP_S, 1.0], 'solimp': [0.95, 0.99, 0.001, 0.5, 2.0]}
GRIP_N = 40.0  # of each finger: modest for such grippers
CLOSING_M_PER_S = 0.15  # of each finger, where nothing resists
# Of the hand with the arm behind it, as it feels where it touches something: with these the weld
# gives way by about a millimetre at 34 N, and by a degree at 10 Nm.
HAND_KG, HAND_KGM2 = 3.0, 0.05
FINGER_KG = 0.05


@dataclass(frozen=True, eq=False)
class PhysicsModel:
    """The compiled model, and where things are in it.

    Parameters
    ----------
    model : mujoco.MjModel
        The hand follows the only mocap body, whose pose is the tool frame's; its fingers are
        the last two joints, [0, max_width / 2], and the only two actuators.
    body_ids : mapping of int to int
        By object id. A body's frame begins as the world's, so its pose is its motion since then.
    hand_id : int
        The hand's body.
    object_of_geom : array of int64, shape (ngeom,)
        Object ids; 0: the table, or what belongs to the gripper.
    finger_of_geom : array of int64, shape (ngeom,)
        0: no finger, 1 and 2: the fingers at -y and y.
    gripper_geoms : array of bool, shape (ngeom,)

    """

    model: Any
    body_ids: dict[int, int]
    hand_id: int
    object_of_geom: IntArray
    finger_of_geom: IntArray
    gripper_geoms: BoolArray


def build_physics(scene: Tabletop, gripper: Gripper, *, friction: float) -> PhysicsModel:
    """Return the model of a scene with a gripper.

    Parameters
    ----------
    scene : Tabletop
    gripper : Gripper
    friction : float
        Coefficient between the gripper and everything else.

    Raises
    ------
    RenderingError
        If MuJoCo cannot be loaded.

    """
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    option = spec.option
    option.timestep = STEP_S
    option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    # A regularised friction creeps; a high ratio of its stiffness to that of the normal
    # constraint keeps that small.
    option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    option.impratio = 10.0
    # Beyond the table's edge too: what comes to lie there counts as fallen.
    spec.worldbody.add_geom(
        type=mujoco.mjtGeom.mjGEOM_PLANE,
        size=[1.0, 1.0, 0.1],
        friction=[OTHER_FRICTION, TWIST_M, ROLL_M],
        condim=3,
        **_CONTACT,
    )
    for item in scene.objects:
        body = spec.worldbody.add_body(name=f'object_{item.id}')
        body.add_freejoint()
        density = DENSITIES.get(item.class_name, 500.0)
        for index, part in enumerate(item.parts):
            _add_part(mujoco, spec, body, f'object_{item.id}_{index}', part, density)
    _add_hand(mujoco, spec, gripper, friction)
    model = spec.compile()
    body_ids = {item.id: model.body(f'object_{item.id}').id for item in scene.objects}
    object_of_body = np.zeros(model.nbody, np.int64)
    object_of_body[list(body_ids.values())] = list(body_ids)
    finger_of_body = np.zeros(model.nbody, np.int64)
    finger_of_body[[model.body('finger_1').id, model.body('finger_2').id]] = 1, 2
    hand_id = model.body('hand').id
    return PhysicsModel(
        model,
        body_ids,
        hand_id,
        object_of_body[model.geom_bodyid],
        finger_of_body[model.geom_bodyid],
        model.geom_bodyid >= hand_id,
    )


def _add_part(mujoco: Any, spec: Any, body: Any, name: str, part: Part, density: float) -> None:
    quaternion = np.empty(4)
    mujoco.mju_mat2Quat(quaternion, part.rotation.ravel())
    options: dict[str, Any] = {}
    if part.kind is PartKind.HULL:
        spec.add_mesh(name=name, uservert=part.vertices.ravel())
        options['meshname'] = name
    else:
        options['size'] = np.pad(part.size_m, (0, 3 - len(part.size_m)))
    body.add_geom(
        type={
            PartKind.BOX: mujoco.mjtGeom.mjGEOM_BOX,
            PartKind.CYLINDER: mujoco.mjtGeom.mjGEOM_CYLINDER,
            PartKind.CAPSULE: mujoco.mjtGeom.mjGEOM_CAPSULE,
            PartKind.HULL: mujoco.mjtGeom.mjGEOM_MESH,
        }[part.kind],
        pos=part.centre,
        quat=quaternion,
        density=density if part.weighs else 0.0,
        friction=[OTHER_FRICTION, TWIST_M, ROLL_M],
        # Only what is round rolls.
        condim=3 if part.kind in (PartKind.BOX, PartKind.HULL) else 6,
        **_CONTACT,
        **options,
    )


def _add_hand(mujoco: Any, spec: Any, gripper: Gripper, friction: float) -> None:
    # Fingers on the mocap body itself would be moved, not pushed, through what they touch; so a
    # free hand hangs on it by a weld, which gives a little.
    spec.worldbody.add_body(name='guide', mocap=True)
    hand = spec.worldbody.add_body(
        name='hand',
        gravcomp=1.0,
        explicitinertial=True,
        mass=HAND_KG,
        inertia=[HAND_KGM2] * 3,
    )
    hand.add_freejoint()
    low, high = gripper.boxes(0.0)
    surface = {
        'type': mujoco.mjtGeom.mjGEOM_BOX,
        'friction': [friction, TWIST_M, ROLL_M],
        'condim': 6,
        'priority': 1,  # its friction counts, not the larger one
        'contype': 0,  # its parts don't touch each other
        **_CONTACT,
    }
    hand.add_geom(pos=(low[2] + high[2]) / 2, size=(high[2] - low[2]) / 2, mass=HAND_KG, **surface)
    for index, side in enumerate((-1.0, 1.0)):
        name = f'finger_{index + 1}'
        finger = hand.add_body(name=name, gravcomp=1.0)
        finger.add_joint(
            name=name,
            type=mujoco.mjtJoint.mjJNT_SLIDE,
            axis=[0.0, side, 0.0],
            limited=True,
            range=[0.0, gripper.max_width_m / 2],
            solref_limit=_CONTACT['solref'],
            solimp_limit=_CONTACT['solimp'],
            damping=[GRIP_N / CLOSING_M_PER_S, 0.0, 0.0],
            armature=0.1,
        )
        finger.add_geom(
            pos=(low[index] + high[index]) / 2,
            size=(high[index] - low[index]) / 2,
            mass=FINGER_KG,
            **surface,
        )
        actuator = spec.add_actuator(
            name=name, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=name, forcelimited=True
        )
        actuator.set_to_position(kp=4000.0)
        actuator.forcerange = [-GRIP_N, GRIP_N]
    # The jaws of such grippers are coupled, so that they centre what they grip.
    coupling = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_JOINT,
        objtype=mujoco.mjtObj.mjOBJ_JOINT,
        name1='finger_1',
        name2='finger_2',
        **_CONTACT,
    )
    coupling.data[:5] = [0.0, 1.0, 0.0, 0.0, 0.0]
    weld = spec.add_equality(
        type=mujoco.mjtEq.mjEQ_WELD,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        name1='guide',
        name2='hand',
        solref=[0.01, 1.0],
    )
    weld.data[:3] = 0.0  # the anchor, in the hand's frame
