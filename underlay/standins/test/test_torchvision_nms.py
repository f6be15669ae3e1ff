# SPDX-License-Identifier: Apache-2.0
"""torchvision works beside a CPU torch, and costs nothing until it is imported."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st


def brute_force_nms(boxes, scores, threshold):
    """All pairs, one by one, in double precision."""
    order = sorted(range(len(boxes)), key=lambda i: -scores[i])
    kept = []
    for i in order:
        if all(iou(boxes[i], boxes[j]) <= threshold for j in kept):
            kept.append(i)
    return kept


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common
    return common / union if union else 0.0


# Whole numbers, so that boxes touch, coincide, have no area, and scores tie.
BOX = st.tuples(*[st.integers(0, 8)] * 4).map(
    lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[0], b[2]), max(b[1], b[3]))
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(BOX, st.integers(0, 4)), max_size=25),
    # Not themselves quotients of small whole numbers: those are below.
    st.sampled_from([0.0, 0.1234, 0.3579, 0.51234, 0.7531, 1.0]),
)
def test_nms_equals_brute_force(items, threshold):
    boxes = [box for box, _ in items]
    scores = [float(score) for _, score in items]

    kept = torchvision.ops.nms(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(scores), threshold
    )

    assert kept.dtype == torch.int64
    assert kept.tolist() == brute_force_nms(boxes, scores, threshold)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
def test_iou_equal_to_the_threshold_stays(dtype):
    boxes = torch.tensor([[0, 0, 4, 4], [0, 0, 4, 2], [0, 0, 4, 1]], dtype=dtype)
    scores = torch.tensor([3, 2, 1], dtype=dtype)

    assert torchvision.ops.nms(boxes, scores, 0.5).tolist() == [0, 1, 2]
    assert torchvision.ops.nms(boxes, scores, 0.4999).tolist() == [0, 2]


def test_batched_nms_keeps_categories_apart():
    rng = np.random.default_rng(1)
    corners = rng.uniform(0, 50, (1500, 2))
    boxes = np.hstack([corners, corners + rng.uniform(1, 30, (1500, 2))]).astype(np.float32)
    scores = rng.permutation(1500).astype(np.float32)
    kinds = rng.integers(0, 3, 1500)
    expected = [
        i
        for kind in range(3)
        for i in np.flatnonzero(kinds == kind)[
            brute_force_nms(boxes[kinds == kind].tolist(), scores[kinds == kind].tolist(), 0.5)
        ]
    ]

    kept = torchvision.ops.batched_nms(
        torch.from_numpy(boxes), torch.from_numpy(scores), torch.from_numpy(kinds), 0.5
    )

    assert kept.tolist() == sorted(expected, key=lambda i: -scores[i])


def test_wrong_shapes_are_errors():
    with pytest.raises(RuntimeError, match=r'\(2, 3\)'):
        torchvision.ops.nms(torch.zeros(2, 3), torch.zeros(2), 0.5)
    with pytest.raises(RuntimeError, match=r'\(3,\)'):
        torchvision.ops.nms(torch.zeros(2, 4), torch.zeros(3), 0.5)


def test_start_of_python_loads_nothing_of_it():
    code = (
        'import sys; print([m for m in sys.modules if m.startswith("torch")],'
        '"TorchvisionFinder" in [getattr(f, "__name__", "") for f in sys.meta_path])'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert result.stdout == '[] True\n'


def test_compiled_operators_are_left_alone():
    code = """
import sys, types, importlib.machinery, importlib.abc

class Loader(importlib.abc.Loader):
    def exec_module(self, module):
        module.__path__ = []
        module._has_ops = lambda: True
        module._assert_has_ops = 'own'

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.startswith('torchvision.') or name == 'torchvision':
            return importlib.machinery.ModuleSpec(name, Loader(), is_package=True)

sys.meta_path.insert(1, Finder)
import torchvision.extension, torchvision.ops.boxes
print(torchvision.ops.boxes._assert_has_ops, 'torchvision_nms' in sys.modules)
"""
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert result.stdout == 'own False\n', result.stderr
