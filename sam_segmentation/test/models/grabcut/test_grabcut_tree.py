# SPDX-License-Identifier: Apache-2.0
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sam_segmentation.models.grabcut.region_tree import connected, merge
from sam_segmentation.models.grabcut.regions import Regions


def grid_regions(rows, columns):
    """Return a grid of regions of one pixel each."""
    labels = np.arange(rows * columns).reshape(rows, columns)
    beside = np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], axis=1)
    below = np.stack([labels[:-1].ravel(), labels[1:].ravel()], axis=1)
    pairs = np.concatenate([beside, below])
    count = labels.size
    return Regions(
        labels=labels,
        area=np.ones(count),
        rim=np.zeros(count),
        traits=np.zeros((count, 14)),
        pairs=pairs,
        length=np.ones(len(pairs)),
        edges=np.zeros((len(pairs), 5)),
    )


grids = st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**16))


@settings(deadline=None)
@given(grid=grids)
def test_everything_that_touches_ends_in_one_root(grid):
    rows, columns, seed = grid
    regions = grid_regions(rows, columns)
    tree = merge(regions, np.random.default_rng(seed).random(len(regions.pairs)))
    assert (tree.parent < 0).sum() == 1
    assert sorted(tree.order) == list(range(regions.count))
    for leaf in range(regions.count):
        chain = tree.ancestors(leaf)
        sizes = [len(tree.leaves(node)) for node in chain]
        assert sizes == sorted(set(sizes))
        assert sizes[0] == 1
        assert sizes[-1] == regions.count
        assert all(leaf in tree.leaves(node) for node in chain)
        heights = tree.height[chain].tolist()
        assert heights == sorted(heights)


@settings(deadline=None)
@given(grid=grids, level=st.floats(0, 1))
def test_a_cut_joins_exactly_what_merged_below_its_level(grid, level):
    rows, columns, seed = grid
    regions = grid_regions(rows, columns)
    tree = merge(regions, np.random.default_rng(seed).random(len(regions.pairs)))
    groups = tree.cut(level)
    for leaf in range(regions.count):
        assert ((tree.height_above(leaf) <= level) == (groups == groups[leaf])).all()


def test_the_closest_pair_merges_first():
    tree = merge(grid_regions(1, 3), np.array([0.9, 0.1]))
    assert tree.height_above(1).tolist() == [0.9, 0.0, 0.1]


def test_connected_follows_chains_in_any_order():
    pairs = np.array([(4, 3), (0, 5), (3, 5), (1, 2)])
    assert connected(7, pairs).tolist() == [0, 1, 1, 0, 0, 0, 2]
    assert connected(3, np.zeros((0, 2), np.int64)).tolist() == [0, 1, 2]
