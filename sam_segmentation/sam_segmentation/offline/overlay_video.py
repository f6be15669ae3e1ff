# SPDX-License-Identifier: Apache-2.0
"""An MP4 of frames with their masks drawn over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from sam_common.types import UInt8Array
from sam_segmentation.offline.errors import OutputError


class OverlayVideo:
    """An MP4 that appears under its name when it is whole.

    Parameters
    ----------
    path : path
    size_wh : (int, int)
        Of the frames [px]; where a side is odd, the last column or row is left out.
    fps : float

    Raises
    ------
    OutputError
        If OpenCV cannot write it.

    """

    def __init__(self, path: Path, *, size_wh: tuple[int, int], fps: float) -> None:
        self._path = path
        self._part = path.with_name(f'{path.stem}.part{path.suffix}')
        # The codec shares colours between pairs of pixels.
        self._even_wh = (size_wh[0] // 2 * 2, size_wh[1] // 2 * 2)
        codec = cv2.VideoWriter.fourcc(*'mp4v')
        self._writer: Any = None
        if all(self._even_wh):
            self._writer = cv2.VideoWriter(str(self._part), codec, fps, self._even_wh)
        if self._writer is None or not self._writer.isOpened():
            raise OutputError(
                f'OpenCV cannot write {path}, {size_wh[0]} x {size_wh[1]} px; leave the video '
                'out by --no-overlay'
            )

    def add(self, image_rgb: UInt8Array) -> None:
        """Append a frame, uint8 (H, W, 3)."""
        width, height = self._even_wh
        self._writer.write(cv2.cvtColor(image_rgb[:height, :width], cv2.COLOR_RGB2BGR))

    def close(self) -> None:
        """Finish the file; raises OutputError if nothing was written."""
        self._writer.release()
        if not self._part.is_file() or not self._part.stat().st_size:
            raise OutputError(f'{self._path} could not be written; is the disk full?')
        self._part.replace(self._path)
