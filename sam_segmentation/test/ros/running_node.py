# SPDX-License-Identifier: Apache-2.0
"""What the tests of a running node share: a camera, and what the node says of itself."""

import cv2
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from drawing import click, scene
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam_interfaces.srv import SegmentRequest
from sam_segmentation.ros.conversions import array_to_image

NODE = 'sam_segmentation.ros.sam_node'


def request(width: int = 80) -> SegmentRequest.Request:
    image = array_to_image(scene(1, (width, 60)), 'rgb8', Header())
    return SegmentRequest.Request(image=image, prompts=[click(20, 20)])


class Camera:
    """Publishes one image over and over, with a stamp that counts up."""

    def __init__(
        self, ros, pixels, *, topic='/sam/image', kind=Image, qos=qos_profile_sensor_data
    ):
        self.ros, self.pixels, self.kind, self.sent = ros, pixels, kind, 0
        self.publisher = ros.node.create_publisher(kind, topic, qos)

    def send(self):
        self.sent += 1
        header = Header(stamp=Time(sec=self.sent), frame_id='optical')
        if self.kind is Image:
            self.publisher.publish(array_to_image(self.pixels, 'rgb8', header))
        else:
            data = cv2.imencode('.png', self.pixels[..., ::-1])[1].tobytes()
            self.publisher.publish(CompressedImage(header=header, format='png', data=data))

    def send_until(self, condition, what):
        def attempt():
            self.send()
            return condition()

        return self.ros.until(attempt, what)


def diagnosis(ros, sign, level=None):
    """Wait for a diagnosis that contains a text, and return it with its values."""
    received = ros.listen(DiagnosticArray, '/diagnostics')

    def found():
        for array in received:
            for status in array.status:
                if sign in status.message and level in (None, status.level):
                    return status
        return None

    status = ros.until(found, f'a diagnosis with {sign!r}')
    return {value.key: value.value for value in status.values}
