# SPDX-License-Identifier: Apache-2.0
"""Embedding, prompting and tracking of SAM v1 and SAM 2.1 at their official sizes on a GPU.

Random weights: the time does not depend on them. Needs torch and the official packages, no ROS:
`make bench-gpu`, or PYTHONPATH=sam_common:sam_segmentation python3 benchmarks/gpu.py.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_tracking import track
from report import Figure, at_most, write

from sam_segmentation import Prompt, Segmenter, load_segmenter

MODELS = (
    *(f'sam_vit_{size}' for size in 'blh'),
    *(f'sam2.1_hiera_{size}' for size in ('tiny', 'small', 'base_plus', 'large')),
)
SIZE_WH = (1280, 720)
PROMPT = Prompt(points_xy=[(500, 375), (700, 200)], labels=[1, 0], box_xyxy=(300, 150, 900, 600))
MAX_DIFFERENCE = 1e-4


def main() -> int:
    """Measure; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--device', default='cuda', help='cuda, cuda:1 or cpu')
    parser.add_argument('--models', nargs='+', default=MODELS, choices=MODELS, metavar='MODEL')
    parser.add_argument('--repeats', type=int, default=30, help='how many calls a median is of')
    parser.add_argument('--only', choices=('images', 'tracking'), help='one part; else both')
    parser.add_argument('--objects', type=int, default=20, help='most objects that are tracked')
    parser.add_argument('--no-compile', action='store_true', help='leave out compiled encoders')
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == 'cuda' and not torch.cuda.is_available():
        print(
            f'gpu: nothing measured: torch {torch.__version__} finds no CUDA device '
            '(--device cpu measures on the processor)'
        )
        return 0
    figures: list[Figure] = []
    for name in options.models:
        if options.only != 'tracking':
            figures += measure(name, device=device, repeats=options.repeats)
        if options.only != 'images' and not name.startswith('sam_vit_'):
            figures += measure_tracking(name, device=device, options=options)
    write('gpu', figures, device=describe(device))
    return 0 if all(figure.ok is not False for figure in figures) else 1


def measure(name: str, *, device: torch.device, repeats: int) -> list[Figure]:
    """Return one model's times and its distance from the official predictor."""
    model = build_random(name)
    segmenter = load_random(name, model, device)
    image = textured_image()
    official = official_predictor(name, model.to(device).eval())
    figures = [difference(name, segmenter, official, image)]
    del model, official
    free(device)
    for precision in ('fp32', 'bf16'):
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == 'bf16'):
            embedding = segmenter.embed(image)
            embed = median_ms(lambda: segmenter.embed(image), device=device, repeats=repeats)
            decode = median_ms(decoding(segmenter, embedding.data), device=device, repeats=repeats)
        detail = f'median of {repeats}, {SIZE_WH[0]} x {SIZE_WH[1]}'
        figures += [
            Figure(f'{name} embed {precision}', embed, 'ms', detail=detail),
            Figure(f'{name} decode {precision}', decode, 'ms', detail=f'{detail}, 2 points + box'),
        ]
        del embedding
    # As people call it: the mask on the processor, as an array.
    embedding = segmenter.embed(image)
    whole = median_ms(lambda: segmenter.segment(embedding, PROMPT), device=device, repeats=repeats)
    figures.append(Figure(f'{name} segment fp32', whole, 'ms', detail='decode + mask to the host'))
    segmenter.close()
    free(device)
    return figures


def measure_tracking(
    name: str, *, device: torch.device, options: argparse.Namespace
) -> list[Figure]:
    """Return how fast one model tracks, alone and against the official predictor."""
    from sam_segmentation.models.sam2.config import config_path

    segmenter = load_random(name, build_random(name), device)
    figures = track(
        name,
        segmenter,
        config_path(name),
        device=device,
        repeats=options.repeats,
        most_objects=options.objects,
        compiled=not options.no_compile,
    )
    segmenter.close()
    free(device)
    return figures


