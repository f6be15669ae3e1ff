# SPDX-License-Identifier: Apache-2.0
"""The results of a video as COCO has them: https://cocodataset.org/#format-data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from sam_common.masks import mask_to_box
from sam_common.types import BoolArray
from sam_segmentation.offline.frame_result import ObjectResult

COCO_FILE = 'coco.json'
_UNNAMED = 'object'
_DIGITS = 6


class CocoFile:
    """Writes images, annotations and categories, frame by frame, in constant memory.

    Parameters
    ----------
    folder : path
        Where the file comes, under its name when it is whole.
    labels : mapping of int to str
        What the objects are called: the categories, in the order of the alphabet; '': 'object'.
    size_wh : (int, int)
        Of the frames [px].

    """

    def __init__(
        self, folder: Path, labels: Mapping[int, str], *, size_wh: tuple[int, int]
    ) -> None:
        self._path = folder / COCO_FILE
        self._part = folder / f'{COCO_FILE}.part'
        self._rest = folder / f'{COCO_FILE}.rest'
        self._names = {object_id: label or _UNNAMED for object_id, label in labels.items()}
        names = sorted(set(self._names.values()))
        self._categories = {name: number for number, name in enumerate(names, 1)}
        self._size_wh = size_wh
        self._count = 0

    def __enter__(self) -> CocoFile:
        self._images = self._part.open('w+', encoding='ascii')
        self._annotations = self._rest.open('w+', encoding='ascii')
        self._images.write('{"images": [')
        return self

    def add(
        self,
        frame: int,
        name: str,
        results: Sequence[ObjectResult],
        masks: Sequence[BoolArray],
    ) -> None:
        """Append a frame and those of its objects that have a mask, bool (H, W)."""
        width, height = self._size_wh
        image = {'id': frame, 'file_name': name or f'{frame:06d}', 'width': width}
        self._images.write(f'{"," if frame else ""}\n{json.dumps(image | {"height": height})}')
        for result, mask in zip(results, masks, strict=True):
            box = mask_to_box(mask)
            if box is None:
                continue
            left, top, right, bottom = box
            annotation = {
                'id': self._count + 1,
                'image_id': frame,
                'category_id': self._categories[self._names[result.object_id]],
                'track_id': result.object_id,
                'segmentation': {'size': list(mask.shape), 'counts': result.counts},
                # From a pixel's corner, where the core counts from its centre.
                'bbox': [left + 0.5, top + 0.5, right - left, bottom - top],
                'area': int(np.count_nonzero(mask)),
                'iscrowd': 0,
                'score': round(result.score, _DIGITS),
            }
            self._annotations.write(f'{"," if self._count else ""}\n{json.dumps(annotation)}')
            self._count += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._images, self._annotations:
            if kind is None:
                categories = [{'id': i, 'name': name} for name, i in self._categories.items()]
                self._images.write('\n], "annotations": [')
                self._annotations.seek(0)
                shutil.copyfileobj(self._annotations, self._images)
                self._images.write(f'\n], "categories": {json.dumps(categories)}}}\n')
        self._rest.unlink(missing_ok=True)
        if kind is None:
            self._part.replace(self._path)
