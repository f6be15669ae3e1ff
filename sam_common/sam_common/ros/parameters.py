# SPDX-License-Identifier: Apache-2.0
"""One parameter of a node, declared once with its range and what it means."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import rclpy
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import ParameterUninitializedException
from rclpy.node import Node

APPLIED_AT_CONFIGURE = 'Applied when the node is configured.'
_ARRAYS = {float: rclpy.Parameter.Type.DOUBLE_ARRAY, int: rclpy.Parameter.Type.INTEGER_ARRAY}


@dataclass(frozen=True)
class Parameter:
    """One parameter as it is declared.

    Parameters
    ----------
    name : str
    default : str, bool, int, float or tuple
        A tuple stands for an array.
    description : str
    span : (low, high) or None
        Inclusive range of a number.
    read_only : bool
    array_of : type or None
        float or int, for an array that is empty by default, whose type ROS could not tell.
    any_type : bool
        Whether ROS takes a value of any type: on a command line, true is no word.
    """

    name: str
    default: str | bool | int | float | tuple[float, ...] | tuple[int, ...]
    description: str
    span: tuple[float, float] | None = None
    read_only: bool = False
    array_of: type | None = None
    any_type: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """Return what ROS is told about it."""
        descriptor = ParameterDescriptor(
            description=self.description, read_only=self.read_only, dynamic_typing=self.any_type
        )
        if self.span and isinstance(self.default, float):
            low, high = map(float, self.span)
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
        elif self.span:
            low, high = map(int, self.span)
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        return descriptor


def declare(node: Node, parameters: Iterable[Parameter]) -> None:
    """Declare parameters; ROS refuses a value outside its range and says so.

    What is declared stays so: to ROS, a parameter that is set to nothing is one to be deleted.
    """
    for parameter in parameters:
        default: Any = parameter.default
        if parameter.array_of is not None:
            default = _ARRAYS[parameter.array_of]
        elif isinstance(default, tuple):
            default = list(default)
        node.declare_parameter(parameter.name, default, parameter.descriptor())
    node.add_on_set_parameters_callback(_refuse_deletion)


RECTIFIED_PARAMETER = Parameter(
    'rectified',
    'auto',
    'Whether the images that camera_info belongs to are rectified: true (P of it holds), false '
    "(K and D hold), or auto (true if the last part of the images' topic has the word rect).",
    any_type=True,
)


def _refuse_deletion(parameters: list[rclpy.Parameter]) -> SetParametersResult:
    for parameter in parameters:
        if parameter.type_ == rclpy.Parameter.Type.NOT_SET:
            return SetParametersResult(
                successful=False,
                reason=f'{parameter.name} cannot be deleted; give it a value',
            )
    return SetParametersResult(successful=True)


def value(node: Node, name: str) -> Any:
    """Return a parameter's value of now; an empty tuple for an array that was never set."""
    try:
        return node.get_parameter(name).value
    except ParameterUninitializedException:
        return ()
