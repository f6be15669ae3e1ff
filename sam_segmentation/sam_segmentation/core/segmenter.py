# SPDX-License-Identifier: Apache-2.0
"""What every promptable model offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sam_common.errors import ImageError
from sam_common.images import check_image
from sam_common.scored_mask import ScoredMask
from sam_common.steps import Steps, finish
from sam_common.types import UInt8Array
from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import MAX_REFINE_ROUNDS, Prompt

if TYPE_CHECKING:
    from sam_segmentation.core.tracker import Tracker
    from sam_segmentation.core.tracker_options import TrackerOptions

MAX_POINTS_PER_SIDE = 64


@dataclass(frozen=True, eq=False)
class Embedding:
    """An image as one model has prepared it: made once, prompted often.

    Parameters
    ----------
    size_wh : (int, int)
        Width and height of the image [px].
    model : str
        Name of the model that made it; no other model can read it.
    data : object
        The model's own representation.

    Examples
    --------
    >>> import numpy as np
    >>> from sam_segmentation import load_segmenter
    >>> embedding = load_segmenter('grabcut').embed(np.zeros((48, 64, 3), np.uint8))
    >>> embedding.model, embedding.size_wh
    ('grabcut', (64, 48))

    """

    size_wh: tuple[int, int]
    model: str
    data: Any


@dataclass(frozen=True, kw_only=True)
class EverythingOptions:
    """How densely to look for objects without a prompt, and which masks to keep.

    Parameters
    ----------
    points_per_side : int
        Side of the square grid of points that are tried [1-64].
    pred_iou_thresh : float
        Masks with a lower score are dropped [0-1].
    stability_score_thresh : float
        Masks that change more when the threshold moves are dropped [0-1].
    min_mask_region_area : int
        Islands and holes smaller than this are removed [px]; 0: none.

    Raises
    ------
    PromptError
        If a value is outside its range.

    Examples
    --------
    >>> EverythingOptions(points_per_side=8).min_mask_region_area
    100

    """

    points_per_side: int = 16
    pred_iou_thresh: float = 0.8
    stability_score_thresh: float = 0.9
    min_mask_region_area: int = 100

    def __post_init__(self) -> None:
        if not 1 <= self.points_per_side <= MAX_POINTS_PER_SIDE:
            raise PromptError(
                f'points_per_side is {self.points_per_side}; give 1 to {MAX_POINTS_PER_SIDE}'
            )
        for name in ('pred_iou_thresh', 'stability_score_thresh'):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise PromptError(f'{name} is {getattr(self, name):g}; give 0 to 1')
        if self.min_mask_region_area < 0:
            raise PromptError(
                f'min_mask_region_area is {self.min_mask_region_area}; give 0 or more pixels'
            )


class Segmenter(ABC):
    """A model that answers prompts on an image.

    Not thread-safe: one thread at a time calls it.

    Attributes
    ----------
    name : str
        Canonical name of the model.
    device : str
        Where it runs, as torch names it: 'cpu', 'cuda:0'.

    Examples
    --------
    >>> import numpy as np
    >>> from sam_segmentation import Prompt, load_segmenter
    >>> image_rgb = np.full((120, 160, 3), 40, np.uint8)
    >>> image_rgb[30:90, 50:110] = (220, 60, 40)
    >>> segmenter = load_segmenter('grabcut')
    >>> embedding = segmenter.embed(image_rgb)
    >>> best = segmenter.segment(embedding, Prompt(box_xyxy=(45, 25, 115, 95)))[0]
    >>> bool(best.mask[60, 80]), bool(best.mask[5, 5])
    (True, False)

    """

    name: str
    device: str = 'cpu'

    def embed(self, image_rgb: UInt8Array) -> Embedding:
        """Prepare an image for prompts.

        Parameters
        ----------
        image_rgb : array of uint8, shape (H, W, 3)

        Raises
        ------
        ImageError
            If the array is of another type or shape, or has no pixels.
        DeviceError
            If the device runs out of memory.

        """
        check_image(image_rgb)
        height, width = image_rgb.shape[:2]
        return Embedding((width, height), self.name, self._embed(image_rgb))

    def segment(
        self,
        embedding: Embedding,
        prompt: Prompt,
        *,
        multimask: bool = False,
        refine_rounds: int = 0,
    ) -> list[ScoredMask]:
        """Answer one prompt.

        Parameters
        ----------
        embedding : Embedding
            From this model's `embed`.
        prompt : Prompt
            In pixels of the embedded image.
        multimask : bool
            Whether to give every candidate that the model has, instead of the one it is meant for.
        refine_rounds : int
            Refinement passes that feed each predicted mask back [0-3].

        Returns
        -------
        list of ScoredMask
            Best first; at least one.

        Raises
        ------
        PromptError
            If the prompt does not fit the image, or the model cannot read that kind.
        DeviceError
            If the device runs out of memory.

        """
        self._check_own(embedding)
        if not 0 <= refine_rounds <= MAX_REFINE_ROUNDS:
            raise PromptError(f'refine_rounds is {refine_rounds}; give 0 to {MAX_REFINE_ROUNDS}')
        if prompt.text:
            raise PromptError(
                f'{self.name} reads no text ({prompt.text!r}); give points, a box or a mask'
            )
        prompt.check_fits(embedding.size_wh)
        masks = self._segment(embedding, prompt, multimask)
        for _ in range(refine_rounds):
            masks = [self._refined(embedding, prompt, mask) for mask in masks]
        return sorted(masks, key=lambda mask: mask.score, reverse=True)

    def segment_everything(
        self, embedding: Embedding, options: EverythingOptions
    ) -> list[ScoredMask]:
        """Find every object without a prompt.

        Parameters
        ----------
        embedding : Embedding
            From this model's `embed`.
        options : EverythingOptions

        Returns
        -------
        list of ScoredMask
            Largest area first.

        Raises
        ------
        DeviceError
            If the device runs out of memory.
        TooLargeError
            If the masks found would take too much memory.

        """
        return finish(self.everything_steps(embedding, options))

    def everything_steps(
        self, embedding: Embedding, options: EverythingOptions
    ) -> Steps[list[ScoredMask]]:
        """Return `segment_everything` in parts: between two of them the model may do other work.

        A part lasts `Pace.PART_S` and a step of the model more. Parameters, result and errors are
        those of `segment_everything`.
        """
        self._check_own(embedding)
        masks = yield from self._everything_steps(embedding, options)
        return sorted(masks, key=lambda mask: mask.area, reverse=True)

    def make_tracker(self, options: TrackerOptions) -> Tracker | None:
        """Return a tracker on this model's own memory; None: it has none.

        It shares the model: neither runs while the other does. `models.registry.make_tracker`
        gives a model without a memory one that follows by optical flow.
        """
        return None

    def close(self) -> None:  # noqa: B027  (most models have nothing to free)
        """Free the model's memory; the segmenter cannot be used afterwards."""

    def _check_own(self, embedding: Embedding) -> None:
        if embedding.model != self.name:
            raise ImageError(
                f'the embedding was made by {embedding.model!r}, not by {self.name!r}; embed anew'
            )

    def _refined(self, embedding: Embedding, prompt: Prompt, mask: ScoredMask) -> ScoredMask:
        if not mask.area:
            return mask
        if mask.logits is not None:
            again = replace(prompt, mask=None, logits=mask.logits)
        else:
            again = replace(prompt, mask=mask.mask, logits=None)
        return self._segment(embedding, again, False)[0]

    @abstractmethod
    def _embed(self, image_rgb: UInt8Array) -> Any:
        """Return `Embedding.data` of a checked image."""

    @abstractmethod
    def _segment(
        self, embedding: Embedding, prompt: Prompt, multimask: bool
    ) -> Sequence[ScoredMask]:
        """Answer a checked prompt, best first."""

    @abstractmethod
    def _everything_steps(
        self, embedding: Embedding, options: EverythingOptions
    ) -> Steps[Sequence[ScoredMask]]:
        """Find every object in an image of this model's, in any order, in parts."""
