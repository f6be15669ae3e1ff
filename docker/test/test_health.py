# SPDX-License-Identifier: Apache-2.0
"""The health check over DDS, on the nodes and with the commands of compose.yaml."""

import subprocess
import sys

import yaml
from dockerfile import DOCKER, REPOSITORY
from drawing import click
from lifecycle_msgs.msg import Transition
from running_node import NODE, change_state

from sam_interfaces.srv import SegmentRequest

SERVICES = yaml.safe_load((DOCKER / 'compose.yaml').read_text())['services']
INSTALLED = '/opt/sam/install/share/'


def health(ros, *nodes, timeout_s=20):
    """Run the health check in the domain of a test."""
    command = [sys.executable, DOCKER / 'health.py', *nodes, '--timeout', str(timeout_s)]
    return subprocess.run(
        command, env=ros.environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_only_an_active_node_is_healthy(ros):
    ros.start_node(NODE, autostart=False)
    configured = change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert configured
    check = health(ros, '/sam')
    assert (check.returncode, check.stdout) == (1, '/sam: inactive\n'), check.stderr
    assert change_state(ros, Transition.TRANSITION_ACTIVATE)
    check = health(ros, '/sam')
    assert (check.returncode, check.stdout) == (0, '/sam: active\n'), check.stderr
    check = health(ros, '/sam', '/nobody', timeout_s=3)
    assert check.returncode == 1
    assert check.stdout == '/sam: active\n/nobody: no answer in 3 s\n'


def test_what_compose_starts_becomes_healthy_and_answers(ros):
    *launch, model = SERVICES['sam']['command']
    assert model == 'model:=${SAM_MODEL:-grabcut}'
    ros.start(*launch, 'model:=grabcut')
    [*play, bag] = SERVICES['bag']['command']
    assert bag.startswith(f'{INSTALLED}sam_bringup/')
    ros.start(*play, REPOSITORY / bag.removeprefix(f'{INSTALLED}'))
    nodes = SERVICES['sam']['healthcheck']['test'][4:]
    segment = ros.client(SegmentRequest, '/sam/segment')
    check = health(ros, *nodes)
    assert check.returncode == 0, check.stdout + check.stderr
    request = SegmentRequest.Request(prompts=[click(320, 240)])
    # Until an image of the bag has come, the answer is that none has.
    ros.until(lambda: ros.call(segment, request).success, 'a mask in the recorded scene')
