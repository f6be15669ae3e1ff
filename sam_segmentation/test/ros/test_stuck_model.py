# SPDX-License-Identifier: Apache-2.0
"""A model that does not come back from one call takes nothing else down with it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from diagnostic_msgs.msg import DiagnosticStatus
from drawing import click
from lifecycle_msgs.msg import Transition
from running_node import Tracking, change_state, diagnosis, labels_of, request
from toy_tracker import RED, frame

from sam_interfaces.srv import SegmentEverything, SegmentRequest

ODD_MODELS = Path(__file__).parent / 'odd_models_node.py'
# Much less than the 30 s that the model takes, much more than a busy machine does.
AT_ONCE_S = 5.0
STOPPED_S = 6.0


def start(ros, *, model='stuck', **parameters):
    arguments = [f'{name}:={value}' for name, value in ({'model': model} | parameters).items()]
    flags = [part for argument in arguments for part in ('-p', argument)]
    return ros.start(
        sys.executable, ODD_MODELS, '--ros-args', *flags, stderr=subprocess.PIPE
    )  # fmt: skip


def is_segmenting(ros):
    return diagnosis(ros, '')['at work'].startswith('segment')


def test_only_its_request_suffers(ros):
    process = start(ros)
    tracking = Tracking(ros, frame((RED, 4, 4)))
    tracking.send()
    tracked = tracking.add(click(6, 6))
    segment = ros.client(SegmentRequest, '/sam/segment')
    stuck = segment.call_async(request(width=120))
    ros.until(lambda: is_segmenting(ros), 'the model to be stuck')

    # What is tracked is listed all the same, and that the stream stands still is told.
    begin = time.monotonic()
    answer = tracking.ask('LIST')
    assert time.monotonic() - begin < AT_ONCE_S
    assert [(obj.id, obj.area) for obj in answer.objects] == [(tracked.id, 64)]
    told = 'segment (1 prompts) has been at work for'
    diagnosis(ros, told, DiagnosticStatus.WARN, meanwhile=tracking.camera.send)
    assert not stuck.done()

    # Cleanup does not wait for it, and answers who does.
    waiting = segment.call_async(request(width=80))
    begin = time.monotonic()
    assert change_state(ros, Transition.TRANSITION_DEACTIVATE)
    assert change_state(ros, Transition.TRANSITION_CLEANUP)
    assert time.monotonic() - begin < STOPPED_S
    ros.until(stuck.done, 'the answer')
    assert not stuck.result().success
    assert 'the node was deactivated' in stuck.result().message
    ros.until(waiting.done, 'the answer')
    assert not waiting.result().success

    # The next model works beside it, and the process ends in the middle of such a call.
    assert change_state(ros, Transition.TRANSITION_CONFIGURE)
    assert change_state(ros, Transition.TRANSITION_ACTIVATE)
    assert ros.call(segment, request(width=80)).success
    tracking.send()
    assert tracking.add(click(6, 6)).area == 64
    assert labels_of(tracking.show()).any()
    segment.call_async(request(width=120))
    ros.until(lambda: is_segmenting(ros), 'the model to be stuck')
    assert stops(process) < STOPPED_S
    assert 'segment (1 prompts) cannot be interrupted' in process.stderr.read()


def stops(process):
    """End a process; return how long it took [s]."""
    begin = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    return time.monotonic() - begin


def test_the_process_ends_in_the_middle_of_loading(ros):
    process = start(ros, model='never')
    ros.until(lambda: 'sam' in ros.node.get_node_names(), 'the node')
    assert stops(process) < STOPPED_S


def test_a_request_that_takes_too_long_is_answered_and_dropped(ros):
    start(ros, request_timeout_s=0.5)
    tracking = Tracking(ros, frame((RED, 4, 4)))
    tracking.send()
    segment = ros.client(SegmentRequest, '/sam/segment')
    everything = ros.client(SegmentEverything, '/sam/segment_everything')
    begin = time.monotonic()
    stuck = ros.call(segment, request(width=120))
    futures = [
        segment.call_async(request(width=80)),
        everything.call_async(SegmentEverything.Request(image=request(width=80).image)),
        tracking.client.call_async(tracking.request('ADD', prompt=click(6, 6))),
    ]
    ros.until(lambda: all(future.done() for future in futures), 'the answers')
    assert time.monotonic() - begin < AT_ONCE_S
    for answer in (stuck, *(future.result() for future in futures)):
        assert not answer.success
        message = answer.message
        assert 'not done within request_timeout_s (0.5 s)' in message
        assert 'raise request_timeout_s' in message
    assert message.endswith('LIST says what is tracked')
    assert tracking.ids == []
