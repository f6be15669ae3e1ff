# SPDX-License-Identifier: Apache-2.0
"""Embeddings of the last images: an image is embedded once, however often it is prompted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from sam_common.types import UInt8Array
from sam_segmentation.core.segmenter import Embedding, Segmenter


class EmbeddingCache:
    """The embeddings used last, at most `capacity`; to be used by one thread.

    Parameters
    ----------
    segmenter : Segmenter
    capacity : int
        At least 1.

    Attributes
    ----------
    hits, misses : int
        How often an embedding was there, or had to be made.

    """

    def __init__(self, segmenter: Segmenter, capacity: int) -> None:
        self._segmenter = segmenter
        self._capacity = capacity
        self._embeddings: OrderedDict[Hashable, Embedding] = OrderedDict()
        self.hits = 0
        self.misses = 0

    def get(self, key: Hashable, image_rgb: Callable[[], UInt8Array]) -> Embedding:
        """Return the embedding of the image known as `key`, making it if it is not there.

        Parameters
        ----------
        key : hashable
            Equal for equal images only.
        image_rgb : callable
            Returns the image, uint8 (H, W, 3); called only when the embedding has to be made.

        """
        if key in self._embeddings:
            self.hits += 1
            self._embeddings.move_to_end(key)
            return self._embeddings[key]
        self.misses += 1
        # Room is made first: on a GPU the memory may be needed for the new one.
        while len(self._embeddings) >= self._capacity:
            self._embeddings.popitem(last=False)
        embedding = self._segmenter.embed(image_rgb())
        self._embeddings[key] = embedding
        return embedding

    def clear(self) -> None:
        """Forget every embedding."""
        self._embeddings.clear()
