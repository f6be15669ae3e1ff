# SPDX-License-Identifier: Apache-2.0
"""The tree that results from merging the two regions least apart, again and again."""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np

from sam_common.types import FloatArray, IntArray
from sam_segmentation.models.grabcut.regions import Regions


@dataclass(frozen=True, eq=False)
class MergeTree:
    """Which regions merged into which: leaves 0 to n - 1, then one node per merge.

    Parameters
    ----------
    parent : array of int64, shape (k,)
        -1 for a root.
    height : array of float64, shape (k,)
        How far apart the two halves of a node were, at least as far as within either; 0 for a
        leaf.
    first, last : array of int64, shape (k,)
        A node holds the leaves `order[first:last]`.
    order : array of int64, shape (n,)

    """

    parent: IntArray
    height: FloatArray
    first: IntArray
    last: IntArray
    order: IntArray

    def ancestors(self, leaf: int) -> list[int]:
        """Return the nodes that hold a leaf, smallest first, the leaf itself included."""
        nodes = [leaf]
        while self.parent[nodes[-1]] >= 0:
            nodes.append(int(self.parent[nodes[-1]]))
        return nodes

    def leaves(self, node: int) -> IntArray:
        """Return the leaves of a node."""
        return self.order[self.first[node] : self.last[node]]

    def height_above(self, leaf: int) -> FloatArray:
        """Return the height at which each leaf first joins this one, shape (n,); inf: never."""
        joined = np.full(len(self.order), np.inf)
        for node in reversed(self.ancestors(leaf)):
            joined[self.leaves(node)] = self.height[node]
        return joined

    def cut(self, level: float) -> IntArray:
        """Return the group of each leaf when merging stops at a height, shape (n,)."""
        above = np.where(self.parent < 0, np.inf, self.height[self.parent])
        tops = np.flatnonzero((self.height <= level) & (above > level))
        tops = tops[np.argsort(self.first[tops])]
        groups = np.empty(len(self.order), np.int64)
        groups[self.order] = np.repeat(np.arange(len(tops)), self.last[tops] - self.first[tops])
        return groups


def connected(count: int, pairs: IntArray) -> IntArray:
    """Return the group of each of `count` nodes when these pairs are joined, numbered from 0."""
    root = list(range(count))
    for a, b in pairs.tolist():
        while root[a] != a:
            root[a] = root[root[a]]
            a = root[a]
        while root[b] != b:
            root[b] = root[root[b]]
            b = root[b]
        if a != b:
            root[max(a, b)] = min(a, b)
    for node in range(count):  # a root is never above its members, so it is final when it is read
        root[node] = root[root[node]]
    return np.asarray(np.unique(root, return_inverse=True)[1], np.int64)


def merge(regions: Regions, apart: FloatArray) -> MergeTree:
    """Merge by the mean of `apart`, shape (m,), over the shared border, until nothing touches."""
    count = regions.count
    around: list[dict[int, tuple[float, float]]] = [{} for _ in range(2 * count)]
    heap: list[tuple[float, int, int]] = []
    for (a, b), length, gap in zip(
        regions.pairs.tolist(), regions.length.tolist(), apart.tolist(), strict=True
    ):
        around[a][b] = around[b][a] = (length, length * gap)
        heap.append((gap, a, b))
    heapq.heapify(heap)
    parent = [-1] * (2 * count)
    height = [0.0] * (2 * count)
    children: list[tuple[int, int]] = []
    while heap:
        gap, a, b = heapq.heappop(heap)
        if parent[a] >= 0 or parent[b] >= 0:
            continue
        node = count + len(children)
        children.append((a, b))
        parent[a] = parent[b] = node
        height[node] = max(gap, height[a], height[b])
        mine = around[node]
        for half in (a, b):
            for other, (length, total) in around[half].items():
                if other in (a, b):
                    continue
                had = mine.get(other, (0.0, 0.0))
                mine[other] = (had[0] + length, had[1] + total)
                del around[other][half]
        around[a], around[b] = {}, {}
        for other, shared in mine.items():
            around[other][node] = shared
            heapq.heappush(heap, (shared[1] / shared[0], node, other))
    return _numbered(count, parent, height, children)


def _numbered(
    count: int, parent: list[int], height: list[float], children: list[tuple[int, int]]
) -> MergeTree:
    """Order the leaves so that every node holds a run of them."""
    total = count + len(children)
    first = [0] * total
    order: list[int] = []
    stack = [node for node in range(total) if parent[node] < 0]
    while stack:
        node = stack.pop()
        first[node] = len(order)
        if node < count:
            order.append(node)
        else:
            stack.extend(children[node - count])
    sizes = [1] * count
    for a, b in children:
        sizes.append(sizes[a] + sizes[b])
    return MergeTree(
        parent=np.array(parent[:total], np.int64),
        height=np.array(height[:total], np.float64),
        first=np.array(first, np.int64),
        last=np.array(first, np.int64) + sizes,
        order=np.array(order, np.int64),
    )
