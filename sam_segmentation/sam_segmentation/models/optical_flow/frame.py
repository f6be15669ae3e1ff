# SPDX-License-Identifier: Apache-2.0
"""One frame as the flow tracker sees it: what all objects share is worked out once."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sam_common.scored_mask import ScoredMask
from sam_common.types import BoolArray, FloatArray, UInt8Array
from sam_segmentation.core.prompt import Prompt
from sam_segmentation.core.segmenter import Embedding, Segmenter
from sam_segmentation.models.optical_flow.color_histogram import ColorHistogram, find_bins
from sam_segmentation.models.optical_flow.flow import FlowField, find_flow, shrink_grey
from sam_segmentation.models.optical_flow.window import shrink_mask


class FlowFrame:
    """One frame.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    before : array of uint8, shape (h, w), or None
        The small grey image of the frame before; None: it is not known.
    segmenter : Segmenter

    """

    def __init__(
        self, image_rgb: UInt8Array, before: UInt8Array | None, segmenter: Segmenter
    ) -> None:
        self.image_rgb = image_rgb
        self.size_wh = (image_rgb.shape[1], image_rgb.shape[0])
        self.grey = shrink_grey(image_rgb)
        self.bins = find_bins(image_rgb)
        self._before = before
        self._segmenter = segmenter

    @cached_property
    def flow(self) -> FlowField | None:
        """The flow from the frame before; None where that is not known."""
        if self._before is None:
            return None
        return find_flow(self._before, self.grey, self.size_wh)

    @cached_property
    def camera_motion(self) -> FloatArray:
        """How most of the image moved, as `FlowField.motion_of` returns it."""
        found = self.flow.motion_of(None) if self.flow is not None else None
        return np.eye(2, 3) if found is None else found[0]

    @cached_property
    def histogram(self) -> ColorHistogram:
        """How the whole image looks."""
        histogram = ColorHistogram.of(self.bins, np.ones(self.bins.shape, bool))
        if histogram is None:
            raise RuntimeError('a checked image has pixels')
        return histogram

    @cached_property
    def embedding(self) -> Embedding:
        """The frame prepared for prompts, once."""
        return self._segmenter.embed(self.image_rgb)

    def segment(self, prompt: Prompt, *, refine_rounds: int = 0) -> ScoredMask:
        """Return the segmenter's answer to a prompt on the frame."""
        return self._segmenter.segment(self.embedding, prompt, refine_rounds=refine_rounds)[0]

    def shrink(self, mask: BoolArray) -> BoolArray:
        """Return a mask of the frame at the size in which colours are counted."""
        return shrink_mask(mask, (self.bins.shape[1], self.bins.shape[0]))
