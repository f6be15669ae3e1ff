# SPDX-License-Identifier: Apache-2.0
"""What `--masks coco` writes is what COCO's own tools read."""

import json

import numpy as np
import pytest
from recorded import RED_BOX, images, objects, track, write_folder

from sam_common.masks import mask_to_box
from sam_segmentation.offline.coco_rle import decode_rle

RED = {'frame': 2, 'label': 'h\u00e4user', **RED_BOX, 'box': [2, 10, 9, 17]}
GREEN = {'frame': 12, 'object': 7, 'box': [50, 2, 57, 9]}


@pytest.fixture
def output(tmp_path):
    folder = write_folder(tmp_path / 'in', images(16))
    track(folder, tmp_path / 'out', RED, GREEN, masks='coco')
    return tmp_path / 'out'


def test_images_annotations_and_categories_agree_with_the_objects(output):
    written = json.loads((output / 'coco.json').read_text())
    assert [image['file_name'] for image in written['images']] == [f'{i}.png' for i in range(16)]
    assert all((one['width'], one['height']) == (64, 48) for one in written['images'])
    names = {one['id']: one['name'] for one in written['categories']}
    assert sorted(names.values()) == ['h\u00e4user', 'object']
    ids = [one['id'] for one in written['annotations']]
    assert len(set(ids)) == len(ids) > 16
    listed = objects(output)
    visible = sum(one['area'] > 0 for found in listed.values() for one in found.values())
    assert len(ids) == visible
    for one in written['annotations']:
        mask = decode_rle(one['segmentation']['counts'], (64, 48))
        left, top, width, height = one['bbox']
        inside = mask[int(top) : int(top + height), int(left) : int(left + width)]
        assert mask.sum() == inside.sum() == one['area']
        assert mask_to_box(inside) == (-0.5, -0.5, width - 0.5, height - 0.5)
        entry = listed[one['image_id']][one['track_id']]
        assert names[one['category_id']] == (entry['label'] or 'object')
        assert one['score'] == entry['score']


def test_other_masks_replace_the_file(output):
    assert not (output / 'masks').exists()
    track(output.parent / 'in', output, RED, GREEN, masks='png')
    assert not (output / 'coco.json').exists()
    assert not list(output.glob('coco.json.*'))


def test_pycocotools_loads_it(output):
    from pycocotools import coco

    loaded = coco.COCO(str(output / 'coco.json'))
    assert len(loaded.getImgIds()) == 16
    listed = objects(output)
    for one in loaded.loadAnns(loaded.getAnnIds()):
        mask = loaded.annToMask(one).astype(bool)
        assert mask.shape == (48, 64)
        assert np.count_nonzero(mask) == listed[one['image_id']][one['track_id']]['area']
