# SPDX-License-Identifier: Apache-2.0
"""A depth camera over a table with a box and a ball, and what tracks them, over DDS."""

from __future__ import annotations

import numpy as np
import rclpy
from builtin_interfaces.msg import Time
from geometry_msgs.msg import TransformStamped
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.qos import qos_profile_sensor_data
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image
from shapes_in_depth import Box, Ground, Sphere, look_at, pinhole, placed, render
from std_msgs.msg import Header

from sam_common.ros.conversions import array_to_image, mask_to_msg
from sam_interfaces.msg import ObjectMask, ObjectMaskArray
from sam_interfaces.srv import PlanGrasps

NODE = 'sam_grasping.ros.grasp_node'
FRAME = 'optical'
BOX, BALL = 2, 3
CAMERA = pinhole((320, 240), focal=310.0)
TF_WORLD_CAMERA = look_at((0.45, 0.1, 0.5), (0, 0, 0.03))
SHAPES = (
    Ground(),
    Box((0.05, 0.04, 0.08), pose=placed(x=-0.06, z=0.04, yaw=0.4)),
    Sphere(0.025, pose=placed(x=0.08, y=0.05, z=0.025)),
)
DEPTH_M, IDS = render(SHAPES, CAMERA, TF_WORLD_CAMERA)


def depth_image(depth_m=DEPTH_M, header=None, *, encoding='32FC1'):
    """Return a depth image message."""
    header = header or Header(frame_id=FRAME)
    if encoding == '16UC1':
        depth_m = np.rint(1000 * np.nan_to_num(depth_m)).astype(np.uint16)
    return array_to_image(depth_m, encoding, header)


def camera_info(camera=CAMERA, header=None, **fields):
    """Return the camera's calibration as a message."""
    msg = CameraInfo(header=header or Header(frame_id=FRAME))
    msg.width, msg.height = camera.size_wh
    msg.k = [camera.fx, 0.0, camera.cx, 0.0, camera.fy, camera.cy, 0.0, 0.0, 1.0]
    for name, value in fields.items():
        setattr(msg, name, value)
    return msg


def mask_image(mask, stamp=None):
    """Return a mask as a message."""
    return mask_to_msg(mask, Header(stamp=stamp or Time(), frame_id=FRAME))


def objects_message(header, ids=(BOX, BALL), *, labels=IDS, states=None):
    """Return objects as sam_node tells of them."""
    states = states or {}
    shown = [i for i in ids if states.get(i, ObjectMask.VISIBLE) == ObjectMask.VISIBLE]
    image = np.where(np.isin(labels, shown), labels, 0).astype(np.uint16)
    return ObjectMaskArray(
        header=header,
        label_image=array_to_image(image, 'mono16', header),
        objects=[
            ObjectMask(
                id=i,
                state=states.get(i, ObjectMask.VISIBLE),
                area=int((image == i).sum()),
                score=0.9,
            )
            for i in ids
        ],
    )


def transform(parent, child, tf_parent_child, stamp):
    """Return a transform as a message."""
    msg = TransformStamped(child_frame_id=child, header=Header(frame_id=parent, stamp=stamp))
    t, q = msg.transform.translation, msg.transform.rotation
    t.x, t.y, t.z = map(float, tf_parent_child[:3, 3])
    q.x, q.y, q.z, q.w = map(float, Rotation.from_matrix(tf_parent_child[:3, :3]).as_quat())
    return msg


def numbers(message):
    """Return every number in a message."""
    if isinstance(message, (bool, int, float)):
        return [float(message)]
    if isinstance(message, (str, bytes)):
        return []
    if hasattr(message, 'get_fields_and_field_types'):
        names = message.get_fields_and_field_types()
        return [n for name in names for n in numbers(getattr(message, name))]
    if len(message) and isinstance(message[0], (bool, int, float)):
        return [float(n) for n in message]
    return [n for part in message for n in numbers(part)]


def typed(parameters):
    """Return names, types and values; a tuple stands for an array of integers."""
    kinds = {tuple: rclpy.Parameter.Type.INTEGER_ARRAY, list: rclpy.Parameter.Type.DOUBLE_ARRAY}
    for name, value in parameters.items():
        kind = kinds.get(type(value)) or rclpy.Parameter.Type.from_parameter_value(value)
        yield name, kind, list(value) if kind in kinds.values() else value


class TabletopCamera:
    """Publishes depth, camera_info and objects for a running grasp_node, and asks it to plan."""

    def __init__(self, ros, name='/sam_grasping', *, kind=Image):
        self.ros, self.sent = ros, 0
        publish = ros.node.create_publisher
        topic = f'{name}/depth' if kind is Image else f'{name}/depth/compressedDepth'
        self.depth = publish(kind, topic, qos_profile_sensor_data)
        self.info = publish(CameraInfo, f'{name}/camera_info', qos_profile_sensor_data)
        self.objects = publish(ObjectMaskArray, f'{name}/objects', 5)
        self.client = ros.client(PlanGrasps, f'{name}/plan')
        self._set = ros.client(SetParameters, f'{name}/set_parameters')

    def ask(self, **fields):
        """Call ~/plan and return its answer; there must never be a NaN in it."""
        answer = self.ros.call(self.client, PlanGrasps.Request(**fields))
        assert np.isfinite(numbers(answer)).all()
        return answer

    def set(self, **parameters):
        """Set parameters of the node."""
        messages = [rclpy.Parameter(*item).to_parameter_msg() for item in typed(parameters)]
        answer = self.ros.call(self._set, SetParameters.Request(parameters=messages))
        assert all(result.successful for result in answer.results), answer

    def next_header(self):
        """Return a header with a stamp of its own."""
        self.sent += 1
        return Header(stamp=Time(sec=self.sent), frame_id=FRAME)

    def send(self, depth_m=DEPTH_M, *, header=None, info=None, encoding='32FC1', message=None):
        """Publish a depth image with its camera_info until the node has it; return its header."""
        header = header or self.next_header()
        info = info or camera_info(header=header)
        message = message or depth_image(depth_m, header, encoding=encoding)
        probe = mask_image(np.zeros((1, 1), bool))

        def arrived():
            self.info.publish(info)
            self.depth.publish(message)
            answer = self.ask(mask=probe, stamp=header.stamp).message
            return 'no depth image' not in answer and 'no camera_info' not in answer

        self.ros.until(arrived, 'the depth image to arrive')
        return header

    def track(self, header, *args, **options):
        """Publish objects until the node has them."""
        message = objects_message(header, *args, **options)

        def arrived():
            self.objects.publish(message)
            answer = self.ask(object_id=99999, stamp=header.stamp).message
            return 'is not tracked; tracked are' in answer

        self.ros.until(arrived, 'the objects to arrive')


def change_state(ros, transition, name='/sam_grasping'):
    """Ask the node for a transition, and return whether it succeeded."""
    request = ChangeState.Request()
    request.transition.id = transition
    return ros.call(ros.client(ChangeState, f'{name}/change_state'), request).success
