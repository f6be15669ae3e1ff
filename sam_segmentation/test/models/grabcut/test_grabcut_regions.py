# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from sam_segmentation.models.grabcut.regions import (
    CENTRE,
    CHROMA,
    find_superpixels,
    merged,
    pair_features,
)


def halves(width=40, height=30, *, right=(40, 60, 170)):
    image = np.full((height, width, 3), (170, 150, 120), np.uint8)
    image[:, width // 2 :] = right
    return image


def test_superpixels_cover_the_image_and_keep_to_an_edge_within_a_pixel():
    regions = find_superpixels(halves(), 7)
    assert sorted(np.unique(regions.labels)) == list(range(regions.count))
    assert regions.area.sum() == 40 * 30
    left, right = regions.labels[:, :19], regions.labels[:, 21:]
    assert not set(np.unique(left)) & set(np.unique(right))


def test_borders_between_superpixels_are_counted_once():
    regions = find_superpixels(halves(), 7)
    labels = regions.labels
    expected = (labels[:, 1:] != labels[:, :-1]).sum() + (labels[1:] != labels[:-1]).sum()
    assert regions.length.sum() == expected
    assert (regions.pairs[:, 0] < regions.pairs[:, 1]).all()


def test_merging_keeps_area_centre_and_rim():
    regions = find_superpixels(halves(), 7)
    whole = merged(regions, np.zeros(regions.count, np.int64))
    assert whole.area.tolist() == [40 * 30]
    assert whole.traits[0, CENTRE] == pytest.approx([19.5, 14.5])
    assert whole.rim.sum() == regions.rim.sum()
    assert pair_features(whole).shape == (0, 22)


def test_a_shadow_leaves_chroma_nearly_as_it_is():
    image = halves(right=(85, 75, 60))  # half the light
    regions = find_superpixels(image, 7)
    lit, dark = regions.labels[15, 2], regions.labels[15, 37]
    gap = np.abs(regions.traits[lit, CHROMA] - regions.traits[dark, CHROMA]).max()
    other = find_superpixels(halves(), 7)
    lit, blue = other.labels[15, 2], other.labels[15, 37]
    assert gap < 0.1 * np.abs(other.traits[lit, CHROMA] - other.traits[blue, CHROMA]).max()


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (9, 1), (2, 2), (8, 8)])
def test_tiny_images_have_regions(size):
    regions = find_superpixels(np.full((*size, 3), 9, np.uint8), 7)
    assert regions.area.sum() == size[0] * size[1]
    assert np.isfinite(regions.traits).all()
