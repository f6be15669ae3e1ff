# SPDX-License-Identifier: Apache-2.0
"""A lifecycle node that starts itself, unless it is told not to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from sam_segmentation.core.errors import SamError
from sam_segmentation.ros.parameter import Parameter, declare, value

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class NotActiveError(SamError):
    """The node is not in the state that a request needs."""


class ManagedNode(LifecycleNode, ABC):
    """Knows the state that it is in, and what a transition failed for.

    A node of this kind says how it stops listening and what it lets go of; when, is the same for
    all.

    Parameters
    ----------
    name : str
    parameters : iterable of Parameter
        One is `autostart`.

    Attributes
    ----------
    state : str
        As ROS names it: 'unconfigured', 'inactive', 'active', 'finalized'.
    error : str
        Why the last transition failed; empty: it did not.

    """

    def __init__(self, name: str, parameters: Iterable[Parameter]) -> None:
        super().__init__(name)
        declare(self, parameters)
        self.state = 'unconfigured'
        self.error = ''

    def start(self) -> None:
        """Configure and activate, unless a lifecycle manager does; a failure is in `error`."""
        if value(self, 'autostart') and self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    @abstractmethod
    def stop_listening(self) -> None:
        """End what `on_activate` began; called in any state."""

    @abstractmethod
    def release(self) -> None:
        """Free what `on_configure` made; called in any state."""

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop listening."""
        self.stop_listening()
        self.enter('inactive')
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        result = super().on_cleanup(state)
        self.release()
        self.enter('unconfigured')
        return result

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything, from whichever state."""
        result = super().on_shutdown(state)
        self.stop_listening()
        self.release()
        self.enter('finalized')
        return result

    def enter(self, state: str) -> None:
        """Note that a transition succeeded."""
        self.state = state
        self.error = ''

    def fail(self, error: SamError) -> TransitionCallbackReturn:
        """Note, and tell, why a transition failed; return what ROS is told."""
        self.error = str(error)
        self.get_logger().error(self.error)
        return FAILURE

    def not_active(self) -> NotActiveError:
        """Return the error for a request that needs the node to be active."""
        return NotActiveError(
            f'the node is {self.state}: {self.error or "configure and activate it"}'
        )
