# SPDX-License-Identifier: Apache-2.0
"""Another node's side: what it asks, what it gets, and what it is told when it gets nothing."""

import threading
from contextlib import suppress

import numpy as np
import pytest
import rclpy
from rclpy.executors import (
    ExternalShutdownException,
    MultiThreadedExecutor,
    SingleThreadedExecutor,
)
from sensor_msgs.msg import Image

from sam_common.errors import SamError
from sam_common.ros.client import AsyncSamClient, SamClient, ServiceError
from sam_common.ros.conversions import array_to_image, box_to_msg, mask_to_msg
from sam_interfaces.msg import GraspRejection, ObjectMask
from sam_interfaces.srv import PlanGrasps, SegmentEverything, SegmentRequest, Track

MASK = np.zeros((6, 8), bool)
MASK[2:4, 3:6] = True
BOX = (2.5, 1.5, 5.5, 3.5)


class Services:
    """The two nodes' services, which answer at once and remember what they were asked."""

    def __init__(self, node):
        self.asked = []
        self.answers = threading.Event()
        self.answers.set()
        for kind, name, answer in (
            (SegmentRequest, '/sam/segment', self.segment),
            (SegmentEverything, '/sam/segment_everything', self.everything),
            (Track, '/sam/track', self.track),
            (PlanGrasps, '/sam_grasping/plan', self.plan),
        ):
            node.create_service(kind, name, answer)

    def found(self, request):
        self.asked.append(request)
        self.answers.wait(20)
        found = ObjectMask(id=3, label='mug', score=0.5, box=box_to_msg(BOX))
        found.mask = mask_to_msg(MASK, rclpy_header())
        return found

    def segment(self, request, response):
        response.objects = [self.found(request)]
        response.success = len(request.prompts[0].labels) > 0
        response.message = '' if response.success else 'the prompt is empty'
        return response

    def everything(self, request, response):
        found = self.found(request)
        found.mask = Image()
        response.objects.objects = [found]
        labels = MASK.astype(np.uint16) * 3
        response.objects.label_image = array_to_image(labels, 'mono16', rclpy_header())
        response.success = True
        return response

    def track(self, request, response):
        response.objects = [self.found(request)]
        response.success = request.object_id != 99
        response.message = '' if response.success else 'object 99 is not tracked'
        return response

    def plan(self, request, response):
        self.asked.append(request)
        response.message = 'no grasp was found'
        response.success = request.object_id == 1
        if request.object_id == 2:
            response.grasps.rejections = [GraspRejection(cause='too_wide', count=4)]
        if response.success:
            response.grasps.header.frame_id = 'camera'
            response.grasps.grasps.append(response_grasp())
        return response


def rclpy_header():
    from std_msgs.msg import Header

    return Header()


def response_grasp():
    from sam_interfaces.msg import Grasp

    grasp = Grasp(width=0.04, opening=0.06, score=0.75, object_id=1)
    for pose in (grasp.pose, grasp.pre_grasp, grasp.lift):
        pose.orientation.w = 1.0
    grasp.pose.position.z = 0.5
    return grasp


class Spun:
    """A node that a thread of its own spins."""

    def __init__(self, domain, name):
        self.context = rclpy.Context()
        self.context.init(domain_id=domain)
        self.node = rclpy.create_node(name, context=self.context)
        self.executor = MultiThreadedExecutor(2, context=self.context)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self._spin)
        self.thread.start()

    def _spin(self):
        with suppress(ExternalShutdownException):
            self.executor.spin()

    def close(self):
        self.executor.shutdown()
        self.context.try_shutdown()
        self.thread.join(10)
        self.node.destroy_node()


@pytest.fixture(scope='module')
def services(module_ros):
    # The name of the node that is asked first, whether it has discovered the client.
    spun = Spun(module_ros.domain, 'sam')
    yield Services(spun.node)
    spun.close()


@pytest.fixture(scope='module')
def caller(module_ros, services):
    spun = Spun(module_ros.domain, 'caller')
    yield spun.node
    spun.close()


NODES = ('a node of its own', 'a node that a thread spins', 'a node that was spun once')


@pytest.fixture(scope='module', params=NODES)
def client(request, module_ros, services, caller):
    if request.param == 'a node that a thread spins':
        made = SamClient(caller)
    elif request.param == 'a node that was spun once':
        node = rclpy.create_node('spun_once', context=module_ros.node.context)
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        executor.spin_once(timeout_sec=0.01)
        executor.remove_node(node)
        executor.shutdown()
        made = SamClient(node)
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('ROS_DOMAIN_ID', str(module_ros.domain))
            made = SamClient()
    with made:
        yield made


