# SPDX-License-Identifier: Apache-2.0
"""A node's parameters as one frozen dataclass: each is stated once, declared and read by that."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum
from types import UnionType
from typing import Any, TypeVar, cast, get_type_hints

import rclpy
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node

T = TypeVar('T')

_ARRAYS = {
    tuple[float, ...]: rclpy.Parameter.Type.DOUBLE_ARRAY,
    tuple[int, ...]: rclpy.Parameter.Type.INTEGER_ARRAY,
}


class Applied(Enum):
    """When a changed value takes effect."""

    START = 'at start; it is read-only'
    CONFIGURE = 'when the node is configured'
    ACTIVATE = 'when the node is activated'
    AT_ONCE = 'at once'


@dataclass(frozen=True)
class Parameter:
    """One parameter, as it is declared and documented.

    Parameters
    ----------
    name : str
    kind : type
        str, bool, int, float, tuple[int, ...] or tuple[float, ...]; a union: ROS takes a value of
        any type, since on a command line true is not a string.
    default : str, bool, int, float or tuple
        An empty tuple stands for an array that is not set.
    description : str
    span : (low, high) or None
        Inclusive range of a number.
    applied : Applied

    """

    name: str
    kind: Any
    default: Any
    description: str
    span: tuple[float, float] | None
    applied: Applied

    def descriptor(self) -> ParameterDescriptor:
        """Return what ROS is told about it."""
        at_once = self.applied is Applied.AT_ONCE
        descriptor = ParameterDescriptor(
            description=self.description + ('' if at_once else f' Applied {self.applied.value}.'),
            read_only=self.applied is Applied.START,
            dynamic_typing=isinstance(self.kind, UnionType),
        )
        if self.span and self.kind is float:
            low, high = map(float, self.span)
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.span:
            low, high = map(int, self.span)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor


def parameter(
    default: T,
    description: str,
    span: tuple[float, float] | None = None,
    *,
    applied: Applied = Applied.AT_ONCE,
) -> T:
    """Return a field of an options class; see Parameter for what the arguments mean."""
    stated = {'description': description, 'span': span, 'applied': applied}
    return field(default=default, metadata=stated)


@dataclass(frozen=True)
class NodeOptions:
    """The parameters that both nodes have."""

    autostart: bool = parameter(
        True,
        'Whether the node configures and activates itself; false: a lifecycle manager does.',
        applied=Applied.START,
    )
    rectified: str | bool = parameter(
        'auto',
        'Whether the images that camera_info belongs to are rectified: true (P of it holds), '
        "false (K and D hold), or auto (true if the last part of the images' topic has the word "
        'rect, as image_rect).',
    )
    max_pending_requests: int = parameter(
        32, 'Requests that may wait; one more is refused.', (1, 1000), applied=Applied.CONFIGURE
    )
    request_timeout_s: float = parameter(
        60.0,
        'How long a request may wait and run [s]. After that it is dropped, and the answer says '
        'so.',
        (0.1, 3600),
    )


def parameters_of(kind: type[Any]) -> tuple[Parameter, ...]:
    """Return the parameters that an options class states, those of NodeOptions last."""
    hints, common = get_type_hints(kind), get_type_hints(NodeOptions)
    stated = [
        Parameter(one.name, hints[one.name], one.default, **one.metadata) for one in fields(kind)
    ]
    return tuple(sorted(stated, key=lambda one: one.name in common))


def declare(node: Node, kind: type[Any]) -> None:
    """Declare the parameters of an options class; ROS refuses a value outside its range.

    What is declared stays so: to ROS, a parameter that is set to nothing is one to be deleted.
    """
    for one in parameters_of(kind):
        default = one.default
        if isinstance(default, tuple):
            # An empty array does not tell ROS its type.
            default = list(default) or _ARRAYS[one.kind]
        node.declare_parameter(one.name, default, one.descriptor())
    node.add_on_set_parameters_callback(_refuse_deletion)


def read_options(node: Node, kind: type[T]) -> T:
    """Return the present values of a node's parameters as an options class."""
    stated = fields(cast(Any, kind))
    return kind(**{one.name: _value(node, one.name, one.default) for one in stated})


def _value(node: Node, name: str, default: object) -> Any:
    try:
        value = node.get_parameter(name).value
    except ParameterUninitializedException:
        return default
    return tuple(value or ()) if isinstance(default, tuple) else value


def _refuse_deletion(parameters: list[rclpy.Parameter]) -> SetParametersResult:
    for one in parameters:
        if one.type_ == rclpy.Parameter.Type.NOT_SET:
            return SetParametersResult(
                successful=False,
                reason=f'{one.name} cannot be deleted; give it a value',
            )
    return SetParametersResult(successful=True)
