# SPDX-License-Identifier: Apache-2.0
"""What the tests of a running node share: a camera, ~/track, and what the node says of itself."""

import cv2
import numpy as np
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from drawing import click, scene
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from sam_common.ros.conversions import array_to_image
from sam_interfaces.msg import ObjectMaskArray
from sam_interfaces.srv import SegmentRequest, Track

NODE = 'sam_segmentation.ros.sam_node'


def request(width: int = 80) -> SegmentRequest.Request:
    image = array_to_image(scene(1, (width, 60)), 'rgb8', Header())
    return SegmentRequest.Request(image=image, prompts=[click(20, 20)])


def change_state(ros, transition):
    """Ask the node for a transition, and return whether it succeeded."""
    client = ros.client(ChangeState, '/sam/change_state')
    return ros.call(client, ChangeState.Request(transition=Transition(id=transition))).success


class Camera:
    """Publishes an image over and over, with a stamp that counts up."""

    def __init__(
        self, ros, pixels, *, topic='/sam/image', kind=Image, qos=qos_profile_sensor_data
    ):
        self.ros, self.pixels, self.kind, self.sent = ros, pixels, kind, 0
        self.publisher = ros.node.create_publisher(kind, topic, qos)

    def send(self, pixels=None, *, stamp=None, encoding='rgb8'):
        """Publish an image, or the usual one, and return its header."""
        self.sent += stamp is None
        pixels = self.pixels if pixels is None else pixels
        header = Header(stamp=stamp or Time(sec=self.sent), frame_id='optical')
        if self.kind is Image:
            self.publisher.publish(array_to_image(pixels, encoding, header))
        else:
            data = cv2.imencode('.png', pixels[..., ::-1])[1].tobytes()
            self.publisher.publish(CompressedImage(header=header, format='png', data=data))
        return header

    def send_until(self, condition, what):
        def attempt():
            self.send()
            return condition()

        return self.ros.until(attempt, what)


class Tracking:
    """A node that tracks, with a camera, and what it publishes in `results`."""

    def __init__(self, ros, pixels):
        self.ros = ros
        self.client = ros.client(Track, '/sam/track')
        self.camera = Camera(ros, pixels)
        self.results = ros.listen(ObjectMaskArray, '/sam/objects')
        self._segment = ros.client(SegmentRequest, '/sam/segment')
        self.camera.send_until(lambda: self.has_arrived(Time()), 'the node to see the camera')

    def has_arrived(self, stamp):
        """Tell whether the node buffers the image of a stamp."""
        request = SegmentRequest.Request(stamp=stamp, prompts=[click(1, 1)])
        return self.ros.call(self._segment, request).success

    def send(self, pixels=None, **options):
        """Publish an image until the node has it, and return its header."""
        header = self.camera.send(pixels, **options)

        def arrived():
            if self.has_arrived(header.stamp):
                return True
            self.camera.send(pixels, **options | {'stamp': header.stamp})
            return False

        self.ros.until(arrived, 'the image to arrive')
        return header

    def ask(self, command, **fields):
        """Call ~/track, by the name or number of a command, and return its answer."""
        return self.ros.call(self.client, self.request(command, **fields))

    def request(self, command, **fields):
        """Return a request of ~/track, by the name or number of a command."""
        if isinstance(command, str):
            command = getattr(Track.Request, command)
        return Track.Request(command=command, **fields)

    @property
    def ids(self):
        """The ids that are tracked."""
        return [obj.id for obj in self.ask('LIST').objects]

    def add(self, prompt, **fields):
        """Add an object and return it."""
        answer = self.ask('ADD', prompt=prompt, **fields)
        assert answer.success, answer.message
        return answer.objects[0]

    def seen(self, header):
        """Return the last result for an image, if there is one."""
        return next((r for r in reversed(self.results) if r.header == header), None)

    def show(self, pixels=None, **options):
        """Publish an image until it was tracked in, and return what was seen."""
        header = self.camera.send(pixels, **options)

        def seen():
            # Best effort: what was lost is sent again, under the stamp that makes it the same.
            if self.seen(header) is None:
                self.camera.send(pixels, **options | {'stamp': header.stamp})
            return self.seen(header)

        return self.ros.until(seen, 'a result for the image')


def labels_of(message) -> np.ndarray:
    """Return the label image of a message, uint16 (H, W)."""
    image = message.label_image
    return np.frombuffer(image.data, np.uint16).reshape(image.height, image.width)


def diagnosis(ros, sign, level=None, *, meanwhile=lambda: None):
    """Wait for a new diagnosis that contains a text, and return its values."""
    received = ros.listen(DiagnosticArray, '/diagnostics')

    def found():
        meanwhile()
        for array in received:
            for status in array.status:
                if sign in status.message and level in (None, status.level):
                    return status
        return None

    status = ros.until(found, f'a diagnosis with {sign!r}')
    return {value.key: value.value for value in status.values}
