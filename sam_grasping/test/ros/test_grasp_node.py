# SPDX-License-Identifier: Apache-2.0
"""The node's life: its states, and what it survives."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from lifecycle_msgs.msg import Transition
from running_node import diagnosis
from tabletop_camera import BOX, IDS, NODE, TabletopCamera, change_state, mask_image

from sam_interfaces.msg import GraspArray
from sam_interfaces.srv import PlanGrasps

ODD_PLANNERS = Path(__file__).parent / 'odd_planners_node.py'
REQUEST = {'mask': mask_image(IDS == BOX)}


def start_odd(ros, planner, **parameters):
    arguments = [
        f'planner:={planner}',
        *(f'{name}:={value}' for name, value in parameters.items()),
    ]
    words = [word for argument in arguments for word in ('-p', argument)]
    return ros.start(sys.executable, ODD_PLANNERS, '--ros-args', *words)


def test_states_make_and_free_the_planner(ros):
    ros.start_node(NODE, autostart=False, depth_timeout_s=0.1)
    camera = TabletopCamera(ros)
    assert 'unconfigured: configure and activate it' in camera.ask(**REQUEST).message
    diagnosis(ros, 'unconfigured', DiagnosticStatus.WARN)
    for _ in range(2):
        assert change_state(ros, Transition.TRANSITION_CONFIGURE)
        assert 'inactive' in camera.ask(**REQUEST).message
        for _ in range(2):
            assert change_state(ros, Transition.TRANSITION_ACTIVATE)
            # Nothing is left of before.
            assert 'no depth image has arrived' in camera.ask(**REQUEST).message
            camera.send()
            answer = camera.ask(**REQUEST)
            assert answer.success, answer.message
            assert change_state(ros, Transition.TRANSITION_DEACTIVATE)
            assert not camera.ask(**REQUEST).success
        assert change_state(ros, Transition.TRANSITION_CLEANUP)
    assert 'unconfigured' in camera.ask(**REQUEST).message


def test_a_start_that_fails_is_told_and_survived(ros):
    process = ros.start_node(NODE, autostart=False)
    camera = TabletopCamera(ros)
    good = {
        'planner': 'geometric', 'palm_size_m': [0.1] * 3, 'workspace_min_m': [],
        'depth_transport': 'raw',
    }  # fmt: skip
    for bad, reason in (
        ({'planner': 'luck'}, "unknown planner 'luck'; known are geometric"),
        ({'palm_size_m': [0.1, 0.1]}, 'palm_size_m is [0.1, 0.1]; give 3'),
        ({'palm_size_m': [0.1, -0.1, 0.1]}, 'give metres above 0'),
        ({'workspace_min_m': [0.5]}, 'workspace_min_m is [0.5]; give 3'),
    ):
        camera.set(**good | bad)
        assert not change_state(ros, Transition.TRANSITION_CONFIGURE)
        assert reason in camera.ask().message
    diagnosis(ros, 'workspace_min_m is [0.5]', DiagnosticStatus.ERROR)
    camera.set(**good | {'depth_transport': 'telepathy'})
    assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert not change_state(ros, Transition.TRANSITION_ACTIVATE)
    assert "'telepathy'; use raw, compressed, compressedDepth" in camera.ask().message
    camera.set(**good)
    assert change_state(ros, Transition.TRANSITION_ACTIVATE)
    camera.send()
    assert camera.ask(**REQUEST).success
    assert process.poll() is None


def test_a_parameter_out_of_its_range_is_refused_by_name(ros):
    process = ros.start(
        sys.executable, '-m', NODE, '--ros-args', '-p', 'max_width_m:=3.0',
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert 'max_width_m' in process.communicate(timeout=30)[1]
    assert process.returncode != 0


def test_a_bug_in_a_planner_is_answered_and_survived(ros):
    start_odd(ros, 'broken')
    camera = TabletopCamera(ros)
    camera.send()
    for _ in range(2):
        message = camera.ask(**REQUEST).message
        assert 'internal error, please report it' in message
        assert 'a bug' in message


def test_one_request_more_than_may_wait_is_refused_and_each_is_answered(ros):
    start_odd(ros, 'slow', max_pending_requests=2)
    camera = TabletopCamera(ros)
    camera.send()
    futures = [camera.client.call_async(PlanGrasps.Request(**REQUEST)) for _ in range(8)]
    ros.until(lambda: all(future.done() for future in futures), 'the answers')
    answers = [future.result() for future in futures]
    assert 2 <= sum(answer.success for answer in answers) <= 4
    assert {answer.message for answer in answers if not answer.success} == {
        '2 requests are waiting already; ask again later, or raise max_pending_requests'
    }


@pytest.mark.parametrize('planner', ['geometric', 'slow'])
def test_requests_under_transitions_are_answered_and_none_with_an_internal_error(ros, planner):
    start_odd(ros, planner, depth_timeout_s=10.0, continuous=True)
    camera = TabletopCamera(ros)
    ros.listen(GraspArray, '/sam_grasping/grasps')
    stamp = camera.send().stamp
    stamp.sec += 1
    early = camera.client.call_async(PlanGrasps.Request(**REQUEST, stamp=stamp))
    atwork = [camera.client.call_async(PlanGrasps.Request(**REQUEST)) for _ in range(3)]
    camera.ask()  # answered at once, and after those have begun to wait
    for transition in ('DEACTIVATE', 'CLEANUP', 'CONFIGURE', 'ACTIVATE'):
        assert change_state(ros, getattr(Transition, f'TRANSITION_{transition}'))
    ros.until(lambda: early.done() and all(f.done() for f in atwork), 'the answers')
    assert 'the node was deactivated while the request waited' in early.result().message
    for future in atwork:
        assert 'internal error' not in future.result().message
    camera.send()
    assert camera.ask(**REQUEST).success


@pytest.mark.parametrize('waiting', [True, False], ids=['waiting', 'starting'])
def test_the_node_stops_when_told_to(ros, waiting):
    process = ros.start_node(NODE, stderr=subprocess.PIPE)
    # While a request waits for depth, and while it starts.
    if waiting:
        client = ros.client(PlanGrasps, '/sam_grasping/plan')
        ros.call(client, PlanGrasps.Request())
        client.call_async(PlanGrasps.Request(**REQUEST))
    else:
        ros.until(lambda: 'sam_grasping' in ros.node.get_node_names(), 'the node to appear')
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # as from a terminal and from launch
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    assert 'Traceback' not in errors


def test_the_node_starts_without_what_other_planners_need(ros):
    code = (
        'import sys; sys.argv = ["grasp_node"]; import sam_grasping.ros.grasp_node; '
        'import sam_grasping; sam_grasping.load_planner(); '
        'print([name for name in ("torch", "sam2", "moveit_msgs", "mujoco") '
        'if name in sys.modules])'
    )
    process = ros.start(sys.executable, '-c', code, stdout=subprocess.PIPE)
    assert process.communicate(timeout=30)[0].strip() == '[]'
