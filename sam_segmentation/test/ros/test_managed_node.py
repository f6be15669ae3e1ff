# SPDX-License-Identifier: Apache-2.0
"""What neither a callback nor a request for a transition does to a managed node."""

from dataclasses import dataclass

import numpy as np
import pytest
import rclpy
from geometry_msgs.msg import Point, PointStamped
from hostile_messages import ROUNDS, attack
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.msg import Parameter as ParameterMsg
from rcl_interfaces.msg import ParameterValue
from rcl_interfaces.srv import SetParameters, SetParametersAtomically
from rclpy.lifecycle import TransitionCallbackReturn
from sensor_msgs.msg import CameraInfo
from std_msgs.msg import Float64, Header, String

from sam_common.errors import SamError
from sam_common.ros.conversions import array_to_image
from sam_common.ros.faults import MAX_KINDS, MAX_REASON, Faults, reason
from sam_common.ros.managed_node import ManagedNode
from sam_common.ros.parameters import NodeOptions, parameter, read_options
from sam_common.ros.run_node import _spin
from sam_segmentation.ros.sam_node import SamNode

SUCCESS = TransitionCallbackReturn.SUCCESS
STEPS = ('configure', 'activate', 'stop_listening', 'release')


@dataclass(frozen=True)
class ToyOptions(NodeOptions):
    autostart: bool = parameter(False, 'Not here.')
    any_type: str | int = parameter('auto', 'A word or a number.')
    numbers: tuple[int, ...] = parameter((), 'Not set.')


class Toy(ManagedNode):
    """Fails in the steps that it is told to."""

    def __init__(self):
        self.errors, self.taken = {}, []
        super().__init__('toy', ToyOptions)

    def _step(self, name):
        self.taken.append(name)
        if name in self.errors:
            raise self.errors[name]

    def configure(self):
        self._step('configure')

    def activate(self):
        self._step('activate')

    def stop_listening(self):
        self._step('stop_listening')

    def release(self):
        self._step('release')


@pytest.fixture(scope='module')
def context(module_ros):
    """The process's own context, in the tests' domain."""
    rclpy.init(args=[], domain_id=module_ros.domain)
    yield
    rclpy.try_shutdown()


@pytest.fixture
def toy(context):
    node = Toy()
    yield node
    node.destroy_node()


def ask(node, number=0, label=''):
    """Ask for a transition as the service does."""
    request = ChangeState.Request()
    request.transition.id, request.transition.label = number, label
    return node._service_change_state.callback(request, ChangeState.Response()).success


def state_of(node):
    return node._state_machine.current_state[1]


def test_any_transition_that_does_not_fit_is_answered_false(toy):
    for goal in (None, toy.trigger_configure, toy.trigger_activate):
        assert goal is None or goal() == SUCCESS
        before = state_of(toy)
        fitting = {number for number, *_ in toy._state_machine.available_transitions}
        for number in set(range(256)) - fitting:
            assert not ask(toy, number), (before, number)
        for label in ('', 'x' * 1000, 'create', 'destroy', 'transition_success', 'ä'):
            assert not ask(toy, 99, label), (before, label)
        assert state_of(toy) == toy.state == before
    assert ask(toy, 0, 'deactivate')
    assert ask(toy, 0, 'shutdown')
    assert not any(ask(toy, number) for number in range(256))
    assert state_of(toy) == toy.state == 'finalized'


