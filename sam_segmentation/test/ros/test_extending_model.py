# SPDX-License-Identifier: Apache-2.0
"""The model of docs/extending.md, from a package of its own."""

import numpy as np
from builtin_interfaces.msg import Time
from drawing import click
from running_node import NODE, Tracking
from std_msgs.msg import Header
from toy_tracker import RED, frame

from sam_common.ros.conversions import array_to_image, mask_from_msg
from sam_interfaces.srv import SegmentRequest


def test_the_node_segments_and_tracks_with_it(ros, documented_package):
    folder = documented_package('same_color')
    ros.start_node(NODE, first_on_path=folder, model='same_color')
    picture = frame((RED, 4, 4))
    image = array_to_image(picture, 'rgb8', Header(stamp=Time(sec=1)))
    segment = ros.client(SegmentRequest, '/sam/segment')
    answer = ros.call(segment, SegmentRequest.Request(image=image, prompts=[click(6, 6)]))
    assert answer.success, answer.message
    expected = (picture == RED).all(axis=2)
    assert expected.any()
    assert np.array_equal(mask_from_msg(answer.objects[0].mask), expected)

    tracking = Tracking(ros, picture)
    tracking.send()
    assert tracking.add(click(6, 6)).area == expected.sum()