def test_a_click_gives_a_mask_with_its_box(client, services):
    [found] = client.segment(points_xy=[(4.0, 3.0)], stamp_ns=1_500_000_000)
    assert (found.object_id, found.label, found.state, found.score) == (3, 'mug', 'VISIBLE', 0.5)
    assert found.box_xyxy == BOX
    np.testing.assert_array_equal(found.mask, MASK)
    asked = services.asked[-1]
    assert (asked.stamp.sec, asked.stamp.nanosec) == (1, 500_000_000)
    [prompt] = asked.prompts
    assert (prompt.points[0].x, prompt.points[0].y, list(prompt.labels)) == (4.0, 3.0, [1])


def test_an_image_of_the_callers_goes_along(client, services):
    image = np.full((6, 8, 3), (9, 5, 1), np.uint8)
    client.segment(image_rgb=image, box_xyxy=BOX, points_xy=[(1, 1)], labels=[0])
    sent = services.asked[-1].image
    assert (sent.encoding, sent.width, sent.height, bytes(sent.data[:3])) == (
        'rgb8', 8, 6, b'\x09\x05\x01'
    )  # fmt: skip


def test_objects_are_added_corrected_listed_and_removed(client, services):
    assert client.add(box_xyxy=BOX, text='mug').object_id == 3
    client.refine(3, points_xy=[(4, 3)])
    client.remove(3)
    client.reset()
    assert [one.label for one in client.tracked()] == ['mug']
    commands = [request.command for request in services.asked[-5:]]
    assert commands == [Track.Request.ADD, 1, 2, 3, 4]
    assert services.asked[-5].prompt.text == 'mug'


def test_everything_is_found(client):
    [found] = client.segment_everything(points_per_side=4)
    assert found.object_id == 3
    np.testing.assert_array_equal(found.mask, MASK)


def test_grasps_come_as_matrices(client):
    plan = client.plan(object_id=1)
    assert (plan.frame_id, plan.grasps[0].score, plan.grasps[0].object_id) == ('camera', 0.75, 1)
    assert plan.grasps[0].pose[2, 3] == 0.5
    assert plan.grasps[0].pose.shape == (4, 4)


def test_a_plan_without_grasps_says_why(client):
    plan = client.plan(object_id=2)
    assert (plan.grasps, plan.rejections) == ((), {'too_wide': 4})
    assert plan.message == 'no grasp was found'


@pytest.mark.parametrize(
    ('ask', 'words'),
    [
        (lambda client: client.segment(), '/sam/segment: the prompt is empty'),
        (lambda client: client.remove(99), '/sam/track: object 99 is not tracked'),
        (lambda client: client.plan(object_id=5), '/sam_grasping/plan: no grasp'),
    ],
)
def test_a_refusal_raises_with_the_nodes_words(client, ask, words):
    with pytest.raises(ServiceError, match=words):
        ask(client)


def test_a_service_that_is_not_there_is_named_with_the_remedy(caller):
    client = SamClient(caller, sam='/nowhere', timeout_s=0.2)
    with pytest.raises(ServiceError, match=r'/nowhere/segment is not there.*ros2 launch'):
        client.segment(points_xy=[(1, 1)])
    client.close()


def test_no_answer_in_time_is_told_and_the_next_one_comes(caller, services):
    client = SamClient(caller, timeout_s=0.5)
    services.answers.clear()
    with pytest.raises(ServiceError, match=r'/sam/segment gave no answer within 0.5 s'):
        client.segment(points_xy=[(1, 1)])
    services.answers.set()
    client.asynchronous.timeout_s = 20.0
    assert client.tracked()
    client.close()


def test_a_callback_awaits_the_asynchronous_one(module_ros, services):
    client = AsyncSamClient(module_ros.node)
    found = []

    async def once():
        timer.cancel()
        found.extend(await client.segment(points_xy=[(1, 1)]))

    module_ros.until(
        lambda: all(s.service_is_ready() for s in client.services.values()), 'services'
    )
    timer = module_ros.node.create_timer(0.01, once)
    module_ros.until(lambda: found, 'an answer')
    assert found[0].object_id == 3
    client.close()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        ({'box_xyxy': (3.0, 3.0, 3.0, 3.0)}, r'box_xyxy is .* with an area'),
        ({'image_rgb': np.zeros((4, 4, 3))}, r'the image is float64'),
        ({'points_xy': [(1, 2, 3)]}, r'cannot be sent .* pairs'),
        ({'labels': [300]}, r'cannot be sent .* 0 or 1'),
        ({'text': 7}, r'text is 7; give a string'),
        ({'mask': np.zeros((4, 4, 1), bool)}, r'shape \(4, 4, 1\)'),
    ],
)
def test_what_would_be_sent_as_something_else_is_refused(client, arguments, words):
    with pytest.raises(SamError, match=words):
        client.segment(**({'points_xy': [(1, 1)]} | arguments))


def test_a_timeout_that_is_none_is_refused(caller):
    with pytest.raises(SamError, match='timeout_s is 0; give seconds above 0'):
        AsyncSamClient(caller, timeout_s=0)
