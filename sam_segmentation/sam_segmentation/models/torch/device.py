# SPDX-License-Identifier: Apache-2.0
"""Where a torch model runs, and what happens when that place is full."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sam_segmentation.core.errors import DeviceError

_NO_MEMORY = ('out of memory', "can't allocate memory", 'ALLOC_FAILED')


def pick_device(device: str) -> torch.device:
    """Return the device that is meant.

    Parameters
    ----------
    device : str
        'auto' (the first CUDA device, else the processor), 'cpu', 'cuda' or 'cuda:N'.

    Raises
    ------
    DeviceError
        If there is no such device.

    """
    match = re.fullmatch(r'auto|cpu|cuda(?::(\d+))?', device)
    if match is None:
        raise DeviceError(f"unknown device {device!r}; use 'auto', 'cpu', 'cuda' or 'cuda:1'")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device == 'cpu' or (device == 'auto' and not count):
        return torch.device('cpu')
    if not count:
        cause = (
            'no NVIDIA GPU or driver is found'
            if torch.version.cuda
            else f'the installed torch {torch.__version__} is built without CUDA'
        )
        raise DeviceError(f"there is no device {device!r}: {cause}; use device='cpu' or 'auto'")
    index = int(match[1] or 0)
    if index >= count:
        raise DeviceError(
            f'there is no device {device!r}: {count} found, the last one is cuda:{count - 1}; '
            "use one of them, device='cpu' or 'auto'"
        )
    return torch.device('cuda', index)


@contextmanager
def on_device(device: torch.device) -> Iterator[None]:
    """Use a device; what fails for want of memory leaves it usable.

    Raises
    ------
    DeviceError
        If the memory does not suffice, or a GPU fails.

    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        message = str(error).partition('\n')[0]
        if isinstance(error, MemoryError) or any(sign in message for sign in _NO_MEMORY):
            # The frames that failed still hold their tensors.
            traceback.clear_frames(error.__traceback__)
            free_cache(device)
            raise DeviceError(
                f'{device} is out of memory; use a smaller image or model, fewer points, another '
                f'device, or end what else runs there ({message})'
            ) from error
        if 'CUDA error' in message:
            raise DeviceError(f'{device} failed ({message}); restart this process') from error
        raise


def free_cache(device: torch.device) -> None:
    """Give unused memory back to the device, where torch keeps it."""
    if device.type == 'cuda':
        torch.cuda.empty_cache()
