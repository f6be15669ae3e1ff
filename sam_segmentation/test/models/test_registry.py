# SPDX-License-Identifier: Apache-2.0
import sys

import pytest

from sam_common.errors import SamError
from sam_segmentation import load_segmenter, model_names
from sam_segmentation.core.errors import UnknownModelError
from sam_segmentation.models import registry


def test_an_unknown_name_lists_the_known():
    with pytest.raises(UnknownModelError) as caught:
        load_segmenter('sam_vit_x')
    assert "'sam_vit_x'" in str(caught.value)
    for name in model_names():
        assert name in str(caught.value)


@pytest.mark.parametrize('size', ['h', 'l', 'b'])
def test_sam1_has_its_short_names(size):
    assert registry.find_model(f'vit_{size}') == registry.find_model(f'sam_vit_{size}')


def test_a_config_by_path_is_a_sam2_model():
    entry = registry.find_model('/some/where/mine.yaml')
    assert entry.name == '/some/where/mine.yaml'
    assert entry.loader == 'sam_segmentation.models.sam2.segmenter:load'


@pytest.mark.parametrize('name', ['grabcut', 'vit_b', 'sam2.1_hiera_tiny'])
def test_a_taken_name_is_not_given_twice(name):
    with pytest.raises(ValueError, match='registered already'):
        registry.register(name, 'x:y')
    with pytest.raises(ValueError, match='registered already'):
        registry.register('something_new', 'x:y', aliases=(name,))
    assert 'something_new' not in model_names()


@pytest.mark.parametrize(
    ('name', 'package', 'requirement'),
    [
        ('vit_b', 'segment_anything', 'segment-anything==1.0'),
        ('sam2_hiera_tiny', 'sam2.sam2_image_predictor', 'sam2==1.1.0'),
        ('vit_b', 'torch', 'torch'),
    ],
)
def test_a_missing_package_is_named_with_the_command(monkeypatch, name, package, requirement):
    for module in [key for key in sys.modules if key.startswith('sam_segmentation.models.')]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SamError, match='pip install') as caught:
        load_segmenter(name)
    assert requirement in str(caught.value)
    assert package in str(caught.value)
