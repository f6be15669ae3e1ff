# SPDX-License-Identifier: Apache-2.0
"""Both ways from a prompt in the middle, SAM 2 answers as the official predictor does."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from recorded import track, write_folder
from sam2.utils import misc
from small_models import write_small_sam2

from sam_segmentation import Prompt, load_tracker
from sam_segmentation.offline.inputs import open_input
from sam_segmentation.offline.prompt_file import PromptEntry
from sam_segmentation.offline.propagation import follow

# Of a video of fewer frames, the official predictor scales the time between frames otherwise.
COUNT, MIDDLE = 16, 8
CLICK_XY = (60.0, 50.0)


def moving_shapes(index):
    blocks = np.random.default_rng(0).integers(0, 255, (6, 8, 3), np.uint8)
    image = cv2.resize(blocks, (160, 120), interpolation=cv2.INTER_NEAREST)
    for i in range(3):
        centre = (30 + 40 * i + 2 * index, 50 + 10 * i - index)
        cv2.circle(image, centre, 14, (250 - 80 * i, 90 * i, 40 + 60 * i), -1)
    return image


@pytest.fixture(scope='module', autouse=True)
def _one_thread():
    """Small layers gain nothing from more, and lose much where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def model(tmp_path_factory):
    """Return the config and the weights of a small model that takes the object to be there."""
    config, checkpoint = write_small_sam2(
        tmp_path_factory.mktemp('model'), image_size=128, embed_dim=32
    )
    weights = torch.load(checkpoint, weights_only=True)['model']
    weights['sam_mask_decoder.pred_obj_score_head.layers.2.bias'] += 10
    torch.save({'model': weights}, checkpoint)
    return config, checkpoint


@pytest.fixture(scope='module')
def video(tmp_path_factory):
    # Named as the official loader wants it, but lossless: two decoders of JPEG may differ.
    folder = tmp_path_factory.mktemp('video') / 'frames'
    write_folder(folder, [moving_shapes(index) for index in range(COUNT)])
    for file in folder.iterdir():
        file.rename(folder / f'{int(file.stem):05d}.jpg')
    return folder


def components(mask):
    """Stand in for the official CUDA kernel."""
    labels, areas = torch.zeros_like(mask, dtype=torch.int32), torch.zeros_like(mask).int()
    for index in range(len(mask)):
        image = mask[index, 0].numpy().astype(np.uint8)
        _, found, stats, _ = cv2.connectedComponentsWithStats(image, connectivity=8)
        labels[index, 0] = torch.from_numpy(found)
        areas[index, 0] = torch.from_numpy(stats[found, cv2.CC_STAT_AREA])
    return labels, areas


@pytest.fixture(scope='module')
def official(model, video):
    """Return {frame: (logits, mask)} by `reverse`, each from a state that saw nothing else."""
    options = OmegaConf.load(model[0]).model
    options._target_ = 'sam2.sam2_video_predictor.SAM2VideoPredictor'
    # As `build_sam2_video_predictor` does.
    options.sam_mask_decoder_extra_args = {
        'dynamic_multimask_via_stability': True,
        'dynamic_multimask_stability_delta': 0.05,
        'dynamic_multimask_stability_thresh': 0.98,
    }
    options.binarize_mask_from_pts_for_mem_enc = True
    options.fill_hole_area = 8
    predictor = instantiate(options, _recursive_=True).eval()
    predictor.load_state_dict(torch.load(model[1], weights_only=True)['model'])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(misc, 'get_connected_components', components)
        return {reverse: propagated(predictor, video, reverse) for reverse in (False, True)}


def propagated(predictor, video, reverse):
    state = predictor.init_state(str(video))
    points = np.array([CLICK_XY], np.float32)
    predictor.add_new_points_or_box(state, MIDDLE, 1, points=points, labels=[1])
    found = {}
    for index, _, masks in predictor.propagate_in_video(state, reverse=reverse):
        kept = state['output_dict_per_obj'][0]
        out = kept['cond_frame_outputs'].get(index) or kept['non_cond_frame_outputs'][index]
        found[index] = (out['pred_masks'][0, 0].numpy(), (masks[0, 0] > 0).numpy())
    return found


@pytest.mark.parametrize('reverse', [False, True])
def test_logits_are_the_official_ones(reverse, official, model, video):
    theirs = official[reverse]
    source = open_input(video)
    tracker = load_tracker(str(model[0]), checkpoint=model[1], device='cpu')
    prompt = Prompt(points_xy=[CLICK_XY], labels=[1])
    entry = PromptEntry('here', MIDDLE, 1, '', prompt, '')
    frames = source.reversed(MIDDLE, 0) if reverse else source.frames(MIDDLE)
    compared = []
    for frame in frames:
        ours = follow(tracker, frame, [entry] if frame.index == MIDDLE else [])[0]
        difference = np.abs(ours.logits - theirs[frame.index][0]).max()
        assert difference < 1e-4, (frame.index, difference)
        compared.append(frame.index)
    assert sorted(compared) == sorted(theirs)
    # A video in which nothing changes could not tell one direction from the other.
    logits = [theirs[index][0] for index in compared]
    assert min(np.abs(a - b).max() for a, b in pairwise(logits)) > 1e-2


def test_the_tools_masks_are_the_official_ones(official, model, video, tmp_path):
    click = {'frame': MIDDLE, 'object': 1, 'points': [list(CLICK_XY)], 'labels': [1]}
    summary = track(video, tmp_path / 'out', click, model=str(model[0]), checkpoint=model[1])
    assert summary.tracked == COUNT + 1
    theirs = official[True] | official[False]
    assert sorted(theirs) == list(range(COUNT))
    for index, (_, mask) in theirs.items():
        ours = cv2.imread(str(tmp_path / 'out/masks' / f'{index:06d}.png'), -1) == 1
        assert np.count_nonzero(ours != mask) <= 2, index
    assert np.count_nonzero(mask) > 50


def test_a_correction_goes_on_from_a_stored_state_as_if_it_had_been_there(model, video, tmp_path):
    options = {'model': str(model[0]), 'checkpoint': model[1], 'direction': 'forward'}
    click = {'frame': 8, 'object': 1, 'points': [list(CLICK_XY)], 'labels': [1]}
    again = {'frame': 12, 'object': 1, 'points': [[100, 60], [60, 20]], 'labels': [1, 0]}
    track(video, tmp_path / 'out', click, **options)
    assert track(video, tmp_path / 'out', click, again, **options).tracked == 6
    track(video, tmp_path / 'fresh', click, again, **options)
    found = [(tmp_path / name / 'objects.json').read_bytes() for name in ('out', 'fresh')]
    assert found[0] == found[1]
