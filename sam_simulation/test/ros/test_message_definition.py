# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from sam_simulation.ros.message_definition import (
    SEPARATOR,
    make_typestore,
    message_definition,
)


@pytest.mark.parametrize(
    'name',
    [
        'sensor_msgs/msg/CameraInfo',
        'sensor_msgs/msg/CompressedImage',
        'sam_interfaces/msg/ObjectMaskArray',
    ],
)
def test_hash_equals_the_one_that_ros_computed(name):
    package, _, message = name.split('/')
    share = Path(get_package_share_directory(package), 'msg', f'{message}.json')
    if not share.exists():
        pytest.skip('this ROS 2 has no type hashes')
    hashes = json.loads(share.read_text())['type_hashes']
    wanted = next(entry['hash_string'] for entry in hashes if entry['type_name'] == name)
    assert make_typestore(name, message_definition(name)).hash_rihs01(name) == wanted


def test_definition_holds_every_contained_type_once():
    text = message_definition('sam_interfaces/msg/ObjectMaskArray')
    names = [part.split('\n')[1] for part in text.split(SEPARATOR)[1:]]
    assert sorted(names) == [
        'MSG: builtin_interfaces/Time',
        'MSG: sam_interfaces/ObjectMask',
        'MSG: sensor_msgs/Image',
        'MSG: std_msgs/Header',
        'MSG: vision_msgs/BoundingBox2D',
        'MSG: vision_msgs/Point2D',
        'MSG: vision_msgs/Pose2D',
    ]


def test_a_type_that_is_not_installed_is_an_error():
    with pytest.raises(PackageNotFoundError):
        message_definition('no_such_msgs/msg/Nothing')
