# SPDX-License-Identifier: Apache-2.0
"""Messages of any type with nonsense in their fields, and all that a node's topics may get.

`TOPIC_FUZZ=5000 pytest --timeout 0 -k nonsense_on_every_topic` gives both nodes so many per topic.
"""

from __future__ import annotations

import os
from copy import deepcopy
from importlib import import_module

import numpy as np
from rosidl_parser.definition import (
    AbstractGenericString,
    AbstractNestedType,
    Array,
    BasicType,
    BoundedSequence,
    NamespacedType,
)

FLOATS = (
    0.0, -0.0, 1.0, -1.0, 0.5, 40.0, 1e-300, 1e300, -1e300, 1e38, 3.4e38, 5e-324, 2.0**31,
    2.0**63, np.nan, np.inf, -np.inf,
)  # fmt: skip
STRINGS = (
    '', 'optical', 'world', 'rgb8', '16UC1', '32FC1', 'png', 'jpeg', '16UC1; compressedDepth png',
    'plumb_bob', 'equidistant', '/', '/optical', 'a b', '%s%n{0}', '../../etc/passwd',
    '\n\x1b[31m', '\u202e\u0000x', 'ä' * 300, 'x' * 10_000,
)  # fmt: skip
LENGTHS = (0, 1, 2, 3, 4, 5, 8, 13, 14, 15, 36, 1000)
# Messages per topic.
ROUNDS = int(os.environ.get('TOPIC_FUZZ', '60'))
# How long the longest array of numbers is, and of messages.
HUGE, MANY = 100_000, 300
INTEGERS = {'octet': (0, 255), 'char': (0, 255), 'wchar': (0, 65535)} | {
    f'{sign}int{bits}': (0 if sign else -(2 ** (bits - 1)), 2 ** (bits - (not sign)) - 1)
    for sign in ('', 'u')
    for bits in (8, 16, 32, 64)
}


def hostile(kind, rng, *, sane=0.0, depth=0):
    """Return a message with nonsense in it.

    Parameters
    ----------
    kind : type
        Of the message.
    rng : numpy.random.Generator
    sane : float
        Share of the fields that stay as ROS makes them [0-1]: nonsense in a single field gets
        past checks of the others.
    depth : int
        How deep within another message it is.

    """
    message = kind()
    for name, slot in zip(message.get_fields_and_field_types(), kind.SLOT_TYPES, strict=True):
        if rng.random() >= sane:
            setattr(message, name, _value(slot, rng, sane, depth))
    return message


def _value(slot, rng, sane, depth):
    if isinstance(slot, AbstractNestedType):
        return _array(slot, rng, sane, depth)
    if isinstance(slot, NamespacedType):
        kind = getattr(import_module('.'.join(slot.namespaces)), slot.name)
        return hostile(kind, rng, sane=sane, depth=depth + 1)
    if isinstance(slot, AbstractGenericString):
        return str(rng.choice(STRINGS))
    return _number(slot.typename, rng)


def _number(typename, rng):
    if typename == 'boolean':
        return bool(rng.integers(2))
    if typename in ('float', 'double', 'long double'):
        value = float(rng.choice(FLOATS))
        if typename == 'float' and np.isfinite(value) and abs(value) > 3.4e38:
            return 3.4e38
        return value
    low, high = INTEGERS[typename]
    value = int(rng.choice([low, 0, 1, 2, 3, min(high, 255), high // 2, high - 1, high]))
    return bytes([value]) if typename == 'octet' else value


def _array(slot, rng, sane, depth):
    element = slot.value_type
    plain = isinstance(element, BasicType)
    if isinstance(slot, Array):
        length = slot.size
    else:
        length = int(rng.choice(LENGTHS[:7] if depth > 1 else LENGTHS))
        if depth == 0 and rng.random() < 0.02:
            length = HUGE
        if isinstance(slot, BoundedSequence):
            length = min(length, slot.maximum_size)
        if not plain:
            length = min(length, MANY if depth == 0 and rng.random() < 0.02 else 5)
    if not plain or length < 20:
        return [_value(element, rng, sane, depth + 1) for _ in range(length)]
    # One number for all but one element, so that long arrays are made quickly.
    values = [_number(element.typename, rng)] * length
    values[int(rng.integers(length))] = _number(element.typename, rng)
    return values


def spoiled(message, rng):
    """Return a copy of a message with nonsense in one of its fields."""
    message = deepcopy(message)
    part = message
    while True:
        names = list(part.get_fields_and_field_types())
        index = int(rng.integers(len(names)))
        name, slot = names[index], type(part).SLOT_TYPES[index]
        inner = getattr(part, name)
        if isinstance(inner, list) and inner and hasattr(inner[0], 'SLOT_TYPES'):
            inner = inner[int(rng.integers(len(inner)))]
        if not hasattr(inner, 'SLOT_TYPES') or rng.random() < 0.1:
            setattr(part, name, _value(slot, rng, 0.5, 0))
            return message
        part = inner


def attack(node, count, *, seed=0, between=lambda topic: None, good=None):
    """Give each topic that a node subscribes to nonsense, in turn; return how much it was.

    Parameters
    ----------
    node : rclpy.node.Node
        Its callbacks are called as an executor would, in this thread.
    count : int
        Messages per topic.
    seed : int
    between : callable
        Called after every message with the topic's name: lets the node's other work go on.
    good : dict of str to message or None
        Messages that make sense, by topic: sent as they are, too, or spoiled in one field, which
        leads deeper into the node.

    Returns
    -------
    dict of str to int

    """
    good = good or {}
    sent = {}
    for index in range(count):
        for number, subscription in enumerate(list(node.subscriptions)):
            topic = subscription.topic_name
            rng = np.random.default_rng((seed, number, index))
            message = good.get(topic)
            if message is None or rng.random() < 0.3:
                sane = float(rng.choice([0.0, 0.5, 0.9]))
                message = hostile(subscription.msg_type, rng, sane=sane)
            elif rng.random() < 0.6:
                message = spoiled(message, rng)
            subscription.callback(message)
            sent[topic] = sent.get(topic, 0) + 1
            between(topic)
    return sent
