# SPDX-License-Identifier: Apache-2.0
import json
from importlib.resources import files

import numpy as np
import pytest

from sam_segmentation.models.grabcut.ranking import perceptron, perceptrons

# Inputs, hidden units, and the log-odds of inputs that rise evenly from -1 to 1.
KNOWN = {
    'seam': (22, 12, -5.5786697),
    'objectness': (18, 10, 0.5321323),
    'boundary': (28, 12, -1.6950805),
    'belonging': (13, 12, 4.7293679),
    'rank': (18, 8, -1.4454838),
}


@pytest.mark.parametrize('name', KNOWN)
def test_a_perceptron_answers_as_it_was_fitted(name):
    inputs, units, log_odds = KNOWN[name]
    model = perceptron(name)
    assert (model.hidden.shape, model.output.shape) == ((inputs + 1, units), (units + 1,))
    assert model(np.linspace(-1, 1, inputs)[None]) == pytest.approx([log_odds], abs=1e-6)


def test_all_perceptrons_are_known_ones_and_read_once():
    assert perceptrons().keys() == KNOWN.keys()
    assert perceptron('rank') is perceptron('rank')


def test_the_weights_say_where_they_come_from():
    text = files('sam_segmentation.models.grabcut').joinpath('ranking.json').read_text('utf-8')
    provenance = json.loads(text)['provenance']
    assert provenance['script'] == 'benchmarks/fit_grabcut.py'
    assert all(provenance[key] for key in ('seeds', 'date', 'figures'))
