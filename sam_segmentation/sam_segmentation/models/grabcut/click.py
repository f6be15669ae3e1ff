# SPDX-License-Identifier: Apache-2.0
"""From clicks to rough masks: which parts belong together, and how likely each guess is."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import BoolArray, FloatArray
from sam_segmentation.models.grabcut.frame import PreparedImage
from sam_segmentation.models.grabcut.ranking import perceptron, sigmoid
from sam_segmentation.models.grabcut.region_tree import connected
from sam_segmentation.models.grabcut.regions import CENTRE, CHROMA, INTENSITY, LAB, LOG_UNIT

BELONGING_LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
OBJECTNESS_LEVELS = (-2.0, 0.0, 2.0)
# A candidate that covers more of the image than this is no object, while there are others.
LARGEST_SHARE = 0.4
# A part this likely to belong to a click on the object is not claimed by one beside it.
SURE = 0.95
# What a step costs beside the chance of crossing an outline, per working pixel.
STEP_COST = 0.001


@dataclass(frozen=True, eq=False)
class Guess:
    """Parts that may be the object, and the IoU that is expected of them [0-1]."""

    parts: BoolArray
    score: float


def propose(frame: PreparedImage, inside_xy: FloatArray, outside_xy: FloatArray) -> list[Guess]:
    """Return guesses for clicks on an object, and beside it, in image pixels; best first.

    Every guess holds all parts that were clicked on, and none that was clicked beside it.
    """
    leaves = list(dict.fromkeys(frame.parts_at(inside_xy)))
    barred = [leaf for leaf in dict.fromkeys(frame.parts_at(outside_xy)) if leaf not in leaves]
    return guesses_of(frame, leaves, barred, clicked=frame.to_working(inside_xy).mean(axis=0))


def guesses_of(
    frame: PreparedImage,
    leaves: list[int],
    barred: list[int],
    *,
    clicked: FloatArray | None = None,
) -> list[Guess]:
    """Return guesses for parts that belong to an object, and parts that do not; best first.

    Parameters
    ----------
    frame : PreparedImage
    leaves, barred : list of int
        The first not empty, the second none of the first.
    clicked : array of float64, shape (2,), or None
        Where the object was clicked, in working pixels; None: at the middle of its first part.

    """
    chance = np.max([belonging(frame, leaf) for leaf in leaves], axis=0)
    for leaf in barred:
        # What certainly belongs to a click on the object is not given away.
        chance = chance * (1.0 - np.where(chance > SURE, 0.0, belonging(frame, leaf)))
    chance[leaves], chance[barred] = 1.0, 0.0
    parts = candidates(frame, leaves, barred, chance)
    at = frame.parts.traits[leaves[0], CENTRE] if clicked is None else clicked
    scores = sigmoid(perceptron('rank')(rank_features(frame, parts, chance, at)))
    order = np.argsort(-scores, kind='stable')
    return [Guess(parts[index], float(scores[index])) for index in order]


def score_of(frame: PreparedImage, mask: BoolArray) -> float:
    """Return the IoU that is expected of a mask of the image's size, bool (H, W)."""
    labels = frame.parts.labels
    size = labels.shape[1], labels.shape[0]
    small = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
    covered = np.bincount(labels.ravel(), small.ravel(), frame.parts.count)
    member = covered > 0.5 * frame.parts.area
    if not member.any():
        member[covered.argmax()] = True
    start = int(np.where(member, frame.parts.area, 0.0).argmax())
    features = rank_features(
        frame, member[None], belonging(frame, start), frame.parts.traits[start, CENTRE]
    )
    return float(sigmoid(perceptron('rank')(features))[0])


def belonging(frame: PreparedImage, leaf: int) -> FloatArray:
    """Return the chance that each part belongs to the object of a clicked part, shape (n,)."""
    chance = sigmoid(perceptron('belonging')(belonging_features(frame, leaf)))
    chance[leaf] = 1.0
    return chance


def belonging_features(frame: PreparedImage, leaf: int) -> FloatArray:
    """Return what tells whether each part belongs to a clicked one, shape (n, 13)."""
    parts = frame.parts
    gap = np.abs(parts.traits - parts.traits[leaf])
    distance = np.hypot(*gap[:, CENTRE].T)
    same = np.ones(parts.count)
    return np.stack(
        [
            *(np.log(np.minimum(tree.height_above(leaf), 1.0) + 0.01) for tree in frame.trees),
            np.log(_path_cost(frame, leaf) + 0.02),
            frame.objectness,
            frame.objectness[leaf] * same,
            np.log(distance + 5.0),
            np.log(gap[:, LAB.start] + 1.0),
            np.log(np.hypot(gap[:, LAB.start + 1], gap[:, LAB.start + 2]) + 1.0),
            np.log(np.sqrt((gap[:, CHROMA] ** 2).sum(axis=1)) * LOG_UNIT + 1.0),
            gap[:, INTENSITY],
            np.log(parts.area),
            np.log(parts.area[leaf]) * same,
            distance / 100.0,
        ],
        axis=1,
    )


