# SPDX-License-Identifier: Apache-2.0
"""With `continuous: true` grasps follow what is tracked."""

import numpy as np
import pytest
from running_node import diagnosis
from tabletop_camera import (
    BALL,
    BOX,
    NODE,
    TabletopCamera,
    camera_info,
    depth_image,
    mask_image,
    objects_message,
)
from tabletop_camera import IDS as LABELS
from test_grasp_node import start_odd
from visualization_msgs.msg import Marker, MarkerArray

from sam_interfaces.msg import GraspArray, ObjectMask
from sam_interfaces.srv import PlanGrasps


class Followed(TabletopCamera):
    """A camera whose objects are tracked, and what is published of their grasps."""

    def __init__(self, ros):
        super().__init__(ros)
        self.grasps = ros.listen(GraspArray, '/sam_grasping/grasps')
        self.markers = ros.listen(MarkerArray, '/sam_grasping/markers')

    def publish(self, ids=(BOX, BALL), *, objects_first=False, **options):
        """Publish what belongs to one image."""
        header = self.next_header()
        self.info.publish(camera_info(header=header))
        messages = [
            lambda: self.depth.publish(depth_image(header=header)),
            lambda: self.objects.publish(objects_message(header, ids, **options)),
        ]
        for send in messages[::-1] if objects_first else messages:
            send()
        return header

    def after(self, ids, **options):
        """Publish images until one is answered with grasps, and return them and the markers."""
        begin = self.sent

        def answered():
            self.publish(ids, **options)
            arrays = [a for a in self.grasps if a.header.stamp.sec > begin]
            markers = [m for m in self.markers if m.markers[0].header.stamp.sec > begin]
            return arrays and markers and (arrays[-1], markers[-1])

        return self.ros.until(answered, f'grasps for {ids}')


@pytest.fixture(scope='module')
def node(module_ros):
    """A node that plans for what is tracked, as long as somebody listens."""
    module_ros.start_node(NODE, continuous=True)
    camera = TabletopCamera(module_ros)
    unheard = diagnosis(
        module_ros, 'nobody is subscribed', meanwhile=lambda: camera.track(camera.send())
    )
    node = Followed(module_ros)
    node.sent, node.unheard = camera.sent, unheard
    return node


def drawn(markers):
    return {marker.ns for marker in markers.markers if marker.action == Marker.ADD}


@pytest.mark.parametrize('objects_first', [False, True])
def test_every_object_that_is_seen_has_grasps_in_one_message(node, objects_first):
    array, markers = node.after((BOX, BALL), objects_first=objects_first)
    assert {grasp.object_id for grasp in array.grasps} == {BOX, BALL}
    scores = [grasp.score for grasp in array.grasps]
    assert scores == sorted(scores, reverse=True)
    assert array.header.frame_id == 'optical'
    assert drawn(markers) == {'object_2', 'object_3'}
    assert markers.markers[0].action == Marker.DELETEALL


def test_what_is_hidden_loses_its_grasps_and_has_them_again_when_it_is_seen(node):
    node.after((BOX, BALL))
    array, markers = node.after((BOX, BALL), states={BOX: ObjectMask.OCCLUDED})
    assert {grasp.object_id for grasp in array.grasps} == {BALL}
    assert drawn(markers) == {'object_3'}
    array, _ = node.after((BOX, BALL))
    assert {grasp.object_id for grasp in array.grasps} == {BOX, BALL}


def test_what_is_gone_loses_its_grasps_and_its_markers_once(node):
    node.after((BOX,))
    array, markers = node.after(())
    assert not array.grasps
    assert [marker.action for marker in markers.markers] == [Marker.DELETEALL]
    told = len(node.grasps)
    # The next images have nothing new to tell.
    values = diagnosis(node.ros, 'nothing is tracked', meanwhile=lambda: node.publish(()))
    assert values['objects tracked'] == '0'
    assert len(node.grasps) == told


def test_an_object_that_cannot_be_grasped_does_not_hold_up_the_others(node):
    tiny = np.where(LABELS == BOX, 0, LABELS)
    tiny[0, :3] = BOX
    array, _ = node.after((BOX, BALL), labels=tiny)
    assert {grasp.object_id for grasp in array.grasps} == {BALL}
    diagnosis(node.ros, 'object 2: ', meanwhile=lambda: node.publish((BOX, BALL), labels=tiny))
    node.after((BOX, BALL))
    diagnosis(node.ros, 'planning for the tracked objects', meanwhile=node.publish)


def test_nobody_listens_and_nothing_is_planned(node):
    assert node.unheard['objects visible'] == '2'
    assert node.unheard['images planned for continuously'] == '0'
    assert node.unheard['last plan'] == 'none yet'


def test_only_the_ids_that_are_wanted_are_planned_for(node):
    node.set(continuous_ids=(BALL, 77))
    array, _ = node.after((BOX, BALL))
    assert {grasp.object_id for grasp in array.grasps} == {BALL}
    node.set(continuous_ids=())
    array, _ = node.after((BOX, BALL))
    assert {grasp.object_id for grasp in array.grasps} == {BOX, BALL}


def test_a_slow_planner_takes_the_newest_image_and_requests_have_their_turn(ros):
    start_odd(ros, 'slow', continuous='true')
    node = Followed(ros)
    node.after((BOX, BALL))
    begin, flood = len(node.grasps), []
    ages = []

    def planned_five_times():
        flood.append(node.publish())
        if len(node.grasps) > begin + len(ages):
            ages.append(node.sent - node.grasps[-1].header.stamp.sec)
        return len(ages) >= 5

    request = PlanGrasps.Request(mask=mask_image(LABELS == BOX))
    future = node.client.call_async(request)
    ros.until(planned_five_times, 'five rounds')
    # An object takes 300 ms, an image two of them, in which some 30 more come at 20 ms.
    assert len(flood) > 3 * len(ages)
    # Each was the newest when its turn came: its age is about that of its own planning.
    assert max(ages) < len(flood) / 2
    assert future.done()
    assert future.result().success, future.result().message
