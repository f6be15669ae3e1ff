# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from rclpy.serialization import deserialize_message
from rosbags.rosbag2 import Reader
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import CameraInfo, CompressedImage

from sam_interfaces.msg import ObjectMaskArray
from sam_simulation.camera.renderer import Renderer
from sam_simulation.camera.viewpoint import orbit
from sam_simulation.errors import RenderingError
from sam_simulation.ros import record
from sam_simulation.scene.tabletop import DEFAULT_SEED, Tabletop
from sam_simulation.video.script import EventKind
from sam_simulation.video.video import Video

TYPES = {
    '/camera/color/camera_info': CameraInfo,
    '/camera/aligned_depth_to_color/camera_info': CameraInfo,
    '/camera/color/image_raw/compressed': CompressedImage,
    '/camera/aligned_depth_to_color/image_raw/compressedDepth': CompressedImage,
    '/camera/ground_truth': ObjectMaskArray,
}
SMALL = ['--seed', '3', '--seconds', '0.3', '--width', '96', '--height', '64', '--quiet']
DEMO_BAG = Path(__file__).parents[3] / 'sam_bringup' / 'bags' / 'tabletop'


@pytest.fixture(scope='module')
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp('bags') / 'small'
    record.main([str(path), *SMALL])
    return path


def read(path):
    """Return each topic's (time, message) pairs."""
    messages = {topic: [] for topic in TYPES}
    with Reader(path) as reader:
        for connection, time_ns, raw in reader.messages():
            message = deserialize_message(bytes(raw), TYPES[connection.topic])
            messages[connection.topic].append((time_ns, message))
    return messages


def labels_of(msg):
    image = msg.label_image
    return np.frombuffer(image.data, np.uint16).reshape(image.height, image.width)


def test_bag_holds_what_the_camera_saw(bag):
    messages = read(bag)
    assert [len(entries) for entries in messages.values()] == [3] * len(TYPES)
    with Renderer(Tabletop(3), (96, 64)) as renderer:
        frames = [renderer.render(orbit(3, t / 10), time_s=t / 10) for t in range(3)]
    for index, frame in enumerate(frames):
        time_ns, truth = messages['/camera/ground_truth'][index]
        np.testing.assert_array_equal(labels_of(truth), frame.labels)
        _, depth = messages['/camera/aligned_depth_to_color/image_raw/compressedDepth'][index]
        _, color = messages['/camera/color/image_raw/compressed'][index]
        millimetres = cv2.imdecode(np.frombuffer(depth.data[12:], np.uint8), -1)
        np.testing.assert_allclose(millimetres, np.nan_to_num(frame.depth_m) * 1000, atol=0.51)
        bgr = cv2.imdecode(np.frombuffer(color.data, np.uint8), cv2.IMREAD_COLOR)
        assert np.abs(bgr[..., ::-1].astype(float) - frame.image_rgb).mean() < 8
        assert truth.header == depth.header == color.header
        assert time_ns == truth.header.stamp.sec * 10**9 + truth.header.stamp.nanosec


def test_a_bag_of_a_video_holds_what_moves(tmp_path):
    path = tmp_path / 'video'
    options = ['--seed', '1', '--video', '--rate', '2', '--width', '96', '--height', '64']
    record.main([str(path), *options, '--quiet'])
    video = Video(1)
    truths = read(path)['/camera/ground_truth']
    assert len(truths) == round(video.duration_s * 2)
    with Renderer(video.scene, (96, 64)) as renderer:
        for index in (0, len(truths) // 2):
            time_s = index / 2
            frame = renderer.render(video.camera(time_s), motions=video.motions(time_s))
            np.testing.assert_array_equal(labels_of(truths[index][1]), frame.labels)
    (leaving,) = next(e.object_ids for e in video.events if e.kind is EventKind.LEAVING)
    listed = [leaving in {obj.id for obj in truth.objects} for _, truth in truths]
    assert listed[0]
    assert listed[-1]
    assert not all(listed)


def test_the_seed_decides_how_many_things_are_in_a_video(tmp_path, capsys):
    with pytest.raises(SystemExit):
        record.main([str(tmp_path / 'bag'), '--video', '--object-count', '3'])
    assert '--object-count' in capsys.readouterr().err


def test_each_definition_in_the_bag_decodes_its_messages(bag):
    with Reader(bag) as reader:
        for connection, _, raw in reader.messages():
            store = get_typestore(Stores.EMPTY)
            store.register(get_types_from_msg(connection.msgdef.data, connection.msgtype))
            decoded = store.deserialize_cdr(raw, connection.msgtype)
            assert decoded.header.frame_id == 'camera_color_optical_frame'


def test_metadata_offers_reliable_and_names_the_seed(bag):
    with Reader(bag) as reader:
        offered = [c.ext.offered_qos_profiles for c in reader.connections]
        assert {profile.reliability.name for (profile,) in offered} == {'RELIABLE'}
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert metadata['storage_identifier'] == 'mcap'
    assert metadata['custom_data']['seed'] == '3'
    assert metadata['version'] == 8  # the newest that Humble reads


def test_same_arguments_give_the_same_bytes(bag, tmp_path):
    again = tmp_path / 'small'
    record.main([str(again), *SMALL])
    assert (again / 'small.mcap').read_bytes() == (bag / 'small.mcap').read_bytes()


def test_an_existing_bag_is_refused_and_replaced_only_by_force(tmp_path):
    path = tmp_path / 'there'
    path.mkdir()
    (path / 'precious').touch()
    with pytest.raises(SystemExit, match=r'exists already.*--force'):
        record.main([str(path), *SMALL])
    assert [p.name for p in path.iterdir()] == ['precious']
    record.main([str(path), *SMALL, '--force'])
    assert sorted(p.name for p in path.iterdir()) == ['metadata.yaml', 'there.mcap']
    assert [p.name for p in tmp_path.iterdir()] == ['there']


def test_a_failure_halfway_leaves_no_half_bag(tmp_path, monkeypatch):
    render, calls = Renderer.render, []

    def fail_at_the_second(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RenderingError('the driver is gone')
        return render(*args, **kwargs)

    monkeypatch.setattr(Renderer, 'render', fail_at_the_second)
    with pytest.raises(SystemExit, match='the driver is gone'):
        record.main([str(tmp_path / 'half'), *SMALL])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ('option', 'value'), [('--rate', '0'), ('--width', '5'), ('--seed', '-1'), ('--seed', 'x')]
)
def test_a_bad_option_is_named(option, value, tmp_path, capsys):
    with pytest.raises(SystemExit):
        record.main([str(tmp_path / 'bag'), option, value])
    message = capsys.readouterr().err
    assert option in message
    assert value in message


def test_the_demos_bag_is_small_and_shows_the_default_scene():
    assert sum(path.stat().st_size for path in DEMO_BAG.iterdir()) < 6_000_000
    with Reader(DEMO_BAG) as reader:
        truth = next(
            deserialize_message(bytes(raw), ObjectMaskArray)
            for connection, _, raw in reader.messages()
            if connection.topic == '/camera/ground_truth'
        )
    with Renderer(Tabletop(DEFAULT_SEED), fine=False) as renderer:
        frame = renderer.render(orbit(DEFAULT_SEED, 0.0))
    # Another OpenGL may decide differently on the very edge.
    assert (labels_of(truth) == frame.labels).mean() > 0.9995
    assert len(truth.objects) == len(Tabletop(DEFAULT_SEED).objects)
