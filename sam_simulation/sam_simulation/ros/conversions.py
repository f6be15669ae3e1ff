# SPDX-License-Identifier: Apache-2.0
"""A frame's images and ground truth as messages."""

from __future__ import annotations

from array import array

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from sam_common.masks import mask_to_box
from sam_common.ros.conversions import array_to_image, box_to_msg
from sam_common.types import AnyArray, Float32Array, UInt16Array
from sam_interfaces.msg import ObjectMask, ObjectMaskArray
from sam_simulation.camera.rgbd_frame import RgbdFrame
from sam_simulation.camera.viewpoint import Pose
from sam_simulation.scene.tabletop import Tabletop

FRAME_ID = 'camera_color_optical_frame'
WORLD = 'world'
NANOSECONDS = 1_000_000_000
# image_transport's compressed_depth_image_transport puts a header before the PNG: an int32 for the
# format (0: not specified) and two float32 that only 32FC1 needs.
COMPRESSED_DEPTH_HEADER = bytes(12)


def make_header(stamp_ns: int) -> Header:
    """Return the header that all messages of one frame share."""
    sec, nanosec = divmod(stamp_ns, NANOSECONDS)
    return Header(stamp=Time(sec=sec, nanosec=nanosec), frame_id=FRAME_ID)


def pose_to_transform(tf_world_camera: Pose, header: Header) -> TransformStamped:
    """Return where the camera is, from a pose (4, 4), at a header's time."""
    msg = TransformStamped(
        header=Header(stamp=header.stamp, frame_id=WORLD), child_frame_id=header.frame_id
    )
    place, turn = msg.transform.translation, msg.transform.rotation
    place.x, place.y, place.z = map(float, tf_world_camera[:3, 3])
    quaternion = Rotation.from_matrix(tf_world_camera[:3, :3]).as_quat()
    turn.x, turn.y, turn.z, turn.w = map(float, quaternion)
    return msg


def color_to_msg(frame: RgbdFrame, header: Header) -> Image:
    """Return the colour image as rgb8."""
    return array_to_image(frame.image_rgb, 'rgb8', header)


def depth_to_msg(frame: RgbdFrame, header: Header) -> Image:
    """Return the depth image as 16UC1 [mm], 0 where there is no reading."""
    return array_to_image(_millimetres(frame.depth_m), '16UC1', header)


def color_to_compressed(frame: RgbdFrame, header: Header, *, jpeg_quality: int) -> CompressedImage:
    """Return the colour image as JPEG of this quality [1-100]."""
    bgr = cv2.cvtColor(frame.image_rgb, cv2.COLOR_RGB2BGR)
    data = _encoded('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    return CompressedImage(
        header=header, format='rgb8; jpeg compressed bgr8', data=array('B', data)
    )


def depth_to_compressed(frame: RgbdFrame, header: Header, *, png_level: int) -> CompressedImage:
    """Return the depth image as PNG of 16 bits [mm], as image_transport's compressedDepth.

    The level of compression goes from 1 (fast) to 9 (small).
    """
    data = _encoded('.png', _millimetres(frame.depth_m), [cv2.IMWRITE_PNG_COMPRESSION, png_level])
    return CompressedImage(
        header=header,
        format='16UC1; compressedDepth png',
        data=array('B', COMPRESSED_DEPTH_HEADER + data),
    )


def camera_info_to_msg(frame: RgbdFrame, header: Header) -> CameraInfo:
    """Return the camera's model: no distortion, no rectification."""
    height, width = frame.labels.shape
    k = frame.camera
    return CameraInfo(
        header=header,
        height=height,
        width=width,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[k.fx, 0.0, k.cx, 0.0, k.fy, k.cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[k.fx, 0.0, k.cx, 0.0, 0.0, k.fy, k.cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def truth_to_msg(scene: Tabletop, frame: RgbdFrame, header: Header) -> ObjectMaskArray:
    """Return the true instance masks; objects of which no pixel is seen are not listed."""
    objects = []
    for item in scene.objects:
        mask = frame.labels == item.id
        area = int(np.count_nonzero(mask))
        if area:
            objects.append(
                ObjectMask(
                    id=item.id,
                    label=item.class_name,
                    score=1.0,
                    state=ObjectMask.VISIBLE,
                    box=box_to_msg(mask_to_box(mask)),
                    area=area,
                )
            )
    return ObjectMaskArray(
        header=header,
        label_image=array_to_image(frame.labels, 'mono16', header),
        objects=objects,
        model='ground_truth',
        latency=0.0,
    )


def _millimetres(depth_m: Float32Array) -> UInt16Array:
    millimetres = np.rint(np.nan_to_num(depth_m, nan=0.0) * 1000)
    return np.where(millimetres > np.iinfo(np.uint16).max, 0, millimetres).astype(np.uint16)


def _encoded(extension: str, pixels: AnyArray, options: list[int]) -> bytes:
    done, data = cv2.imencode(extension, pixels, options)
    if not done:
        raise RuntimeError(f'OpenCV could not encode {pixels.shape} {pixels.dtype} as {extension}')
    return bytes(data)
