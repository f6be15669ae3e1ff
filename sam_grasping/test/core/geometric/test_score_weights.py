# SPDX-License-Identifier: Apache-2.0
import json
from importlib.resources import files

import numpy as np
import pytest

from sam_grasping.core.geometric.score import KINDS, names, probability

SCORE = json.loads(files('sam_grasping.core.geometric').joinpath('score.json').read_text('utf-8'))


@pytest.mark.parametrize(
    ('uneven', 'expected'), [(0.0, 0.9667537), (0.5, 0.9610782), (1.0, 0.9928750)]
)
def test_a_grasp_scores_as_the_weights_were_fitted(uneven, expected):
    features = np.where(np.array(names()) == 'uneven', uneven, 0.2)
    assert probability(features[None]) == pytest.approx([expected], abs=1e-6)


def test_every_feature_has_a_weight_that_counts_in_some_model():
    weights = [SCORE['models'][kind]['weights'] for kind in KINDS]
    assert [tuple(each) for each in weights] == [names()] * len(KINDS)
    assert all(any(each[name] for each in weights) for name in names())
    assert all(weight <= 0 for each in weights for weight in each.values())


def test_the_weights_say_where_they_come_from():
    provenance = SCORE['provenance']
    assert provenance['script'] == 'benchmarks/fit_grasps.py'
    assert all(provenance[key] for key in ('seeds', 'date', 'figures'))
