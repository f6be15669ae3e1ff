# SPDX-License-Identifier: Apache-2.0
import gc
import weakref

import pytest
import torch
from predictor_cases import textured_image
from small_models import write_small_sam1

from sam_segmentation import Prompt, load_segmenter
from sam_segmentation.core.errors import DeviceError
from sam_segmentation.models.torch.device import on_device, pick_device


def pretend_gpus(monkeypatch, count):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: count > 0)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)


@pytest.mark.parametrize(
    ('asked', 'count', 'given'),
    [
        ('auto', 0, 'cpu'),
        ('cpu', 0, 'cpu'),
        ('auto', 2, 'cuda:0'),
        ('cpu', 2, 'cpu'),
        ('cuda', 2, 'cuda:0'),
        ('cuda:1', 2, 'cuda:1'),
    ],
)
def test_a_device_that_is_there_is_given(monkeypatch, asked, count, given):
    pretend_gpus(monkeypatch, count)
    assert str(pick_device(asked)) == given


@pytest.mark.parametrize(
    ('asked', 'count', 'message'),
    [
        ('cuda', 0, "no device 'cuda'.*device='cpu' or 'auto'"),
        ('cuda:1', 0, "no device 'cuda:1'.*device='cpu' or 'auto'"),
        ('cuda:7', 2, "no device 'cuda:7': 2 found.*cuda:1.*device='cpu' or 'auto'"),
        ('gpu', 2, "unknown device 'gpu'.*'auto', 'cpu', 'cuda'"),
        ('', 2, 'unknown device'),
        ('cuda:', 2, 'unknown device'),
        ('cuda:-1', 2, 'unknown device'),
        ('CPU', 2, 'unknown device'),
    ],
)
def test_a_device_that_is_not_there_is_refused(monkeypatch, asked, count, message):
    pretend_gpus(monkeypatch, count)
    with pytest.raises(DeviceError, match=message):
        pick_device(asked)


@pytest.mark.parametrize(
    'error',
    [
        torch.cuda.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB.'),
        RuntimeError('CUDA error: out of memory'),
        RuntimeError('CUDNN_STATUS_ALLOC_FAILED'),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_want_of_memory_says_how_to_go_on(error):
    expected = pytest.raises(DeviceError, match='cpu is out of memory; use a smaller')
    with expected, on_device(torch.device('cpu')):
        raise error


def test_other_failures_stay_what_they_are():
    with pytest.raises(RuntimeError, match='shapes') as caught, on_device(torch.device('cpu')):
        raise RuntimeError('shapes do not fit')
    assert not isinstance(caught.value, DeviceError)


def test_what_a_failed_call_held_is_freed_though_its_error_lives():
    held = []

    def run_out_of_memory():
        tensor = torch.zeros(3)
        held.append(weakref.ref(tensor))
        raise MemoryError

    with pytest.raises(DeviceError) as caught, on_device(torch.device('cpu')):
        run_out_of_memory()
    gc.collect()
    assert caught.value.__cause__ is not None
    assert held[0]() is None


def test_a_segmenter_works_again_after_running_out_of_memory(tmp_path, monkeypatch):
    name, checkpoint = write_small_sam1(tmp_path)
    segmenter = load_segmenter(name, checkpoint=checkpoint, device='cpu')
    image = textured_image((64, 48))
    embedding = segmenter.embed(image)
    before = segmenter.segment(embedding, Prompt([(9, 9)], [1]))[0].logits
    model = segmenter._predictor.model

    def run_out_of_memory(*args, **kwargs):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory.')

    with monkeypatch.context() as patch:
        patch.setattr(model.mask_decoder, 'forward', run_out_of_memory)
        with pytest.raises(DeviceError):
            segmenter.segment(embedding, Prompt([(9, 9)], [1]))
        patch.setattr(model.image_encoder, 'forward', run_out_of_memory)
        with pytest.raises(DeviceError):
            segmenter.embed(image)
    after = segmenter.segment(segmenter.embed(image), Prompt([(9, 9)], [1]))[0].logits
    assert (before == after).all()