def load_random(name: str, model: Any, device: torch.device) -> Segmenter:
    """Load a model of ours with the weights of an official one."""
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / 'random.pt'
        torch.save({'model': model.state_dict()}, checkpoint)
        return load_segmenter(name, checkpoint=checkpoint, device=str(device))


def build_random(name: str) -> Any:
    """Return the official model at its official size, without trained weights."""
    torch.manual_seed(0)
    if name.startswith('sam_vit_'):
        from segment_anything import sam_model_registry

        return sam_model_registry[name.removeprefix('sam_')]()
    from sam2.build_sam import build_sam2

    from sam_segmentation.models.sam2.config import config_path

    path = config_path(name)
    return build_sam2(f'configs/{path.parent.name}/{path.name}', device='cpu')


def official_predictor(name: str, model: Any) -> Any:
    """Return the official predictor as its own users make it."""
    if name.startswith('sam_vit_'):
        from segment_anything import SamPredictor

        return SamPredictor(model)
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    return SAM2ImagePredictor(model)


def difference(name: str, segmenter: Segmenter, official: Any, image: Any) -> Figure:
    """Compare the logits of both on one prompt."""
    official.set_image(image)
    _, _, logits = official.predict(
        point_coords=PROMPT.points_xy,
        point_labels=PROMPT.labels,
        box=PROMPT.box_xyxy,
        multimask_output=False,
    )
    ours = segmenter.segment(segmenter.embed(image), PROMPT)[0].logits
    if ours is None:
        raise RuntimeError(f'{name} answered no logits')
    return at_most(
        f'{name} difference',
        float(np.abs(ours - logits[0]).max()),
        'logit',
        MAX_DIFFERENCE,
        f'from the official predictor; logits span {np.ptp(logits):.3g}',
    )


def decoding(segmenter: Any, state: dict[str, Any]) -> Callable[[], None]:
    """Return a call of the prompt encoder and the mask decoder that leaves the mask on the GPU."""
    predictor = segmenter._predictor
    labels = torch.as_tensor(PROMPT.labels, dtype=torch.int, device=predictor.device)[None]
    points, box = (
        torch.as_tensor(value, dtype=torch.float, device=predictor.device)[None]
        for value in (PROMPT.points_xy, PROMPT.box_xyxy)
    )
    predict = getattr(predictor, 'predict_torch', None) or predictor._predict

    @torch.inference_mode()
    def decode() -> None:
        for name, value in state.items():
            setattr(predictor, name, value)
        predict(points, labels, box, multimask_output=False)

    return decode


def median_ms(call: Callable[[], object], *, device: torch.device, repeats: int) -> float:
    """Return the median duration of a call [ms], the device's work included."""
    times = []
    for round_number in range(repeats + max(1, repeats // 5)):
        synchronize(device)
        begin = time.perf_counter()
        call()
        synchronize(device)
        times.append((time.perf_counter() - begin) * 1e3)
        if round_number < max(1, repeats // 5):
            times.clear()  # still warming up
    return statistics.median(times)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def free(device: torch.device) -> None:
    """Give memory back between models."""
    if device.type == 'cuda':
        torch.cuda.empty_cache()


def describe(device: torch.device) -> str:
    """Return the device's name and what its figures depend on."""
    if device.type != 'cuda':
        return f'{device}, {torch.get_num_threads()} threads'
    # On by default, for the official predictors too.
    tf32 = 'TF32' if torch.backends.cudnn.allow_tf32 else 'full'
    return (
        f'{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}, '
        f'convolutions in {tf32} precision'
    )


def textured_image() -> Any:
    """Return random blocks, RGB uint8 (H, W, 3)."""
    blocks = np.random.default_rng(0).integers(0, 255, (18, 32, 3), np.uint8)
    return blocks.repeat(SIZE_WH[1] // 18, axis=0).repeat(SIZE_WH[0] // 32, axis=1)


if __name__ == '__main__':
    sys.exit(main())
