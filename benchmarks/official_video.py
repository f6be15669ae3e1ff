# SPDX-License-Identifier: Apache-2.0
"""The official SAM 2 video predictor and a synthetic video, to measure the tracker against."""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image

SIZE_WH = (640, 480)
CLICKS_XY = [(60 + 170 * (i % 4), 120 + 240 * (i // 4)) for i in range(8)]


def frame(number: int, size_wh: tuple[int, int] = SIZE_WH) -> Any:
    """Return shapes that move over random blocks, RGB uint8 (H, W, 3); it repeats after 200."""
    width, height = size_wh
    blocks = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    image = cv2.resize(blocks, size_wh, interpolation=cv2.INTER_NEAREST)
    phase = 2 * np.pi * (number % 200) / 200
    for i in range(8):
        x = int(width * (0.1 + 0.11 * i + 0.05 * np.sin(phase + i)))
        y = int(height * (0.5 + 0.3 * np.cos(phase + 2 * i)))
        colour = tuple(int(value) for value in np.random.default_rng(i).integers(0, 255, 3))
        cv2.circle(image, (x, y), height // 12, colour, -1)
    return image


def official_predictor(model: Any, config: Path) -> Any:
    """Return a SAM2VideoPredictor as `build_sam2_video_predictor` configures it.

    Parameters
    ----------
    model : SAM2Base
        Whose weights and device it gets; copied.
    config : path
        The model's config (.yaml).

    """
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    options = OmegaConf.load(config).model
    options._target_ = 'sam2.sam2_video_predictor.SAM2VideoPredictor'
    options.sam_mask_decoder_extra_args = {
        'dynamic_multimask_via_stability': True,
        'dynamic_multimask_stability_delta': 0.05,
        'dynamic_multimask_stability_thresh': 0.98,
    }
    options.binarize_mask_from_pts_for_mem_enc = True
    options.fill_hole_area = 8
    predictor = instantiate(options, _recursive_=True)
    predictor.load_state_dict(model.state_dict())
    # Each step would warn that the CUDA kernel for holes was not built, and go on without.
    warnings.filterwarnings('ignore', message='[^$]*Skipping the post-processing')
    return predictor.to(model.device).eval()


def write_video(folder: Path, frames: list[Any]) -> str:
    """Save frames as the official predictor reads them; returns the folder's name."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(frames):
        Image.fromarray(image).save(folder / f'{number:05d}.jpg', quality=95)
    return str(folder)


def propagate(predictor: Any, video: str, objects: int, *, on_host: bool = False) -> Iterator[Any]:
    """Click on objects in the first frame and track them; one frame per `next`."""
    with quiet():
        state = predictor.init_state(video, offload_video_to_cpu=on_host)
    for number, click_xy in enumerate(CLICKS_XY[:objects]):
        predictor.add_new_points_or_box(
            state, 0, number + 1, points=np.array([click_xy], np.float32), labels=[1]
        )
    return iter(predictor.propagate_in_video(state))


def preparation_ms(predictor: Any, image: Any) -> float:
    """Return what the official loader needs for one frame, but for decoding the JPEG [ms]."""
    from sam2.utils.misc import _load_img_as_tensor

    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, 'bmp')  # as good as raw pixels
    mean, std = (torch.tensor(value)[:, None, None] for value in ((0.4,) * 3, (0.2,) * 3))
    begin = time.perf_counter()
    pixels, _, _ = _load_img_as_tensor(encoded, predictor.image_size)
    prepared = pixels.float().to(predictor.device)
    prepared -= mean.to(predictor.device)
    prepared /= std.to(predictor.device)
    return (time.perf_counter() - begin) * 1e3


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow the official progress bars."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
