# SPDX-License-Identifier: Apache-2.0
"""The node's life: its states, and what it survives."""

import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import GetState
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from running_node import NODE, change_state, diagnosis, request
from small_models import write_small_sam2

from sam_interfaces.srv import SegmentRequest

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'


def state(ros):
    return ros.call(ros.client(GetState, '/sam/get_state'), GetState.Request()).current_state.label


def set_parameter(ros, name, text):
    client = ros.client(SetParameters, '/sam/set_parameters')
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=text)
    answer = ros.call(
        client, SetParameters.Request(parameters=[Parameter(name=name, value=value)])
    )
    return answer.results[0].successful


def test_states_load_and_free_the_model(ros):
    ros.start_node(NODE, autostart=False)
    segment = ros.client(SegmentRequest, '/sam/segment')
    answer = ros.call(segment, request())
    assert not answer.success
    assert 'unconfigured: configure and activate it' in answer.message
    diagnosis(ros, 'unconfigured', DiagnosticStatus.WARN)

    assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert 'inactive' in ros.call(segment, request()).message
    for _ in range(2):
        assert change_state(ros, Transition.TRANSITION_ACTIVATE)
        assert ros.call(segment, request()).success
        assert change_state(ros, Transition.TRANSITION_DEACTIVATE)
        assert not ros.call(segment, request()).success

    assert change_state(ros, Transition.TRANSITION_CLEANUP)
    assert state(ros) == 'unconfigured'
    # Another model, which is not there; then back to one that is.
    assert set_parameter(ros, 'model', 'sam_vit_q')
    assert not change_state(ros, Transition.TRANSITION_CONFIGURE)
    message = ros.call(segment, request()).message
    assert "unknown model 'sam_vit_q'" in message
    assert 'sam2.1_hiera_tiny' in message
    assert set_parameter(ros, 'model', 'grabcut')
    assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert change_state(ros, Transition.TRANSITION_ACTIVATE)
    assert ros.call(segment, request()).success


@pytest.mark.parametrize(
    ('parameters', 'reason'),
    [
        ({'model': 'nonsense'}, "unknown model 'nonsense'; known are grabcut"),
        ({'model': 'vit_b', 'checkpoint': '/no/such.pth'}, '/no/such.pth'),
        ({'model': 'sam2.1_hiera_tiny', 'checkpoint': __file__}, Path(__file__).name),
        ({'model': 'vit_b', 'device': 'cuda:99'}, 'device:=cpu'),
        ({'memory_policy': 'lifo'}, "the memory policy is 'lifo'; use fifo or motion_aware"),
        ({'image_transport': 'telepathy'}, "'telepathy'; use raw or compressed"),
    ],
)
def test_a_start_that_fails_is_told_and_survived(ros, parameters, reason):
    process = ros.start_node(NODE, **parameters)
    answer = ros.call(ros.client(SegmentRequest, '/sam/segment'), request())
    assert not answer.success
    assert reason in answer.message
    diagnosis(ros, reason, DiagnosticStatus.ERROR)
    assert process.poll() is None


class Malicious:
    """Unpickled carelessly, it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), 'w')


def test_no_bad_checkpoint_is_loaded_and_none_runs_code(ros, tmp_path):
    good = write_small_sam2(tmp_path, image_size=128, embed_dim=16)[1].read_bytes()
    (tmp_path / 'truncated.pt').write_bytes(good[: len(good) // 2])
    torch.save({'model': {'some.other.weight': torch.zeros(3)}}, tmp_path / 'other.pt')
    torch.save(Malicious(tmp_path / 'pwned'), tmp_path / 'malicious.pt')
    (tmp_path / 'malicious.pkl').write_bytes(pickle.dumps(Malicious(tmp_path / 'pwned')))
    ros.start_node(NODE, autostart=False, model='sam2.1_hiera_tiny')
    segment = ros.client(SegmentRequest, '/sam/segment')
    for name in ('missing.pt', 'truncated.pt', 'other.pt', 'malicious.pt', 'malicious.pkl'):
        assert set_parameter(ros, 'checkpoint', str(tmp_path / name))
        assert not change_state(ros, Transition.TRANSITION_CONFIGURE)
        answer = ros.call(segment, request())
        assert not answer.success
        assert str(tmp_path / name) in answer.message
    assert not (tmp_path / 'pwned').exists()


@pytest.mark.parametrize(
    ('arguments', 'word'),
    [
        (['-p', 'refine_rounds:=9'], 'refine_rounds'),
        (['-p', 'refine_rounds:=many'], 'refine_rounds'),
        (['-r', '__ns:=a b'], 'a b'),
    ],
)
def test_arguments_that_cannot_be_used_are_refused_in_one_line(ros, arguments, word):
    process = ros.start(
        sys.executable, '-m', NODE, '--ros-args', *arguments, stderr=subprocess.PIPE
    )
    errors = process.communicate(timeout=20)[1]
    assert [line for line in errors.splitlines() if line.startswith('sam_node: ') and word in line]
    assert 'Traceback' not in errors
    assert process.returncode == 1


def test_out_of_memory_fails_the_request_and_not_the_node(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=runs_full')
    segment = ros.client(SegmentRequest, '/sam/segment')
    for _ in range(2):
        assert ros.call(segment, request(width=80)).success
        answer = ros.call(segment, request(width=200))
        assert not answer.success
        assert 'out of memory' in answer.message
        assert 'smaller image' in answer.message


def test_a_bug_in_a_model_is_answered_and_survived(ros):
    ros.start(sys.executable, ODD_MODELS, '--ros-args', '-p', 'model:=broken')
    segment = ros.client(SegmentRequest, '/sam/segment')
    for _ in range(2):
        assert 'internal error' in ros.call(segment, request()).message


@pytest.mark.parametrize('told', range(8))
def test_the_node_stops_when_told_to(ros, told):
    process = ros.start_node(NODE, stderr=subprocess.PIPE)
    # Sooner and later: while it starts, when its services are there, and when it spins.
    if told > 4:
        ros.call(ros.client(SegmentRequest, '/sam/segment'), request())
    elif told % 2:
        segment = ros.node.create_client(SegmentRequest, '/sam/segment')
        ros.until(segment.service_is_ready, 'the service to appear')
    else:
        ros.until(lambda: 'sam' in ros.node.get_node_names(), 'the node to appear')
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # as from a terminal and from launch
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors


def test_the_node_starts_without_torch(ros):
    code = (
        'import sys; sys.argv = ["sam_node"]; import sam_segmentation.ros.sam_node, '
        'sam_segmentation; sam_segmentation.load_segmenter("grabcut"); '
        'print([name for name in ("torch", "sam2", "segment_anything") if name in sys.modules])'
    )
    process = ros.start(sys.executable, '-c', code, stdout=subprocess.PIPE)
    assert process.communicate(timeout=30)[0].strip() == '[]'
