# SPDX-License-Identifier: Apache-2.0
"""Renders a scene into RGB-D frames with ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np

from sam_common.camera_model import CameraModel
from sam_common.types import Float32Array, UInt8Array, UInt16Array
from sam_simulation.camera.gl import load_mujoco, make_context, make_render_context
from sam_simulation.camera.model import FAR_M, NEAR_M, build_model
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.camera.sensor import SensorNoise
from sam_simulation.camera.viewpoint import FOVY_DEG, Pose
from sam_simulation.scene.tabletop import Tabletop

SAMPLES = 4
MIN_SIDE, MAX_SIDE = 16, 4096


class Renderer:
    """An RGB-D camera in a scene; a context manager, bound to the thread that made it.

    Parameters
    ----------
    scene : Tabletop
    size_wh : (int, int)
        Of the images [px].
    noise : SensorNoise or None
        What the sensor adds; None: a usual amount.
    fine : bool
        Whether colour is averaged over samples of each pixel, as in a real sensor, and shadows
        have fine edges. Takes twice as long where there is no GPU.

    Raises
    ------
    RenderingError
        If there is no OpenGL to render with.

    """

    def __init__(
        self,
        scene: Tabletop,
        size_wh: tuple[int, int] = (640, 480),
        *,
        noise: SensorNoise | None = None,
        fine: bool = True,
    ) -> None:
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in size_wh):
            raise ValueError(f'image size is {size_wh}; give {MIN_SIDE} to {MAX_SIDE} px per side')
        self.scene = scene
        self.size_wh = size_wh
        self.camera = CameraModel.from_fovy(size_wh, fovy_deg=FOVY_DEG)
        self._noise = SensorNoise() if noise is None else noise
        self._mujoco = mujoco = load_mujoco()
        self._model, object_ids = build_model(
            scene, size_wh, fovy_deg=FOVY_DEG, shadow_px=2048 if fine else 1024
        )
        self._data = mujoco.MjData(self._model)
        mujoco.mj_forward(self._model, self._data)
        self._rest_xpos = self._data.geom_xpos.copy()
        self._rest_xmat = self._data.geom_xmat.reshape(-1, 3, 3).copy()
        self._view = mujoco.MjvScene(self._model, maxgeom=self._model.ngeom + 8)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = 0
        self._options = mujoco.MjvOption()
        self._rect = mujoco.MjrRect(0, 0, *size_wh)
        self._gl: Any = make_context(size_wh)
        # Ids and depth are never averaged: the mean of two ids is a third object.
        self._truth_context = make_render_context(self._model, samples=0)
        self._colour_context = (
            make_render_context(self._model, samples=SAMPLES) if fine else self._truth_context
        )
        self._object_ids = object_ids

    def render(
        self,
        tf_world_camera: Pose,
        *,
        time_s: float = 0.0,
        motions: Mapping[int, Pose] | None = None,
    ) -> RgbdFrame:
        """Return what the camera sees.

        Parameters
        ----------
        tf_world_camera : array of float64, shape (4, 4)
            From the optical frame (x right, y down, z forward) to the world [m].
        time_s : float
            Changes the noise only: the same time gives the same noise.
        motions : mapping of int to array of float64, shape (4, 4)
            By object id, the transform in the world that takes the object from where the scene
            has it to where it is now [m]; those not named stay where the scene has them.

        Raises
        ------
        RuntimeError
            If the renderer is closed.
        ValueError
            If an object that is moved is not in the scene.

        """
        if self._gl is None:
            raise RuntimeError('the renderer is closed; make a new one')
        self._gl.make_current()
        self._move_objects(motions or {})
        # MuJoCo's cameras look along -z with y up.
        self._data.cam_xpos[0] = tf_world_camera[:3, 3]
        self._data.cam_xmat[0] = (tf_world_camera[:3, :3] * [1, -1, -1]).ravel()
        self._mujoco.mjv_updateScene(
            self._model,
            self._data,
            self._options,
            None,
            self._camera,
            self._mujoco.mjtCatBit.mjCAT_ALL.value,
            self._view,
        )
        image = self._render_colour()
        labels, depth = self._render_truth()
        rng = np.random.default_rng([self.scene.seed, 3, round(abs(time_s) * 1e6)])
        return RgbdFrame(
            self._noise.spoil_colour(image, rng),
            self._noise.spoil_depth(depth, rng),
            labels,
            self.camera,
            np.array(tf_world_camera, np.float64),
        )

    def close(self) -> None:
        """Free the OpenGL context; closing twice is allowed."""
        if self._gl is None:
            return
        self._gl.make_current()
        self._colour_context.free()
        self._truth_context.free()  # freeing the same one twice is allowed
        self._gl.free()
        self._gl = None

    def __enter__(self) -> Renderer:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _move_objects(self, motions: Mapping[int, Pose]) -> None:
        unknown = motions.keys() - {item.id for item in self.scene.objects}
        if unknown:
            raise ValueError(f'no object of the scene has id {min(unknown)}; move only its own')
        xpos, xmat = self._rest_xpos.copy(), self._rest_xmat.copy()
        for object_id, motion in motions.items():
            mine = self._object_ids == object_id
            xpos[mine] = xpos[mine] @ motion[:3, :3].T + motion[:3, 3]
            xmat[mine] = motion[:3, :3] @ xmat[mine]
        self._data.geom_xpos[:] = xpos
        self._data.geom_xmat[:] = xmat.reshape(-1, 9)

    def _render_colour(self) -> UInt8Array:
        image = np.empty((self.size_wh[1], self.size_wh[0], 3), np.uint8)
        self._set_truth_flags(False)
        self._render_into(self._colour_context, image, None)
        return image[::-1]  # OpenGL's first row is the lowest

    def _render_truth(self) -> tuple[UInt16Array, Float32Array]:
        """Return labels and depth, read from one pass so that they agree."""
        colours = np.empty((self.size_wh[1], self.size_wh[0], 3), np.uint8)
        buffer = np.empty((self.size_wh[1], self.size_wh[0]), np.float32)
        self._set_truth_flags(True)
        self._render_into(self._truth_context, colours, buffer)
        lookup = np.zeros(self._view.ngeom + 1, np.uint16)  # colour 0: nothing
        for geom in self._view.geoms[: self._view.ngeom]:
            if geom.segid >= 0 and geom.objtype == self._mujoco.mjtObj.mjOBJ_GEOM:
                lookup[geom.segid + 1] = self._object_ids[geom.objid]
        indices = colours[..., 0] + 256 * colours[..., 1].astype(np.int32)
        # The buffer is reversed: 1 at the near plane, 0 at the far one.
        depth = NEAR_M * FAR_M / (NEAR_M + buffer.astype(np.float64) * (FAR_M - NEAR_M))
        return lookup[indices][::-1], depth.astype(np.float32)[::-1]

    def _render_into(
        self,
        context: Any,
        colours: UInt8Array,
        depths: Float32Array | None,
    ) -> None:
        # Two contexts share the OpenGL state, so each binds its own buffers anew.
        self._mujoco.mjr_setBuffer(self._mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
        self._mujoco.mjr_render(self._rect, self._view, context)
        self._mujoco.mjr_readPixels(colours, depths, self._rect, context)

    def _set_truth_flags(self, on: bool) -> None:
        self._view.flags[self._mujoco.mjtRndFlag.mjRND_SEGMENT] = on
        self._view.flags[self._mujoco.mjtRndFlag.mjRND_IDCOLOR] = on
