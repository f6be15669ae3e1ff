# SPDX-License-Identifier: Apache-2.0
"""Fits the small perceptrons of the grabcut backend on development scenes, and writes them.

    python benchmarks/fit_grabcut.py [SCENES]

Takes about five minutes for all 200 scenes of `sam_simulation.camera.dataset.DEVELOPMENT_SEEDS`;
the held-out seeds that accuracy.py measures on are never rendered here. Needs torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from accuracy import MIN_OBJECT_PX, click_in
from fitted import write

from sam_common.types import BoolArray, FloatArray, UInt8Array, UInt16Array
from sam_segmentation.evaluation.mask_metrics import mask_iou
from sam_segmentation.models.grabcut import click as grabcut_click
from sam_segmentation.models.grabcut import cut as grabcut_cut
from sam_segmentation.models.grabcut import frame as gf
from sam_segmentation.models.grabcut import ranking
from sam_segmentation.models.grabcut.ranking import Perceptron, perceptron, perceptrons, sigmoid
from sam_segmentation.models.grabcut.region_tree import merge
from sam_segmentation.models.grabcut.regions import Regions, find_superpixels, pair_features
from sam_simulation.camera.dataset import DEVELOPMENT_SEEDS, frames

TARGET = Path(ranking.__file__).with_name('ranking.json')
PURE_SHARE = 0.7
EXTRA_CLICKS = 3
# A guess of at least this IoU learns from the mask that GrabCut makes of it; others are hopeless.
WORTH_CUTTING = 0.3
QUICK_WINDOW_PX = 6000
NONE_XY: FloatArray = np.zeros((0, 2))


@dataclass
class Scene:
    """A development image with its truth, filled in stage by stage."""

    seed: int
    image: UInt8Array
    labels: UInt16Array
    frame: Any = None
    pixels: Any = None


def pixels_of(regions: Regions, labels: UInt16Array) -> FloatArray:
    """Return how many pixels of each object every region holds, shape (n, ids)."""
    height, width = regions.labels.shape
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST).astype(int)
    ids = int(labels.max()) + 1
    keys = regions.labels.ravel() * ids + small.ravel()
    return np.bincount(keys, minlength=regions.count * ids).reshape(-1, ids).astype(np.float64)


def seam_truth(regions: Regions, pixels: FloatArray) -> tuple[BoolArray, FloatArray]:
    """Return which pairs are pure enough to learn from, and whether an outline parts them."""
    pure = pixels.max(axis=1) > PURE_SHARE * regions.area
    owner = pixels.argmax(axis=1)
    one, other = regions.pairs.T
    return pure[one] & pure[other], (owner[one] != owner[other]).astype(np.float64)


def fit(
    name: str,
    samples: list[tuple[FloatArray, FloatArray, FloatArray]],
    *,
    units: int,
    epochs: int,
    squared: bool = False,
) -> dict[str, float]:
    """Fit one perceptron on (features, targets, weights), use it from now on, return figures."""
    torch.manual_seed(0)
    features, targets, weights = (np.concatenate(column) for column in zip(*samples, strict=True))
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    net = torch.nn.Sequential(
        torch.nn.Linear(features.shape[1], units), torch.nn.Tanh(), torch.nn.Linear(units, 1)
    )
    x, y, w = (
        torch.tensor(values, dtype=torch.float32)
        for values in ((features - mean) / spread, targets, weights / weights.mean())
    )
    loss_of: Callable[..., torch.Tensor] = torch.nn.functional.binary_cross_entropy_with_logits
    optimiser = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(4096):  # type: ignore[no-untyped-call]
            answer = net(x[batch])[:, 0]
            if squared:
                loss = (w[batch] * (torch.sigmoid(answer) - y[batch]) ** 2).mean()
            else:
                loss = loss_of(answer, y[batch], weight=w[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    weights_1, bias_1, weights_2, bias_2 = (
        values.detach().double().numpy() for values in net.parameters()
    )
    hidden = weights_1.T / spread[:, None]
    perceptrons()[name] = Perceptron(
        _rounded(np.vstack([hidden, bias_1 - mean @ hidden])),
        _rounded(np.append(weights_2[0], bias_2)),
    )
    print(f'{name}: {len(x)} samples, last loss {loss.item():.4f}', flush=True)
    return {'samples': len(x), 'last loss': round(loss.item(), 4)}


def _rounded(values: FloatArray) -> FloatArray:
    """Return values with four digits, which is what the file holds."""
    return np.array([float(f'{value:.4g}') for value in values.flat]).reshape(values.shape)


def prepared(scene: Scene) -> Regions:
    """Return the frame, with whatever perceptrons are fitted by now."""
    small = cv2.resize(scene.image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return find_superpixels(np.asarray(small, np.uint8), gf.CELL_PX)


def main() -> None:
    """Fit stage after stage, each on what the stages before it make of the scenes."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    grabcut_cut.MAX_WINDOW_PX = QUICK_WINDOW_PX
    seeds = DEVELOPMENT_SEEDS[: int(sys.argv[1])] if len(sys.argv) > 1 else DEVELOPMENT_SEEDS
    scenes = [
        Scene(seed, frame.image_rgb, frame.labels)
        for seed, (_, frame) in zip(seeds, frames(seeds), strict=True)
    ]
    figures = {'scenes': len(scenes), **fit_scenes(scenes)}
    models = {
        name: {'hidden': each.hidden.tolist(), 'output': each.output.tolist()}
        for name, each in perceptrons().items()
    }
    write(TARGET, models, seeds=seeds, figures=figures)


