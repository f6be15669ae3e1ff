# SPDX-License-Identifier: Apache-2.0
"""A perceptron with one small hidden layer, which is all the learning that GrabCut gets."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from sam_common.types import FloatArray


@dataclass(frozen=True, eq=False)
class Perceptron:
    """inputs -> tanh -> one number, a log-odds.

    Parameters
    ----------
    hidden : array of float64, shape (inputs + 1, units)
        Weights, the last row the biases; inputs are taken as they come.
    output : array of float64, shape (units + 1,)
        Weights, the last one the bias.

    """

    hidden: FloatArray
    output: FloatArray

    def __call__(self, features: FloatArray) -> FloatArray:
        """Return the log-odds of each row of features (n, inputs), shape (n,)."""
        # No BLAS: its sums may depend on the number of threads, and masks must not.
        inner = np.einsum('ni,iu->nu', features, self.hidden[:-1]) + self.hidden[-1]
        return np.asarray(np.einsum('nu,u->n', np.tanh(inner), self.output[:-1]) + self.output[-1])


def sigmoid(log_odds: FloatArray) -> FloatArray:
    """Return probabilities of log-odds, without overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * log_odds))


def perceptron(name: str) -> Perceptron:
    """Return the perceptron that is named after what its log-odds are of: 'rank' of an IoU."""
    return perceptrons()[name]


@cache
def perceptrons() -> dict[str, Perceptron]:
    """Return all perceptrons of ranking.json by name; whoever fits them changes this dict."""
    text = files('sam_segmentation.models.grabcut').joinpath('ranking.json').read_text('utf-8')
    return {
        name: Perceptron(
            np.array(model['hidden'], np.float64), np.array(model['output'], np.float64)
        )
        for name, model in json.loads(text)['models'].items()
    }