@pytest.mark.parametrize(
    'error',
    [
        SamError('give another'),
        RuntimeError('could not determine the home directory'),
        OSError(36, 'File name too long', 'x' * 5000),
        MemoryError(),
        OSError(2, 'No such file', '\udcff\0'),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize('failing', STEPS)
def test_a_transition_that_fails_says_why_and_may_be_tried_again(toy, failing, error):
    toy.errors[failing] = error
    told = []
    for trigger in ('configure', 'activate', 'deactivate', 'cleanup'):
        if getattr(toy, f'trigger_{trigger}')() == SUCCESS:
            assert not toy.error
            continue
        told.append(toy.error)
        assert state_of(toy) == toy.state != 'active'
        break
    assert told == [reason(error)]
    assert 0 < len(told[0]) <= MAX_REASON
    if failing == 'configure':
        assert toy.taken[-1] == 'release'
    toy.errors.clear()
    if toy.state == 'unconfigured':
        assert toy.trigger_configure() == SUCCESS
    assert toy.trigger_activate() == SUCCESS
    assert toy.state == 'active'
    assert not toy.error


def test_a_shutdown_that_fails_ends_there_all_the_same(toy):
    assert toy.trigger_configure() == SUCCESS
    toy.errors['stop_listening'] = RuntimeError('it hangs')
    assert toy.trigger_shutdown() != SUCCESS
    assert toy.taken[-1] == 'release'
    assert state_of(toy) == toy.state == 'finalized'
    assert toy.error == 'RuntimeError: it hangs'


def test_what_a_callback_raises_is_logged_once_and_counted(toy, capfd):
    def fail(*_):
        raise ZeroDivisionError('a bug')

    async def fail_later(_):
        fail()

    subscription = toy.create_subscription(Float64, '~/number', fail, 5)
    later = toy.create_subscription(String, '~/text', fail_later, 5)
    timer = toy.create_timer(1.0, fail)
    for _ in range(5):
        subscription.callback(Float64())
        timer.callback()
    with pytest.raises(StopIteration):
        later.callback(String()).send(None)
    assert toy.faults.count == 11
    assert toy.faults.recent == 'a message on /toy/text failed: ZeroDivisionError: a bug'
    logged = capfd.readouterr().err
    for what in ('a message on /toy/number', 'a message on /toy/text', 'a timer'):
        assert logged.count(f'{what} failed: ZeroDivisionError: a bug') == 1


def test_a_parameter_of_no_known_type_is_answered(toy):
    names = ('set_parameters', 'set_parameters_atomically')
    [plain, atomic] = [s for s in toy.services if s.srv_name.rpartition('/')[2] in names]
    odd = [ParameterMsg(name='autostart', value=ParameterValue(type=77))]
    assert not plain.callback(
        SetParameters.Request(parameters=odd), SetParameters.Response()
    ).results
    answer = atomic.callback(
        SetParametersAtomically.Request(parameters=odd), SetParametersAtomically.Response()
    )
    assert not answer.result.successful
    assert toy.faults.count == 2


@pytest.mark.parametrize('is_running', [True, False])
def test_a_transition_that_fails_since_the_process_ends_is_no_news(
    toy, is_running, monkeypatch, capfd
):
    monkeypatch.setattr(toy.context, 'ok', lambda: is_running)
    toy.errors['configure'] = RuntimeError('the context is invalid')
    toy.on_configure(None)
    assert ('the context is invalid' in capfd.readouterr().err) == is_running


@pytest.mark.parametrize('name', ['autostart', 'use_sim_time', 'any_type'])
def test_a_parameter_that_is_set_to_nothing_stays(toy, name):
    before = toy.get_parameter(name).value
    [result] = toy.set_parameters([rclpy.Parameter(name)])
    assert not result.successful
    assert 'cannot be' in result.reason
    assert toy.get_parameter(name).value == before


def test_options_are_the_values_of_the_moment(toy):
    before = read_options(toy, ToyOptions)
    assert (before.any_type, before.numbers, before.request_timeout_s) == ('auto', (), 60.0)
    toy.set_parameters([rclpy.Parameter('any_type', value=3)])
    toy.set_parameters([rclpy.Parameter('numbers', value=[4, 5])])
    now = read_options(toy, ToyOptions)
    assert (now.any_type, now.numbers) == (3, (4, 5))
    assert before.any_type == 'auto'


def test_a_reason_is_one_text_that_a_log_and_ros_can_carry():
    told = reason(OSError(f'\x1b[31m \udcff \0 {"x" * 5000}'))
    assert told.startswith(r'OSError: \x1b[31m \udcff \x00 xxx')
    assert len(told) <= MAX_REASON


def test_no_more_kinds_of_fault_are_remembered_than_allowed():
    logged = []
    faults = Faults(lambda: type('Logger', (), {'error': staticmethod(logged.append)}))
    for number in range(3 * MAX_KINDS):
        faults.note(f'callback {number}', ValueError(number))
    assert faults.count == len(logged) == 3 * MAX_KINDS
    assert len(faults._kinds) == MAX_KINDS


def test_what_rclpy_itself_raises_does_not_end_the_node():
    class Executor:
        """Fails some times, then is told to stop."""

        left = 5

        @property
        def context(self):
            return self

        def ok(self):
            return self.left > 0

        def spin(self):
            self.left -= 1
            raise RuntimeError('failed to take')

    node = type('Node', (), {})()
    node.faults = Faults(lambda: type('Logger', (), {'error': staticmethod(print)}))
    _spin(Executor(), node)
    assert node.faults.count == 4  # the last one came when it was told to stop


def test_nonsense_on_every_topic_leaves_the_node_alive(context):
    node = SamNode()
    try:
        node.start()
        executor = rclpy.executors.SingleThreadedExecutor()
        executor.add_node(node)
        header = Header(frame_id='optical')
        good = {
            '/sam/image': array_to_image(np.zeros((60, 80, 3), np.uint8), 'rgb8', header),
            '/sam/click': Point(x=20.0, y=20.0),
            '/sam/clicked_point': PointStamped(header=header, point=Point(z=1.0)),
            '/sam/camera_info': CameraInfo(
                header=header, width=80, height=60, distortion_model='plumb_bob', d=[0.0] * 5,
                k=[80.0, 0.0, 40.0, 0.0, 80.0, 30.0, 0.0, 0.0, 1.0],
            ),
        }  # fmt: skip
        turn = lambda _: executor.spin_once(timeout_sec=0)  # noqa: E731
        sent = attack(node, ROUNDS, between=turn, good=good)
        assert {'/sam/image', '/sam/click', '/sam/clicked_point', '/tf'} <= set(sent)
        assert node.state == 'active'
        node.destroy_node()
    finally:
        node.close()