def fit_scenes(scenes: list[Scene]) -> dict[str, dict[str, float]]:
    """Fit all perceptrons, and return the figures of each."""
    figures: dict[str, dict[str, float]] = {}
    samples = []
    superpixels = [prepared(scene) for scene in scenes]
    for scene, regions in zip(scenes, superpixels, strict=True):
        usable, truth = seam_truth(regions, pixels_of(regions, scene.labels))
        samples.append((pair_features(regions)[usable], truth[usable], regions.length[usable]))
    figures['seam'] = fit('seam', samples, units=12, epochs=12)

    samples, stages = [], []
    for scene, regions in zip(scenes, superpixels, strict=True):
        parts, seams = gf.find_parts(regions)
        scene.pixels = pixels_of(parts, scene.labels)
        tree = merge(parts, sigmoid(seams))
        stages.append((parts, seams, tree))
        on_object = 1.0 - scene.pixels[:, 0] / parts.area
        features = gf.objectness_features(parts, tree)
        samples.append((features, on_object, np.minimum(parts.area, 400.0)))
    figures['objectness'] = fit('objectness', samples, units=10, epochs=60)

    samples = []
    for scene, (parts, seams, tree) in zip(scenes, stages, strict=True):
        objectness = perceptron('objectness')(gf.objectness_features(parts, tree))
        usable, truth = seam_truth(parts, scene.pixels)
        features = gf.boundary_features(parts, seams, objectness)
        samples.append((features[usable], truth[usable], parts.length[usable]))
    figures['boundary'] = fit('boundary', samples, units=12, epochs=60)

    clicks = []
    samples = []
    for scene in scenes:
        scene.frame = gf.prepare(scene.image)
        for object_id in range(1, scene.pixels.shape[1]):
            mask = scene.labels == object_id
            if np.count_nonzero(mask) < MIN_OBJECT_PX:
                continue
            rng = np.random.default_rng([scene.seed, object_id, 99])
            inside = scene.pixels[:, object_id]
            share = inside / scene.frame.parts.area
            weights = np.minimum(scene.frame.parts.area / inside.sum(), 1.0)
            for _ in range(1 + EXTRA_CLICKS):
                point = np.array([click_in(mask, rng)], float)
                clicks.append((scene, object_id, point))
                features = grabcut_click.belonging_features(
                    scene.frame, scene.frame.parts_at(point)[0]
                )
                samples.append((features, share, weights))
    figures['belonging'] = fit('belonging', samples, units=12, epochs=20)

    samples = []
    known: dict[tuple[int, int, bytes], float] = {}
    for scene, object_id, point in clicks:
        frame, inside = scene.frame, scene.pixels[:, object_id]
        leaves = frame.parts_at(point)
        chance = grabcut_click.belonging(frame, leaves[0])
        parts = grabcut_click.candidates(frame, leaves, [], chance)
        features = grabcut_click.rank_features(frame, parts, chance, frame.to_working(point)[0])
        shared = parts @ inside
        ious = shared / (inside.sum() + parts @ frame.parts.area - shared)
        for index in np.flatnonzero(ious > WORTH_CUTTING):
            key = scene.seed, object_id, parts[index].tobytes()
            if key not in known:
                rough = parts[index][frame.parts.labels]
                mask = grabcut_cut.cut_rough(scene.image, rough, point, NONE_XY, None)
                known[key] = mask_iou(mask, scene.labels == object_id)
            ious[index] = known[key]
        samples.append((features, ious, np.ones(len(ious))))
    figures['rank'] = fit('rank', samples, units=8, epochs=40, squared=True)
    return figures


if __name__ == '__main__':
    main()
