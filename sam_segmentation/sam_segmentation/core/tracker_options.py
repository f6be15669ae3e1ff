# SPDX-License-Identifier: Apache-2.0
"""How to track: what the user decides."""

from __future__ import annotations

from dataclasses import dataclass

from sam_segmentation.core.errors import PromptError
from sam_segmentation.core.prompt import MAX_REFINE_ROUNDS

FIFO, MOTION_AWARE = 'fifo', 'motion_aware'
MEMORY_POLICIES = (FIFO, MOTION_AWARE)
MAX_OBJECTS = 1000


@dataclass(frozen=True, kw_only=True)
class TrackerOptions:
    """How to track.

    Parameters
    ----------
    memory : str
        Which past frames a model with a memory attends to: 'fifo', the last ones, as the official
        SAM 2; 'motion_aware', those in which the object was surely seen, and of several candidate
        masks the one that agrees with the object's motion.
    refine_rounds : int
        Refinement passes that feed the predicted mask of a prompted frame back [0-3].
    max_objects : int
        How many may be tracked at once [1-1000].
    lost_after : int
        Frames in a row without a hit after which an occluded object counts as lost [1-10000].
    fill_hole_area : int
        SAM 2: holes of at most so many pixels, in the model's own low resolution, are filled
        [0-1000]. The official predictor fills up to 8 where its CUDA extension is built.

    Raises
    ------
    PromptError
        If a value is outside its range.

    Examples
    --------
    >>> TrackerOptions(memory='motion_aware', max_objects=8).lost_after
    30

    """

    memory: str = FIFO
    refine_rounds: int = 0
    max_objects: int = 64
    lost_after: int = 30
    fill_hole_area: int = 8

    def __post_init__(self) -> None:
        if self.memory not in MEMORY_POLICIES:
            raise PromptError(
                f'the memory policy is {self.memory!r}; use {" or ".join(MEMORY_POLICIES)}'
            )
        for name, low, high in (
            ('refine_rounds', 0, MAX_REFINE_ROUNDS),
            ('max_objects', 1, MAX_OBJECTS),
            ('lost_after', 1, 10_000),
            ('fill_hole_area', 0, 1000),
        ):
            if not low <= getattr(self, name) <= high:
                raise PromptError(f'{name} is {getattr(self, name)}; give {low} to {high}')
