# SPDX-License-Identifier: Apache-2.0
"""Joins the passes into what the user gets: masks, an overlay video, and a JSON of all."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sam_common.masks import label_image, mask_to_box
from sam_common.types import BoolArray, UInt8Array, UInt16Array
from sam_segmentation.core.overlay import draw_overlay
from sam_segmentation.core.tracked_mask import ObjectState
from sam_segmentation.offline.coco_file import COCO_FILE, CocoFile
from sam_segmentation.offline.errors import BadFrameError, OutputError
from sam_segmentation.offline.frame_result import ObjectResult
from sam_segmentation.offline.frame_source import FrameSource, VideoFrame
from sam_segmentation.offline.overlay_video import OverlayVideo
from sam_segmentation.offline.pass_store import PassStore

PNG, RLE, COCO = 'png', 'rle', 'coco'
MASKS, OBJECTS, OVERLAY = 'masks', 'objects.json', 'overlay.mp4'
_DIGITS = 6

States = dict[int, Counter[ObjectState]]


def compose(
    source: FrameSource,
    stores: Sequence[PassStore],
    output: Path,
    *,
    model: str,
    labels: Mapping[int, str],
    masks: str,
    overlay: bool,
    progress: Callable[[int], object],
) -> tuple[States, list[int]]:
    """Write the results of all passes; each part replaces an older one once it is whole.

    Parameters
    ----------
    source : FrameSource
    stores : sequence of PassStore
        Where several have an object in a frame, the first one counts.
    output : path
    model : str
        Its name.
    labels : mapping of int to str
        What the objects are called.
    masks : str
        PNG: label images of 16 bit; RLE: in the JSON; COCO: in a JSON as COCO has it.
    overlay : bool
        Whether to make the video.
    progress : callable
        Called with how many frames more are done.

    Returns
    -------
    states : dict of int to Counter
        In how many frames each object was in which state.
    skipped : list of int
        The frames that were damaged.

    Raises
    ------
    OutputError, InputError
        If something cannot be written, or the input changed.

    """
    states: States = {object_id: Counter() for object_id in sorted(labels)}
    skipped: list[int] = []
    folder, old = output / f'{MASKS}.part', output / f'{MASKS}.old'
    listing = output / f'{OBJECTS}.part'
    for leftover in (folder, old):
        shutil.rmtree(leftover, ignore_errors=True)
    if masks == PNG:
        folder.mkdir()
    with ExitStack() as stack:
        stream = stack.enter_context(listing.open('w', encoding='ascii'))
        video = coco = None
        if masks == COCO:
            coco = stack.enter_context(CocoFile(output, labels, size_wh=source.size_wh))
        if overlay:
            video = OverlayVideo(output / OVERLAY, size_wh=source.size_wh, fps=source.fps)
        stream.write(_heading(source, model))
        for frame in source.frames():
            found = _joined(stores, frame.index)
            results = found or []
            if found is None:
                skipped.append(frame.index)
            drawn = [_mask(result, source.size_wh) for result in results]
            for result in results:
                states[result.object_id][result.state] += 1
            entry = {
                'frame': frame.index,
                'name': frame.name,
                'time_s': None if frame.time_s is None else round(frame.time_s, _DIGITS),
                'skipped': found is None,
                'objects': [
                    _described(result, mask, labels, with_mask=masks == RLE)
                    for result, mask in zip(results, drawn, strict=True)
                ],
            }
            stream.write(f'{"," if frame.index else ""}\n{json.dumps(entry)}')
            ids = [result.object_id for result in results]
            if masks == PNG:
                _write_png(folder, frame.index, label_image(drawn, ids, source.size_wh))
            if coco is not None:
                coco.add(frame.index, frame.name, results, drawn)
            if video is not None:
                texts = [_text(result, labels) for result in results]
                image, notes = _image(source, frame, skipped)
                video.add(draw_overlay(image, drawn, ids, texts=texts, notes=notes))
            progress(1)
        stream.write('\n]}\n')
    if video is not None:
        video.close()
    else:
        (output / OVERLAY).unlink(missing_ok=True)
    if masks != COCO:
        (output / COCO_FILE).unlink(missing_ok=True)
    if (output / MASKS).exists():
        (output / MASKS).rename(old)
    if masks == PNG:
        folder.rename(output / MASKS)
    shutil.rmtree(old, ignore_errors=True)
    listing.replace(output / OBJECTS)
    return states, skipped


def _image(
    source: FrameSource, frame: VideoFrame, skipped: list[int]
) -> tuple[UInt8Array, list[str]]:
    """Return the image and a note; black where it is damaged, also where nothing was tracked."""
    try:
        return frame.read(), []
    except BadFrameError:
        if skipped[-1:] != [frame.index]:
            skipped.append(frame.index)
        width, height = source.size_wh
        return np.zeros((height, width, 3), np.uint8), [f'frame {frame.index} is damaged']


def _joined(stores: Sequence[PassStore], frame: int) -> list[ObjectResult] | None:
    """Return the objects of a frame; None if it was skipped."""
    found: dict[int, ObjectResult] = {}
    for store in stores:
        results = store.results(frame)
        if results is None:
            return None
        for result in results:
            found.setdefault(result.object_id, result)
    return [found[object_id] for object_id in sorted(found)]


def _heading(source: FrameSource, model: str) -> str:
    about = {
        'input': source.path.resolve().name,
        'model': model,
        'size_wh': list(source.size_wh),
        'fps': source.fps,
        'frame_count': source.count,
    }
    return json.dumps(about)[:-1] + ', "frames": ['


def _described(
    result: ObjectResult,
    mask: BoolArray,
    labels: Mapping[int, str],
    *,
    with_mask: bool,
) -> dict[str, Any]:
    box = mask_to_box(mask)
    described: dict[str, Any] = {
        'id': result.object_id,
        'label': labels[result.object_id],
        'state': result.state.name,
        'score': round(result.score, _DIGITS),
        'presence': round(result.presence, _DIGITS),
        'box_xyxy': [float(edge) for edge in box] if box else None,
        'area': int(np.count_nonzero(mask)),
    }
    if with_mask:
        described['segmentation'] = {'size': list(mask.shape), 'counts': result.counts}
    return described


def _text(result: ObjectResult, labels: Mapping[int, str]) -> str:
    name = f'{result.object_id} {labels[result.object_id]}'.strip()
    return name if result.state is ObjectState.VISIBLE else f'{name} ({result.state.name.lower()})'


def _mask(result: ObjectResult, size_wh: tuple[int, int]) -> BoolArray:
    try:
        return result.mask(size_wh)
    except ValueError as error:
        raise OutputError(f'the stored results are damaged ({error}); use --force') from error


def _write_png(folder: Path, frame: int, labels: UInt16Array) -> None:
    path = folder / f'{frame:06d}.png'
    if not cv2.imwrite(str(path), labels):
        raise OutputError(f'{path} cannot be written; is the disk full?')