def rank_features(
    frame: PreparedImage, parts: BoolArray, chance: FloatArray, clicked: FloatArray
) -> FloatArray:
    """Return what tells how good each candidate is.

    Parameters
    ----------
    frame : PreparedImage
    parts : array of bool, shape (k, n)
    chance : array of float64, shape (n,)
        That a part belongs to what was clicked on.
    clicked : array of float64, shape (2,)
        In working pixels.

    Returns
    -------
    array of float64, shape (k, 18)

    """
    regions = frame.parts
    member = parts.astype(np.float64)
    objectness, boundary = sigmoid(frame.objectness), sigmoid(frame.boundary)
    area = _sum(member, regions.area)
    expected = _sum(member, regions.area * chance)
    everything = max(float((regions.area * chance).sum()), 1e-6)
    iou = expected / (everything + area - expected)

    one, other = parts[:, regions.pairs[:, 0]], parts[:, regions.pairs[:, 1]]
    outline, inner = (one != other).astype(np.float64), (one & other).astype(np.float64)
    length = regions.length
    around = _sum(outline, length) + 1e-6
    outer = np.where(
        one, objectness[regions.pairs[:, 1]], objectness[regions.pairs[:, 0]]
    )  # objectness of whichever side is not in the candidate; read on the outline only
    rim = _sum(member, regions.rim)
    centre = np.stack(
        [_sum(member, regions.area * axis) / area for axis in regions.traits[:, CENTRE].T], axis=1
    )
    offset = np.hypot(*(centre - clicked).T) / np.sqrt(area)
    left_out = (chance * np.minimum(regions.area, 100.0) / 100.0 * ~parts).max(axis=1)
    return np.stack(
        [
            iou,
            iou**2,
            np.log(area),
            np.log(area) ** 2 / 10.0,
            _sum(outline, length * boundary) / around,
            _sum(outline, length * frame.boundary) / around,
            _sum(outline, length * (boundary < 0.2)) / around,
            _sum(inner, length * boundary) / (_sum(inner, length) + 1e-6),
            np.log(_sum(inner, length * (boundary > 0.5)) / around + 0.1),
            _sum(member, regions.area * objectness) / area,
            np.einsum('km,m->k', outline * outer, length) / around,
            rim / (around + rim),
            np.log(4.0 * np.pi * area / (around + rim) ** 2 + 0.01),
            offset,
            expected / area,
            1.0 - expected / everything,
            left_out,
            np.where(parts, chance, 1.0).min(axis=1),
        ],
        axis=1,
    )


def _sum(member: FloatArray, values: FloatArray) -> FloatArray:
    # No BLAS: its sums may depend on the number of threads, and masks must not.
    return np.asarray(np.einsum('kn,n->k', member, values))


def candidates(
    frame: PreparedImage, leaves: list[int], barred: list[int], chance: FloatArray
) -> BoolArray:
    found: list[BoolArray] = []
    count = frame.parts.count
    for tree in frame.trees:
        chains = [tree.ancestors(leaf) for leaf in leaves]
        for chain in chains:
            # A chain ends where it would take in what was clicked beside the object.
            while len(chain) > 1 and np.isin(tree.leaves(chain[-1]), barred).any():
                chain.pop()
        for level in sorted({float(tree.height[node]) for chain in chains for node in chain}):
            member = np.zeros(count, bool)
            for chain in chains:
                top = [node for node in chain if tree.height[node] <= level][-1]
                member[tree.leaves(top)] = True
            found.append(member)
    for values, levels in (
        (chance, BELONGING_LEVELS),
        (frame.objectness, OBJECTNESS_LEVELS),
    ):
        for level in levels:
            member = values > level
            member[leaves], member[barred] = True, False
            pairs = frame.parts.pairs
            groups = connected(count, pairs[member[pairs].all(axis=1)])
            found.append(member & np.isin(groups, groups[leaves]))
    unique = np.array(list({member.tobytes(): member for member in found}.values()))
    small = _sum(unique.astype(np.float64), frame.parts.area) <= (
        LARGEST_SHARE * frame.parts.area.sum()
    )
    return unique[small] if small.any() else unique


def _path_cost(frame: PreparedImage, leaf: int) -> FloatArray:
    """Return how much outline the easiest path from a part to each one crosses (Dijkstra)."""
    parts = frame.parts
    step = np.hypot(
        *(parts.traits[parts.pairs[:, 0], CENTRE] - parts.traits[parts.pairs[:, 1], CENTRE]).T
    )
    costs = sigmoid(frame.boundary) + STEP_COST * step
    around: list[list[tuple[int, float]]] = [[] for _ in range(parts.count)]
    for (a, b), cost in zip(parts.pairs.tolist(), costs.tolist(), strict=True):
        around[a].append((b, cost))
        around[b].append((a, cost))
    total = [np.inf] * parts.count
    total[leaf] = 0.0
    heap = [(0.0, leaf)]
    while heap:
        reached, node = heapq.heappop(heap)
        if reached > total[node]:
            continue
        for other, cost in around[node]:
            if reached + cost < total[other]:
                total[other] = reached + cost
                heapq.heappush(heap, (reached + cost, other))
    return np.minimum(total, 1e3)
