# SPDX-License-Identifier: Apache-2.0
"""Non-maximum suppression in NumPy, registered as the operator `torchvision::nms` for the CPU."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

# What is registered lasts as long as this object.
_library: torch.library.Library | None = None


def define_operators() -> None:
    """Register `torchvision::nms`, and the name of `torchvision::qnms` that its import needs."""
    global _library
    if _library is not None:
        return
    # torch.library has no type hints, hence Any.
    library: Any = torch.library.Library('torchvision', 'FRAGMENT')  # type: ignore[no-untyped-call]
    arguments = '(Tensor dets, Tensor scores, float iou_threshold) -> Tensor'
    library.define(f'nms{arguments}')
    library.define(f'qnms{arguments}')
    library.impl('nms', nms, 'CPU')
    _library = library


def operators_defined() -> bool:
    """Tell whether `define_operators` was called."""
    return _library is not None


def assert_has_ops() -> None:
    """Stand where torchvision.ops.boxes asks whether the compiled operators were loaded."""


def nms(dets: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Keep the best of boxes that overlap.

    Parameters
    ----------
    dets : torch.Tensor, shape (N, 4), floating point
        Boxes as (x1, y1, x2, y2).
    scores : torch.Tensor, shape (N,), floating point
    iou_threshold : float
        A box goes if its IoU with a better one that stays is greater than this.

    Returns
    -------
    torch.Tensor, shape (K,), int64
        Indices of what stays, best first; equal scores keep their order.

    Raises
    ------
    RuntimeError
        On other shapes, or numbers that aren't floating point: as the compiled operator.
    """
    if dets.dim() != 2 or dets.size(1) != 4:
        raise RuntimeError(f'boxes should have shape (N, 4), got {tuple(dets.shape)}')
    if scores.shape != dets.shape[:1]:
        raise RuntimeError(
            f'scores should have shape ({dets.size(0)},), one per box, got {tuple(scores.shape)}'
        )
    if not dets.is_floating_point():
        raise RuntimeError(f'nms is not implemented for boxes of {dets.dtype}; use float32')
    order = torch.sort(scores.detach(), stable=True, descending=True).indices
    boxes = dets.detach()[order]
    if boxes.dtype != torch.float64:
        boxes = boxes.float()
    return order[torch.from_numpy(_keep_sorted(boxes.numpy(), iou_threshold))]


def _keep_sorted(
    boxes: npt.NDArray[np.floating[Any]], iou_threshold: float
) -> npt.NDArray[np.int64]:
    """Return the positions that stay of (N, 4) boxes, which are sorted best first."""
    x1, y1, x2, y2 = np.ascontiguousarray(boxes.T)
    areas = (x2 - x1) * (y2 - y1)
    rest = np.arange(len(boxes))
    kept: list[int] = []
    with np.errstate(divide='ignore', invalid='ignore'):  # two boxes of no area: IoU is NaN
        while rest.size:
            best, rest = rest[0], rest[1:]
            kept.append(best)
            width = np.minimum(x2[best], x2[rest]) - np.maximum(x1[best], x1[rest])
            height = np.minimum(y2[best], y2[rest]) - np.maximum(y1[best], y1[rest])
            common = np.maximum(width, 0) * np.maximum(height, 0)
            iou = common / (areas[best] + areas[rest] - common)
            # Compared in double, as the compiled operator does: the float32 nearest to a
            # threshold may lie on its other side.
            rest = rest[~(iou.astype(np.float64) > iou_threshold)]
    return np.array(kept, dtype=np.int64)
