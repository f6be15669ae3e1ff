# SPDX-License-Identifier: Apache-2.0
"""A scene as MuJoCo's model."""

from __future__ import annotations

from typing import Any

import numpy as np

from sam_common.types import UInt16Array
from sam_simulation.camera.gl import load_mujoco
from sam_simulation.scene.tabletop import Tabletop, TexturedMesh

NEAR_M, FAR_M = 0.02, 40.0
CAMERA = 'camera'


def build_model(
    scene: Tabletop, size_wh: tuple[int, int], *, fovy_deg: float, shadow_px: int
) -> tuple[Any, UInt16Array]:
    """Return the compiled model, and the object id of each of its geoms.

    Parameters
    ----------
    scene : Tabletop
    size_wh : (int, int)
        Of the images [px].
    fovy_deg : float
        Vertical field of view of the camera.
    shadow_px : int
        Side of the map in which each shadow is computed [px].

    Returns
    -------
    model : mujoco.MjModel
    object_ids : array of uint16, shape (ngeom,)
        0 for what is no object.

    Raises
    ------
    RenderingError
        If MuJoCo cannot be loaded.

    """
    mujoco = load_mujoco()
    spec = mujoco.MjSpec()
    spec.visual.global_.offwidth, spec.visual.global_.offheight = size_wh
    spec.visual.quality.shadowsize = shadow_px
    spec.visual.headlight.ambient = [scene.ambient] * 3
    spec.visual.headlight.diffuse = [0.06] * 3
    spec.visual.headlight.specular = [0.0] * 3
    # An extent of 1 m makes the clipping planes below metric.
    spec.stat.extent = 1.0
    spec.stat.center = [0.0, 0.0, 0.0]
    spec.visual.map.znear, spec.visual.map.zfar = NEAR_M, FAR_M
    # The sun's shadow map has to cover the table: beyond its rim all repeats the rim's texels.
    corner_m = np.abs(scene.table.mesh.vertices[:, :2]).max(axis=0)
    spec.visual.map.shadowclip = 1.25 * float(np.linalg.norm(corner_m))
    world = spec.worldbody
    world.add_camera(name=CAMERA, fovy=fovy_deg)
    for light in scene.lights:
        far = light.position_m is None
        world.add_light(
            type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL
            if far
            else mujoco.mjtLightType.mjLIGHT_SPOT,
            pos=-2.0 * np.array(light.direction) if far else light.position_m,
            dir=light.direction,
            diffuse=light.diffuse,
            specular=np.array(light.diffuse) * 0.6,
            castshadow=far,  # a lamp's wide cone would spread its shadow map too thin
            cutoff=55.0,
            exponent=3.0,
        )
    _add_surface(mujoco, spec, 'table', scene.table)
    _add_surface(mujoco, spec, 'floor', scene.floor)
    for item in scene.objects:
        _add_surface(mujoco, spec, f'object_{item.id}', item.surface)
    model = spec.compile()
    object_ids = np.zeros(model.ngeom, np.uint16)
    for item in scene.objects:
        object_ids[model.geom(f'object_{item.id}').id] = item.id
    return model, object_ids


def _add_surface(mujoco: Any, spec: Any, name: str, surface: TexturedMesh) -> None:
    part = surface.mesh
    spec.add_mesh(
        name=name,
        uservert=part.vertices.ravel(),
        usernormal=part.normals.ravel(),
        usertexcoord=part.uvs.ravel(),
        userface=part.faces.ravel(),
        userfacenormal=part.faces.ravel(),
        userfacetexcoord=part.faces.ravel(),
        # Open meshes (a mug's handle) have no volume to integrate.
        inertia=mujoco.mjtMeshInertia.mjMESH_INERTIA_SHELL,
    )
    height, width = surface.texture.shape[:2]
    texture = spec.add_texture(
        name=name, type=mujoco.mjtTexture.mjTEXTURE_2D, width=width, height=height, nchannel=3
    )
    texture.data = surface.texture.tobytes()
    material = spec.add_material(
        name=name, specular=surface.specular, shininess=surface.shininess, reflectance=0.0
    )
    material.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = name
    spec.worldbody.add_geom(
        name=name,
        type=mujoco.mjtGeom.mjGEOM_MESH,
        meshname=name,
        material=name,
        contype=0,
        conaffinity=0,
    )
