# SPDX-License-Identifier: Apache-2.0
"""What GrabCut keeps of an image: all that no prompt changes, made once."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from sam_common.types import FloatArray, UInt8Array
from sam_segmentation.models.grabcut.ranking import perceptron, sigmoid
from sam_segmentation.models.grabcut.region_tree import MergeTree, connected, merge
from sam_segmentation.models.grabcut.regions import (
    COMMON,
    LAB,
    TEXTURE,
    Regions,
    find_superpixels,
    merged,
    pair_features,
)

WORK_SIDE_PX = 320
CELL_PX = 7
# Superpixels whose seam is less likely than this (log-odds) become one part at once; in a noisy
# image the next level is taken, until few enough are left for prompts to be fast.
SAME_SURFACE = (-6.0, -5.5, -5.0, -4.5, -4.0, -3.5, -3.0, -2.0, -1.0)
MAX_PARTS = 300
# Heights of the first tree at which a part's surroundings are measured.
LEVELS = (0.02, 0.06, 0.15, 0.3, 0.5)


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """An image prepared for prompts.

    Parameters
    ----------
    image_rgb : array of uint8, shape (H, W, 3)
    scale_xy : array of float64, shape (2,)
        Working pixels per image pixel.
    parts : Regions
        Patches of one surface each, of the working image.
    trees : tuple of 2 MergeTree
        By seams alone, and by boundaries of objects.
    objectness : array of float64, shape (n,)
        Log-odds that a part belongs to an object, and not to the table or what is behind.
    boundary : array of float64, shape (m,)
        Log-odds that an object's outline runs between two parts.

    """

    image_rgb: UInt8Array
    scale_xy: FloatArray
    parts: Regions
    trees: tuple[MergeTree, MergeTree]
    objectness: FloatArray
    boundary: FloatArray

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height of the image [px]."""
        return self.image_rgb.shape[1], self.image_rgb.shape[0]

    def to_working(self, points_xy: FloatArray) -> FloatArray:
        """Return image points in working pixels, shape (..., 2)."""
        return np.asarray((points_xy + 0.5) * self.scale_xy - 0.5)

    def parts_at(self, points_xy: FloatArray) -> list[int]:
        """Return the part under each image point."""
        height, width = self.parts.labels.shape
        at = np.floor(self.to_working(points_xy) + 0.5).astype(int)
        at = np.clip(at, 0, (width - 1, height - 1))
        return [int(self.parts.labels[y, x]) for x, y in at]


def prepare(image_rgb: UInt8Array) -> PreparedImage:
    """Return the frame of an image of any size, shape (H, W, 3), uint8."""
    image_rgb = np.array(image_rgb, np.uint8, order='C')
    height, width = image_rgb.shape[:2]
    factor = min(1.0, WORK_SIDE_PX / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = np.asarray(cv2.resize(image_rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    parts, seams = find_parts(find_superpixels(small, CELL_PX))
    by_seams = merge(parts, sigmoid(seams))
    objectness = perceptron('objectness')(objectness_features(parts, by_seams))
    boundary = perceptron('boundary')(boundary_features(parts, seams, objectness))
    return PreparedImage(
        image_rgb=image_rgb,
        scale_xy=np.array([size[0] / width, size[1] / height]),
        parts=parts,
        trees=(by_seams, merge(parts, sigmoid(boundary))),
        objectness=objectness,
        boundary=boundary,
    )


def find_parts(superpixels: Regions) -> tuple[Regions, FloatArray]:
    """Return superpixels joined where there is no seam, and the seams' log-odds, shape (m,)."""
    seams = perceptron('seam')(pair_features(superpixels))
    for level in SAME_SURFACE:
        groups = connected(superpixels.count, superpixels.pairs[seams < level])
        if groups.max() < MAX_PARTS:
            break
    ends = np.sort(groups[superpixels.pairs], axis=1)
    apart = ends[:, 0] != ends[:, 1]
    count = int(groups.max()) + 1
    _, inverse = np.unique(ends[apart, 0] * count + ends[apart, 1], return_inverse=True)
    length = superpixels.length[apart]
    total = np.bincount(inverse, seams[apart] * length)
    return merged(superpixels, groups), total / np.bincount(inverse, length)


def objectness_features(parts: Regions, tree: MergeTree) -> FloatArray:
    """Return what tells objects from table, wall and floor, shape (n, 18).

    How common a part's colours are in the image, its texture, lightness, size and share of the
    image's border, and the last two of what it has merged into at each level.
    """
    traits, total = parts.traits, parts.area.sum()
    columns = [
        *traits[:, COMMON].T,
        np.log(traits[:, TEXTURE] + 0.3),
        traits[:, LAB.start],
    ]
    for groups in (np.arange(parts.count), *(tree.cut(level) for level in LEVELS)):
        area = np.bincount(groups, parts.area)[groups]
        rim = np.bincount(groups, parts.rim)[groups]
        columns += [np.log(area / total + 1e-4), np.sqrt(rim / parts.rim.sum())]
    return np.stack(columns, axis=1)


def boundary_features(parts: Regions, seams: FloatArray, objectness: FloatArray) -> FloatArray:
    """Return what tells an object's outline from a seam within it, shape (m, 28)."""
    one, other = parts.pairs[:, 0], parts.pairs[:, 1]
    first, second = objectness[one], objectness[other]
    context = np.stack(
        [
            seams,
            np.log(parts.length),
            np.log(np.minimum(parts.area[one], parts.area[other])),
            np.abs(first - second),
            np.maximum(first, second),
            np.minimum(first, second),
        ],
        axis=1,
    )
    return np.concatenate([pair_features(parts), context], axis=1)
