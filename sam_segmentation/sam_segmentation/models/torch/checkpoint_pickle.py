# SPDX-License-Identifier: Apache-2.0
"""The pickle in a checkpoint, walked through without calling anything that it names.

A pickle is a program. Here its steps that make numbers, words, lists and mappings are done, a
tensor is noted as a `StoredTensor`, and whatever else it would call is either known to stand
beside the weights of a training run, and left as a `Named`, or a reason to refuse the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from sam_segmentation.core.errors import CheckpointError

MAX_STEPS = 400_000
_MAX_KEY = 2**31

_DTYPES = {
    f'torch.{name}Storage': dtype
    for name, dtype in {
        'Float': torch.float32,
        'Double': torch.float64,
        'Half': torch.float16,
        'BFloat16': torch.bfloat16,
        'Long': torch.int64,
        'Int': torch.int32,
        'Short': torch.int16,
        'Char': torch.int8,
        'Byte': torch.uint8,
        'Bool': torch.bool,
    }.items()
}
_TENSOR = 'torch._utils._rebuild_tensor_v2'
_PARAMETER = 'torch._utils._rebuild_parameter'
_MAPPINGS = frozenset({'collections.OrderedDict', 'builtins.dict', '__builtin__.dict'})
# What training scripts save beside the weights. None of it is imported or called.
_BESIDE = frozenset(
    {
        *('argparse.Namespace', 'types.SimpleNamespace', 'collections.Counter'),
        *('collections.defaultdict', 'datetime.datetime', 'datetime.timedelta', 'datetime.date'),
        *('_codecs.encode', 'numpy.dtype', 'numpy.ndarray', 'torch.Size', 'torch.device'),
        *(
            f'pathlib.{name}'
            for name in ('Path', 'PosixPath', 'PurePath', 'PurePosixPath', 'WindowsPath')
        ),
        *(
            f'numpy.{core}.{name}'
            for core in ('core', '_core')
            for name in ('multiarray.scalar', 'multiarray._reconstruct', 'numeric._frombuffer')
        ),
        *(
            f'{module}.{name}'
            for module in ('builtins', '__builtin__')
            for name in (
                'int',
                'float',
                'bool',
                'list',
                'set',
                'frozenset',
                'complex',
            )
        ),
        *(str(dtype) for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)),
    }
)


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """What a checkpoint says about a tensor; nothing of it is believed yet."""

    key: str
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Named:
    """Something that stands beside weights; only its name is known."""

    name: str


@dataclass(frozen=True, eq=False)
class _Storage:
    key: str
    dtype: torch.dtype


def walk_pickle(data: bytes) -> Any:
    """Return what a checkpoint holds: lists, mappings, plain values, `StoredTensor`, `Named`.

    Raises
    ------
    CheckpointError
        If it is damaged, asks for anything that could run code, or takes more than `MAX_STEPS`.

    """
    walk = _Walk()
    try:
        for count, (step, argument, _) in enumerate(pickletools.genops(data)):
            if count >= MAX_STEPS:
                raise CheckpointError(
                    f'describes its tensors in more than {MAX_STEPS:,} steps; save its state '
                    'dict alone'
                )
            walk.take(step.name, argument)
        return walk.stack[-1]
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        text = ' '.join(str(error).split())[:100]
        raise CheckpointError(
            f'is damaged ({type(error).__name__}: {text}); fetch it again'
        ) from error


class _Walk:
    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}

    def take(self, step: str, argument: Any) -> None:
        """Do one step of the program."""
        if step in _PLAIN:
            self.stack.append(argument)
        elif step in _FRESH:
            self.stack.append(_FRESH[step]())
        elif step in ('PROTO', 'FRAME', 'STOP'):
            pass
        elif step in ('PUT', 'BINPUT', 'LONG_BINPUT'):
            self._memo[argument] = self.stack[-1]
        elif step == 'MEMOIZE':
            self._memo[len(self._memo)] = self.stack[-1]
        elif step in ('GET', 'BINGET', 'LONG_BINGET'):
            self.stack.append(self._memo[argument])
        elif step == 'MARK':
            self._marks.append(self.stack)
            self.stack = []
        elif step in ('GLOBAL', 'STACK_GLOBAL'):
            self._name(argument)
        else:
            self._combine(step)

    def _combine(self, step: str) -> None:
        if step in ('TUPLE1', 'TUPLE2', 'TUPLE3'):
            count = int(step[-1])
            items = [self.stack.pop() for _ in range(count)]
            self.stack.append(tuple(reversed(items)))
        elif step in ('TUPLE', 'LIST', 'FROZENSET'):
            items = self._since_mark()
            self.stack.append(tuple(items) if step == 'TUPLE' else items)
        elif step in ('APPEND', 'APPENDS', 'ADDITEMS'):
            items = [self.stack.pop()] if step == 'APPEND' else self._since_mark()
            if not isinstance(self.stack[-1], Named):
                self.stack[-1].extend(items)
        elif step in ('SETITEM', 'SETITEMS', 'DICT'):
            self._set_items(step)
        elif step == 'POP_MARK':
            self._since_mark()
        elif step == 'POP' or step == 'BUILD':
            self.stack.pop()
        elif step == 'BINPERSID':
            self.stack.append(_storage(self.stack.pop()))
        elif step in ('REDUCE', 'NEWOBJ'):
            arguments, called = self.stack.pop(), self.stack.pop()
            self.stack.append(_stands_for(called, arguments))
        else:
            raise ValueError(f'the step {step} is none of torch.save')

    def _since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self._marks.pop()
        return items

    def _set_items(self, step: str) -> None:
        if step == 'SETITEM':
            value, key = self.stack.pop(), self.stack.pop()
            items = [key, value]
        else:
            items = self._since_mark()
        if step == 'DICT':
            self.stack.append({})
        target = self.stack[-1]
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a nested tuple, or of a number made for it, could take for ever.
            if type(key) is not str and not (type(key) is int and abs(key) < _MAX_KEY):
                raise CheckpointError(
                    f'has a {type(key).__name__} as a key; save its state dict alone'
                )
            if not isinstance(target, Named):
                target[key] = value

    def _name(self, argument: str | None) -> None:
        if argument is None:
            name, module = self.stack.pop(), self.stack.pop()
            full = f'{module!s:.100}.{name!s:.100}'
        else:
            full = argument.replace(' ', '.', 1)
        if full not in _KNOWN and not full.startswith('numpy.dtypes.'):
            raise CheckpointError(
                f'holds more than tensors, which could run code, so it was not read '
                f'({full[:120]}); give the official file, or load yours where you trust it and '
                'save its state dict alone'
            )
        self.stack.append(Named(full))


_PLAIN = frozenset(
    {
        *('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINUNICODE'),
        *('BINUNICODE8', 'BINBYTES', 'SHORT_BINBYTES', 'BINBYTES8', 'SHORT_BINSTRING'),
        *('BINSTRING', 'INT', 'LONG', 'FLOAT', 'UNICODE', 'STRING'),
    }
)
_FRESH: dict[str, Callable[[], Any]] = {
    'NONE': lambda: None,
    'NEWTRUE': lambda: True,
    'NEWFALSE': lambda: False,
    'EMPTY_LIST': list,
    'EMPTY_SET': list,
    'EMPTY_TUPLE': tuple,
    'EMPTY_DICT': dict,
}
_KNOWN = _BESIDE | _MAPPINGS | {_TENSOR, _PARAMETER, *_DTYPES}


def _storage(identity: Any) -> _Storage:
    _, kind, key, *_ = identity
    if not isinstance(kind, Named) or kind.name not in _DTYPES or not isinstance(key, str):
        raise ValueError('a storage of an unknown kind')
    return _Storage(key, _DTYPES[kind.name])


def _stands_for(called: Any, arguments: Any) -> Any:
    if not isinstance(called, Named):
        raise ValueError('a call of what is no function')
    if called.name == _TENSOR:
        storage, offset, shape, stride, *_ = arguments
        if not isinstance(storage, _Storage):
            raise ValueError('a tensor without a storage')
        return StoredTensor(
            storage.key, storage.dtype, _whole(offset), _wholes(shape), _wholes(stride)
        )
    if called.name == _PARAMETER:
        return arguments[0]
    return {} if called.name in _MAPPINGS else Named(called.name)


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**48:
        raise ValueError('a size that is none')
    return value


def _wholes(values: Any) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > 8:
        raise ValueError('a shape that is none')
    return tuple(map(_whole, values))
