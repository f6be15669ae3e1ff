# SPDX-License-Identifier: Apache-2.0
"""The file that says which objects to track: prompts and corrections, each on a frame."""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sam_common.errors import ImageError
from sam_common.files import FileError, read_file
from sam_common.image_header import MAX_FILE_BYTES
from sam_common.images import decode_values
from sam_common.plain_yaml import PlainYamlError, read_plain_yaml
from sam_common.types import BoolArray
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import Prompt, check_text
from sam_segmentation.core.tracker import MAX_ID
from sam_segmentation.offline.errors import InputError

_KEYS = ('frame', 'object', 'label', 'box', 'points', 'labels', 'mask', 'remove')
_MAX_BYTES = 4 * 2**20
_BOX_NUMBERS, _POINT_NUMBERS = 4, 2


@dataclass(frozen=True, eq=False)
class PromptEntry:
    """What the file says of one object on one frame.

    Parameters
    ----------
    where : str
        How an error calls it: the file and the entry's number, counted from 1.
    frame : int
        Counted from 0.
    object_id : int
        1 to 65535.
    label : str
        What the object is called; empty: this entry does not say.
    prompt : Prompt or None
        None: the object is no longer to be tracked.
    digest : str
        Equal where the entries mean the same, whatever they are called.

    """

    where: str
    frame: int
    object_id: int
    label: str
    prompt: Prompt | None
    digest: str


def read_prompt_file(path: Path) -> list[PromptEntry]:
    """Read a prompt file, YAML or JSON (.json), in its own order.

    Raises
    ------
    InputError
        If it cannot be read, or an entry is not what it should be; names the file, the entry, the
        value and the remedy.

    """
    try:
        document: Any = _parse(path)
    except FileError as error:
        raise InputError(f'{error}; give a prompt file') from error
    except RecursionError as error:
        raise InputError(f'{path} is nested too deeply; give a list of prompts') from error
    except PlainYamlError as error:
        raise InputError(str(error)) from error
    except UnicodeDecodeError as error:
        raise InputError(f'{path} is no text in UTF-8: {error}') from error
    except ValueError as error:
        raise InputError(f'{path} cannot be parsed: {error}; correct it there') from error
    if not isinstance(document, dict) or list(document) != ['prompts']:
        raise InputError(f'{path}: give one list under the key "prompts", and nothing beside it')
    entries = document['prompts']
    if not isinstance(entries, list) or not entries:
        raise InputError(f'{path}: prompts is {_shown(entries)}; give a list of one entry or more')
    return [_entry(entry, f'{path}, entry {i}', path) for i, entry in enumerate(entries, 1)]


def _parse(path: Path) -> Any:
    if path.suffix.lower() == '.json':
        text = read_file(path, max_bytes=_MAX_BYTES).decode()
        return json.loads(text, object_pairs_hook=_unique)
    return read_plain_yaml(path, max_bytes=_MAX_BYTES, with_aliases=True)


def _unique(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'{_shown(key)} is given twice')
        found[key] = value
    return found


def _entry(entry: Any, where: str, path: Path) -> PromptEntry:
    if not isinstance(entry, dict):
        raise InputError(f'{where} is {_shown(entry)}; give keys and values, as frame: 0')
    for key in entry:
        if key not in _KEYS:
            raise InputError(f'{where} has the key {_shown(key)}; known are {", ".join(_KEYS)}')
    frame = _whole(entry, 'frame', where, 0, 2**31 - 1)
    object_id = _whole(entry, 'object', where, 1, MAX_ID)
    label = entry.get('label', '')
    if not isinstance(label, str):
        raise InputError(f'{where}: label is {_shown(label)}; give a text, in quotes if need be')
    try:
        check_text(label, 'label')
    except PromptError as error:
        raise InputError(f'{where}: {error}') from error
    prompt, mask = None, None
    if 'remove' in entry:
        _check_remove(entry, where)
    else:
        mask = _mask(entry, where, path)
        prompt = _prompt(entry, where, mask)
    said: dict[str, Any] = {key: entry.get(key) for key in ('box', 'points', 'labels')}
    if mask is not None:
        said['mask'] = [mask.shape, hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()]
    said |= {'frame': frame, 'object': object_id, 'remove': prompt is None}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
    return PromptEntry(where, frame, object_id, label, prompt, digest)


