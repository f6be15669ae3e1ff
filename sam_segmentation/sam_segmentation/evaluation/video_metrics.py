# SPDX-License-Identifier: Apache-2.0
"""How well objects are followed through a video; fed frame by frame, in constant memory.

J and F are those of DAVIS 2017 (Perazzi et al., CVPR 2016; Pont-Tuset et al., arXiv 1704.00675) as
its semi-supervised evaluation takes them: of each object the mean over all frames but the first,
which is prompted, and the last; then the mean over the objects of all videos alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import BoolArray
from sam_segmentation.evaluation.mask_metrics import mask_iou

BOUNDARY_TOLERANCE = 0.008
MATCH_IOU = 0.5


def boundary_accuracy(
    mask: BoolArray, truth: BoolArray, *, tolerance: float = BOUNDARY_TOLERANCE
) -> float:
    """Return the boundary accuracy F of DAVIS [0-1].

    The boundary is every pixel that differs from its right, lower or lower right neighbour, in and
    beside the mask; the image's border is none. Precision is the share of the mask's boundary
    pixels with one of the truth's in a disk round them, recall the reverse, F their harmonic mean.
    This stands in for a bipartite matching of both boundaries, as in the official evaluation. It
    differs from `metrics.boundary_f1` in what a boundary is and in how far the disk reaches.

    Neither has a boundary: 1, since they agree. Only one has: 0.

    Parameters
    ----------
    mask, truth : array of bool, shape (H, W)
    tolerance : float
        Radius of the disk as a share of the image's diagonal, rounded up to whole pixels [0-1].

    Raises
    ------
    ValueError
        If they differ in shape, are not bool (H, W), or the tolerance is out of range.

    """
    _check(mask, truth)
    if not 0.0 <= tolerance <= 1.0:
        raise ValueError(f'tolerance is {tolerance:g}; give 0 to 1, a share of the diagonal')
    radius = int(np.ceil(tolerance * np.hypot(mask.shape[0], mask.shape[1])))
    window = _window(mask | truth)
    edge, true_edge = _boundary(mask[window]), _boundary(truth[window])
    if not edge.any() or not true_edge.any():
        return 1.0 if edge.any() == true_edge.any() else 0.0
    precision = np.mean(_near(true_edge, radius)[edge])
    recall = np.mean(_near(edge, radius)[true_edge])
    total = precision + recall
    return float(2 * precision * recall / total) if total else 0.0


@dataclass(frozen=True)
class VideoAccuracy:
    """How well masks agree with the truth over a video, or over many.

    Parameters
    ----------
    region : float
        J: the mean of the intersection over the union [0-1].
    boundary : float
        F: the mean boundary accuracy [0-1].

    """

    region: float
    boundary: float

    @property
    def region_and_boundary(self) -> float:
        """J&F: the mean of both [0-1]."""
        return (self.region + self.boundary) / 2


class AccuracyMeter:
    """Takes J and F of one object in one video. A frame in which both are empty counts as 1."""

    def __init__(self) -> None:
        self._frames = 0
        self._sums = np.zeros(2)
        self._newest = np.zeros(2)

    def update(self, mask: BoolArray, truth: BoolArray) -> None:
        """Take the next frame; arrays of bool, shape (H, W); raises ValueError if they differ."""
        values = np.array([mask_iou(mask, truth), boundary_accuracy(mask, truth)])
        if self._frames > 1:  # by now the frame before is neither the first nor the last
            self._sums += self._newest
        self._newest = values
        self._frames += 1

    def result(self) -> VideoAccuracy:
        """Return the means, without the first and the last frame; ValueError below 3 frames."""
        if self._frames < 3:
            raise ValueError(f'{self._frames} frames were given; J and F need at least 3')
        region, boundary = self._sums / (self._frames - 2)
        return VideoAccuracy(float(region), float(boundary))


def mean_accuracy(objects: Iterable[VideoAccuracy]) -> VideoAccuracy:
    """Return the mean over objects, each counted alike; ValueError if there is none."""
    values = [(item.region, item.boundary) for item in objects]
    if not values:
        raise ValueError('there is no object to take the mean of')
    region, boundary = np.mean(values, axis=0)
    return VideoAccuracy(float(region), float(boundary))


class IdSwitchMeter:
    """Counts id switches in one video, as CLEAR MOT does (Bernardin and Stiefelhagen, 2008).

    In each frame, a true object that is seen is matched with at most one id, whose mask covers it
    with an IoU of at least `match_iou`, and an id with at most one object. What was matched with
    each other last stays so while it can; the rest is matched best IoU first (CLEAR MOT minimises
    the total distance instead). A switch is an object that is matched with another id than the
    last one it was matched with, however long ago.

    Parameters
    ----------
    match_iou : float
        [0-1]

    Attributes
    ----------
    switches : dict of int to int
        By true object; those that were never matched are left out.

    """

    def __init__(self, *, match_iou: float = MATCH_IOU) -> None:
        self.switches: dict[int, int] = {}
        self._match_iou = match_iou
        self._matched: dict[int, int] = {}

    def update(self, masks: Mapping[int, BoolArray], truths: Mapping[int, BoolArray]) -> None:
        """Take the next frame.

        Parameters
        ----------
        masks : mapping of int to array of bool, shape (H, W)
            Of each id that is followed.
        truths : mapping of int to array of bool, shape (H, W)
            Of each true object; empty while it is not seen.

        Raises
        ------
        ValueError
            If they differ in shape, or are not bool (H, W).

        """
        candidates = []
        for object_id, truth in truths.items():
            for mask_id, mask in masks.items():
                value = mask_iou(mask, truth)
                if value >= self._match_iou and truth.any():
                    kept = self._matched.get(object_id) == mask_id
                    candidates.append((kept, value, object_id, mask_id))
        taken: set[int] = set()
        done: set[int] = set()
        for _, _, object_id, mask_id in sorted(candidates, reverse=True):
            if object_id in done or mask_id in taken:
                continue
            done.add(object_id)
            taken.add(mask_id)
            switched = self._matched.get(object_id, mask_id) != mask_id
            self.switches[object_id] = self.switches.get(object_id, 0) + switched
            self._matched[object_id] = mask_id

    @property
    def total(self) -> int:
        """How many switches there were."""
        return sum(self.switches.values())


@dataclass(frozen=True)
class Recovery:
    """How often an object was found again.

    Parameters
    ----------
    events : int
        How often it disappeared and came back.
    recovered : int
        After how many of these it was followed again.

    """

    events: int
    recovered: int

    @property
    def rate(self) -> float:
        """The share that was recovered [0-1]; NaN where nothing disappeared."""
        return self.recovered / self.events if self.events else float('nan')

    def __add__(self, other: Recovery) -> Recovery:
        return Recovery(self.events + other.events, self.recovered + other.recovered)


class RecoveryMeter:
    """Counts how often one object, once hidden, is found again under its id.

    It has disappeared when no pixel of it is seen, and is back when `min_area_px` are. It counts
    as recovered if in that frame or one of the next `within_frames - 1` the mask of its id covers
    it with an IoU of at least `match_iou`. One that disappears anew before that counts as it
    stands then; one whose frames are not over when the video ends counts not at all.

    Parameters
    ----------
    within_frames : int
        1 and up.
    min_area_px : int
        1 and up [px].
    match_iou : float
        [0-1]

    """

    def __init__(
        self, *, within_frames: int, min_area_px: int = 1, match_iou: float = MATCH_IOU
    ) -> None:
        if within_frames < 1 or min_area_px < 1:
            raise ValueError(
                f'within_frames is {within_frames} and min_area_px {min_area_px}; give 1 or more'
            )
        self._within_frames = within_frames
        self._min_area_px = min_area_px
        self._match_iou = match_iou
        self._was_seen = self._is_hidden = False
        self._frames_left = 0
        self._best_iou = 0.0
        self._result = Recovery(0, 0)

    def update(self, mask: BoolArray, truth: BoolArray) -> None:
        """Take the next frame; arrays of bool, shape (H, W); raises ValueError if they differ."""
        value = mask_iou(mask, truth)
        area = int(np.count_nonzero(truth))
        if not area:
            if self._frames_left:
                self._decide()
            self._is_hidden = self._was_seen
            return
        self._was_seen = self._was_seen or area >= self._min_area_px
        if self._is_hidden and area >= self._min_area_px:
            self._is_hidden = False
            self._frames_left, self._best_iou = self._within_frames, 0.0
        if self._frames_left:
            self._best_iou = max(self._best_iou, value)
            self._frames_left -= 1
            if not self._frames_left:
                self._decide()

    def result(self) -> Recovery:
        """Return what was counted so far."""
        return self._result

    def _decide(self) -> None:
        self._frames_left = 0
        self._result += Recovery(1, int(self._best_iou >= self._match_iou))


def _window(mask: BoolArray) -> tuple[slice, slice]:
    """Return where a mask and the pixels beside it lie; all else has no boundary."""
    slices = []
    for axis in (1, 0):
        used = np.flatnonzero(mask.any(axis=axis))
        slices.append(slice(max(0, used[0] - 1), used[-1] + 2) if len(used) else slice(0, 1))
    return slices[0], slices[1]


def _boundary(mask: BoolArray) -> BoolArray:
    padded = np.pad(mask, ((0, 1), (0, 1)), mode='edge')
    right, below, aslant = padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    return np.asarray((mask ^ right) | (mask ^ below) | (mask ^ aslant))


def _near(edge: BoolArray, radius: int) -> BoolArray:
    """Return which pixels have one of an edge's in a disk of this radius [px] round them."""
    steps = np.arange(-radius, radius + 1)
    disk = (steps**2 + steps[:, None] ** 2 <= radius**2).astype(np.uint8)
    return np.asarray(cv2.dilate(edge.astype(np.uint8), disk) > 0)


def _check(mask: BoolArray, truth: BoolArray) -> None:
    if mask.ndim != 2 or mask.shape != truth.shape or not mask.dtype == truth.dtype == np.bool_:
        raise ValueError(
            f'mask is {mask.dtype} {mask.shape} and truth {truth.dtype} {truth.shape}; '
            'give two bool (H, W) of the same image'
        )
