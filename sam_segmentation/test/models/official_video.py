# SPDX-License-Identifier: Apache-2.0
"""The official SAM 2 video predictor on a small random model, driven event by event."""

import cv2
import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

SIZE_WH = (160, 120)
FRAMES = 60


def moving_shapes(number):
    """Return a frame with three shapes that move."""
    blocks = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    image = cv2.resize(blocks, SIZE_WH, interpolation=cv2.INTER_CUBIC)
    cv2.circle(image, (20 + 2 * number % 160, 40), 14, (255, 30, 30), -1)
    cv2.rectangle(image, (100 - number, 70), (130 - number, 95), (20, 230, 60), -1)
    cv2.ellipse(image, (80, 30 + number), (18, 9), 3 * number, 0, 360, (40, 60, 250), -1)
    return image


def write_frames(folder):
    """Save the video as JPEGs; returns the images that come out of them."""
    for number in range(FRAMES):
        Image.fromarray(moving_shapes(number)).save(folder / f'{number}.jpg', quality=95)
    return [np.array(Image.open(folder / f'{number}.jpg')) for number in range(FRAMES)]


def official_predictor(config, checkpoint, *, fill_hole_area=8):
    """Make the predictor with what `sam2.build_sam.build_sam2_video_predictor` adds."""
    options = OmegaConf.load(config).model
    options._target_ = 'sam2.sam2_video_predictor.SAM2VideoPredictor'
    options.sam_mask_decoder_extra_args = {
        'dynamic_multimask_via_stability': True,
        'dynamic_multimask_stability_delta': 0.05,
        'dynamic_multimask_stability_thresh': 0.98,
    }
    options.binarize_mask_from_pts_for_mem_enc = True
    options.fill_hole_area = fill_hole_area
    predictor = instantiate(options, _recursive_=True)
    predictor.load_state_dict(torch.load(checkpoint, weights_only=True)['model'])
    return predictor.eval()


def components(mask):
    """Do what the official CUDA kernel does, on the processor: labels and areas, 8-connected."""
    labels, areas = [], []
    for one in mask[:, 0].numpy().astype(np.uint8):
        count, label, _, _ = cv2.connectedComponentsWithStats(one, connectivity=8)
        area = np.array([0, *(np.count_nonzero(label == i) for i in range(1, count))])
        labels.append(label)
        areas.append(area[label])
    return torch.tensor(np.stack(labels))[:, None], torch.tensor(np.stack(areas))[:, None]


class OfficialVideo:
    """A session of the official predictor; `logits[frame][id]` are those of the video's size."""

    def __init__(self, predictor, folder):
        self.predictor = predictor
        self.state = predictor.init_state(str(folder))
        self.logits = [{} for _ in range(FRAMES)]

    def add(self, frame, object_id, *, mask=None, keep=False, **prompt):
        if mask is not None:
            answer = self.predictor.add_new_mask(self.state, frame, object_id, mask)
        else:
            answer = self.predictor.add_new_points_or_box(
                self.state, frame, object_id, clear_old_points=not keep, **prompt
            )
        frame, ids, logits = answer
        self.logits[frame][object_id] = logits[ids.index(object_id), 0].numpy().copy()

    def remove(self, object_id):
        self.predictor.remove_object(self.state, object_id)

    def propagate(self, first, last):
        answers = self.predictor.propagate_in_video(
            self.state, start_frame_idx=first, max_frame_num_to_track=last - first
        )
        for frame, ids, logits in answers:
            for object_id, one in zip(ids, logits[:, 0].numpy(), strict=True):
                self.logits[frame][object_id] = one.copy()