def _check_remove(entry: Mapping[str, Any], where: str) -> None:
    if entry['remove'] is not True:
        raise InputError(f'{where}: remove is {_shown(entry["remove"])}; give true, or leave it')
    beside = [key for key in entry if key not in ('frame', 'object', 'remove')]
    if beside:
        raise InputError(f'{where} has {beside[0]} beside remove; make two entries of it')


def _prompt(entry: Mapping[str, Any], where: str, mask: BoolArray | None) -> Prompt:
    points = _listed(entry, 'points', where, _is_point, 'pairs [x, y] of numbers')
    labels = _listed(entry, 'labels', where, _is_whole, 'whole numbers, 1 or 0')
    box = entry.get('box')
    if 'box' in entry and not _are_numbers(box, _BOX_NUMBERS):
        raise InputError(
            f'{where}: box is {_shown(box)}; give four numbers [left, top, right, bottom]'
        )
    if not points and box is None and mask is None:
        raise InputError(f'{where} has no box, points or mask; give one, or remove: true')
    if points and 'labels' not in entry:
        raise InputError(
            f'{where} has points without labels; give one label per point, 1 on the object and '
            '0 beside it'
        )
    try:
        return Prompt(points_xy=points, labels=labels, box_xyxy=box, mask=mask)
    except PromptError as error:
        raise InputError(f'{where}: {error}') from error


def _mask(entry: Mapping[str, Any], where: str, path: Path) -> BoolArray | None:
    if 'mask' not in entry:
        return None
    name = entry['mask']
    if not isinstance(name, str) or not name or '\0' in name:
        raise InputError(f'{where}: mask is {_shown(name)}; give the name of a PNG file')
    file = path.parent / name
    try:
        data = read_file(file, max_bytes=MAX_FILE_BYTES)
        pixels = decode_values(data, f'mask {file}')
    except FileError as error:
        raise InputError(
            f"{where}: mask {error}; give a PNG file, its path seen from the prompt file's folder"
        ) from error
    except ImageError as error:
        raise InputError(f'{where}: {error}') from error
    if pixels.ndim == 3:
        # Opacity is no colour: a transparent black pixel and an opaque one are both background.
        pixels = pixels[..., :3].any(axis=2)
    return np.asarray(pixels != 0, np.bool_)


def _whole(entry: Mapping[str, Any], key: str, where: str, low: int, high: int) -> int:
    if key not in entry:
        raise InputError(f'{where} has no {key}; give a whole number from {low} on')
    value = entry[key]
    if not _is_whole(value) or not low <= value <= high:
        raise InputError(
            f'{where}: {key} is {_shown(value)}; give a whole number from {low} to {high}'
        )
    return int(value)


def _listed(
    entry: Mapping[str, Any], key: str, where: str, is_good: Callable[[Any], bool], expected: str
) -> list[Any]:
    values = entry.get(key, [])
    if not isinstance(values, list):
        raise InputError(f'{where}: {key} is {_shown(values)}; give a list of {expected}')
    for value in values:
        if not is_good(value):
            raise InputError(f'{where}: {key} holds {_shown(value)}; give a list of {expected}')
    return values


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_numbers(value: Any, count: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) == count
        and all(_is_whole(number) or isinstance(number, float) for number in value)
    )


def _is_point(value: Any) -> bool:
    return _are_numbers(value, _POINT_NUMBERS)


def _shown(value: Any) -> str:
    """Return a value as text of bounded length, however deeply it is nested."""
    return reprlib.repr(value)
