# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node that starts itself, unless told otherwise, and that survives errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import suppress
from traceback import format_exc
from typing import Any

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from sam_common.errors import SamError
from sam_common.ros.faults import Faults, reason
from sam_common.ros.parameters import NodeOptions, declare, read_options

SUCCESS, FAILURE, ERROR = (
    TransitionCallbackReturn.SUCCESS,
    TransitionCallbackReturn.FAILURE,
    TransitionCallbackReturn.ERROR,
)
Step = Callable[[], object]


class NotActiveError(SamError):
    """The node is not in the state that a request needs."""


class ManagedNode(LifecycleNode, ABC):
    """Knows the state that it is in, and what a transition failed for.

    A node of this kind says what it makes and lets go of; when, and what happens if that fails,
    is the same for all. Whatever a callback of a topic, a service, a timer or an event raises is
    noted in `faults`, and the node goes on.

    Parameters
    ----------
    name : str
    options : type
        A dataclass of the node's parameters, derived from NodeOptions.

    Attributes
    ----------
    state : str
        As ROS names it: 'unconfigured', 'inactive', 'active', 'finalized'.
    error : str
        Why the last transition failed; '' on success.
    faults : Faults
        What callbacks raised.

    """

    def __init__(self, name: str, options: type[NodeOptions]) -> None:
        # Before all else: the node that rclpy makes subscribes, too (/clock).
        self.faults = Faults(self.get_logger)
        super().__init__(name)
        declare(self, options)
        self.state = 'unconfigured'
        self.error = ''
        # rclpy lets a request that does not fit the state end the process (ros2/rclpy#1319).
        self._change_state = self._service_change_state.callback
        self._service_change_state.callback = self._answer_change_state

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager does; a failure is in `error`."""
        if read_options(self, NodeOptions).autostart and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @abstractmethod
    def configure(self) -> None:
        """Make what the node needs; what this raises fails the transition."""

    @abstractmethod
    def activate(self) -> None:
        """Begin to listen; what this raises fails the transition."""

    @abstractmethod
    def stop_listening(self) -> None:
        """End what `activate` began; called in any state."""

    @abstractmethod
    def release(self) -> None:
        """Free what `configure` made, first what still works with the rest; in any state."""

    def create_subscription(
        self, msg_type: Any, topic: str, callback: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Subscribe; what the callback, or one for an event, raises does not end the node."""
        what = f'a message on {topic}'
        with suppress(Exception):  # a bad name is refused below, in rclpy's words
            what = f'a message on {self.resolve_topic_name(topic)}'
        events = options.get('event_callbacks')
        for name, event in vars(events).items() if events is not None else ():
            if callable(event):
                setattr(events, name, self.faults.guard(f'an event of {topic}', event))
        guarded = self.faults.guard(what, callback)
        return super().create_subscription(msg_type, topic, guarded, *args, **options)

    def create_service(
        self, srv_type: Any, srv_name: str, callback: Callable[..., Any], **options: Any
    ) -> Any:
        """Offer a service; what its callback raises does not end the node.

        The caller is answered all the same, by what the response holds by then: rclpy's own
        services of parameters fail on a value of no known type.
        """
        guarded = self.faults.guard(f'a request of {srv_name}', callback, lambda _, answer: answer)
        return super().create_service(srv_type, srv_name, guarded, **options)

    def create_timer(
        self, timer_period_sec: float, callback: Callable[..., Any], *args: Any, **options: Any
    ) -> Any:
        """Make a timer; what its callback raises does not end the node."""
        guarded = self.faults.guard('a timer', callback)
        return super().create_timer(timer_period_sec, guarded, *args, **options)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Make what the node needs, or nothing at all."""
        enable = super().on_configure
        return self._go('inactive', (self.configure, lambda: enable(state)), (self.release,))

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Begin to listen, or stay as it was."""
        enable = super().on_activate
        steps = (self.activate, lambda: enable(state))
        return self._go('active', steps, (self.stop_listening,))

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening; what cannot even be stopped is freed."""
        disable = super().on_deactivate
        steps = (self.stop_listening, lambda: disable(state))
        return self._go('inactive', steps, otherwise=ERROR)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        clean = super().on_cleanup
        return self._go('unconfigured', (self.release, lambda: clean(state)), otherwise=ERROR)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whichever state."""
        clean = super().on_shutdown
        steps = (self.stop_listening, self.release, lambda: clean(state))
        result = self._go('finalized', steps, (self.release,))
        self.state = 'finalized'  # where a failure leads, too
        return result

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free what can be freed, so that the node can be configured again."""
        self._undo((self.stop_listening, self.release))
        self.state = 'unconfigured'
        self.error = self.error or f'a transition from {state.label} failed'
        return SUCCESS

    def not_active(self) -> NotActiveError:
        """Return the error for a request that needs the node to be active."""
        return NotActiveError(
            f'the node is {self.state}: {self.error or "configure and activate it"}'
        )

    def _go(
        self,
        goal: str,
        steps: Sequence[Step],
        undo: Sequence[Step] = (),
        otherwise: TransitionCallbackReturn = FAILURE,
    ) -> TransitionCallbackReturn:
        """Take the steps to a state; if one fails, undo them, and say why and return that."""
        try:
            for step in steps:
                step()
        except Exception as error:
            self.error = reason(error)
            trace = '' if isinstance(error, SamError) else f'\n{format_exc(limit=-5)}'
            self._log_error(f'{self.error}{trace}')
            self._undo(undo)
            return otherwise
        self.state, self.error = goal, ''
        return SUCCESS

    def _undo(self, steps: Sequence[Step]) -> None:
        for step in steps:
            try:
                step()
            except Exception as error:  # the others are taken all the same
                self._log_error(f'not all could be freed: {reason(error)}')

    def _log_error(self, text: str) -> None:
        if not self.context.ok():
            return  # told to stop, a transition fails wherever it next calls rcl: expected
        self.get_logger().error(text.encode('utf-8', 'replace').decode())

    def _answer_change_state(self, request: Any, response: Any) -> Any:
        """Answer a request for a transition; False if it does not fit the state."""
        try:
            return self._change_state(request, response)
        except Exception as error:
            asked = request.transition.label or request.transition.id
            possible = ', '.join(
                f'{label} ({number})'
                for number, label, *_ in self._state_machine.available_transitions
            )
            self.get_logger().warning(
                f'the transition {asked!r} was refused: the node is {self.state}; possible are '
                f'{possible or "none"} ({reason(error)})',
                throttle_duration_sec=1.0,
            )
        response.success = False
        return response
