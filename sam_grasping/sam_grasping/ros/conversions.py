# SPDX-License-Identifier: Apache-2.0
"""Between messages and the core's types: the one place where they meet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from geometry_msgs.msg import PoseArray
from sensor_msgs.msg import Image, PointCloud2, PointField
from std_msgs.msg import Header

from sam_common.depth import ENCODINGS, depth_to_metres
from sam_common.errors import DepthError, ImageError
from sam_common.images import check_raw
from sam_common.ros.conversions import image_is_empty, poses_to_msg
from sam_common.types import BoolArray, Float32Array, FloatArray
from sam_grasping.core.grasp import Grasp
from sam_interfaces.msg import Grasp as GraspMsg
from sam_interfaces.msg import GraspRejection, Prompt

BYTES_PER_PIXEL = {name: np.dtype(kind).itemsize for name, (kind, _) in ENCODINGS.items()}
LABEL_BYTES_PER_PIXEL = {'mono16': 2, '16UC1': 2}
POINT = np.dtype([('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('object_id', '<u4')])


def depth_from_msg(msg: Image) -> Float32Array:
    """Return a depth image as float32 (H, W) [m], NaN: no reading; raises DepthError."""
    check_depth(msg)
    return depth_to_metres(_pixels(msg, np.dtype(ENCODINGS[msg.encoding][0])), msg.encoding)


def check_depth(msg: Image) -> tuple[int, int]:
    """Return the size; raises DepthError unless encoding, size, step and data agree."""
    try:
        check_raw(msg, BYTES_PER_PIXEL)
    except ImageError as error:
        raise DepthError(f'the depth image cannot be used: {error}') from error
    return msg.width, msg.height


def mask_of_object(label_image: Image, object_id: int) -> BoolArray:
    """Return where a label image holds an object, bool (H, W); raises ImageError."""
    check_raw(label_image, LABEL_BYTES_PER_PIXEL)
    mask: BoolArray = _pixels(label_image, np.dtype(np.uint16)) == object_id
    return mask


def _pixels(msg: Image, kind: np.dtype[np.generic]) -> npt.NDArray[np.generic]:
    """Return the pixels (H, W) of a checked image of one channel, in the machine's byte order."""
    rows = np.frombuffer(msg.data, np.uint8, msg.height * msg.step).reshape(msg.height, msg.step)
    packed = np.ascontiguousarray(rows[:, : msg.width * kind.itemsize])
    sent = kind.newbyteorder('>' if msg.is_bigendian else '<')
    return packed.view(sent).astype(kind, copy=False)


def prompt_is_empty(msg: Prompt) -> bool:
    """Tell whether every field of a prompt was left empty."""
    return not (
        len(msg.points)
        or len(msg.labels)
        or msg.box.size_x
        or msg.box.size_y
        or msg.text
        or not image_is_empty(msg.mask)
    )


def is_one_click(msg: Prompt) -> bool:
    """Tell whether a prompt is one point and nothing else."""
    return len(msg.points) == 1 and not (
        msg.box.size_x or msg.box.size_y or not image_is_empty(msg.mask)
    )


def grasps_to_msg(grasps: Iterable[Grasp], object_id: int) -> list[GraspMsg]:
    """Return an object's grasps as messages."""
    grasps = list(grasps)
    poses = poses_to_msg(pose for g in grasps for pose in (g.pose, g.pre_grasp, g.lift))
    return [
        GraspMsg(
            pose=poses[3 * i],
            pre_grasp=poses[3 * i + 1],
            lift=poses[3 * i + 2],
            width=float(grasp.width_m),
            opening=float(grasp.opening_m),
            score=float(grasp.score),
            object_id=object_id,
        )
        for i, grasp in enumerate(grasps)
    ]


def rejections_to_msg(rejections: Iterable[tuple[str, int]]) -> list[GraspRejection]:
    """Return how often each cause rejected a candidate, the most frequent first."""
    ordered = sorted(rejections, key=lambda item: -item[1])
    return [GraspRejection(cause=cause, count=int(count)) for cause, count in ordered]


def pose_array_to_msg(grasps: Iterable[GraspMsg], header: Header) -> PoseArray:
    """Return the poses of grasps alone, as RViz draws them."""
    return PoseArray(header=header, poses=[grasp.pose for grasp in grasps])


def points_to_msg(clouds: Iterable[tuple[int, FloatArray]], header: Header) -> PointCloud2:
    """Return objects' points as a cloud with x, y, z [m] and object_id.

    Parameters
    ----------
    clouds : iterable of (int, array of float64, shape (N, 3))
        Objects' ids and their points [m].
    header : Header

    """
    parts = [np.empty(0, POINT)]
    for object_id, points in clouds:
        part = np.empty(len(points), POINT)
        part['x'], part['y'], part['z'] = points.T
        part['object_id'] = object_id
        parts.append(part)
    cloud = np.concatenate(parts)
    kinds = {'f': PointField.FLOAT32, 'u': PointField.UINT32}
    msg = PointCloud2(
        header=header,
        height=1,
        width=len(cloud),
        fields=[
            PointField(name=name, offset=place[1], datatype=kinds[place[0].kind], count=1)
            for name, place in (POINT.fields or {}).items()
        ],
        point_step=POINT.itemsize,
        row_step=cloud.nbytes,
        is_dense=True,
    )
    # In place: handed to the constructor, the data would be copied byte by byte.
    msg.data.frombytes(cloud.tobytes())
    return msg
