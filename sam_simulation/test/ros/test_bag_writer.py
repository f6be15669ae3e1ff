# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory
from rcl_interfaces.msg import Log

from sam_simulation.errors import RecordingError
from sam_simulation.ros.bag_writer import make_typestore, open_bag


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
    assert make_typestore().hash_rihs01(name) == wanted


def test_definition_holds_every_contained_type_once():
    name = 'sam_interfaces/msg/ObjectMaskArray'
    text, _ = make_typestore().generate_msgdef(name, ros_version=2)
    assert sorted(line for line in text.splitlines() if line.startswith('MSG:')) == [
        'MSG: builtin_interfaces/Time',
        'MSG: sam_interfaces/ObjectMask',
        'MSG: sensor_msgs/Image',
        'MSG: std_msgs/Header',
        'MSG: vision_msgs/BoundingBox2D',
        'MSG: vision_msgs/Point2D',
        'MSG: vision_msgs/Pose2D',
    ]


def test_a_type_that_the_writer_does_not_know_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(Log, '__module__', 'no_such_msgs.msg._log')
    with (
        pytest.raises(RecordingError, match=r"'/log'.*no_such_msgs/msg/Log"),
        open_bag(tmp_path / 'bag', overwrite=False, custom_data={}) as bag,
    ):
        bag.write('/log', Log(), 0)
    assert list(tmp_path.iterdir()) == []
