# SPDX-License-Identifier: Apache-2.0
"""A perceptron with one small hidden layer, which is all the learning that GrabCut gets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

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


@cache
def perceptron(name: str) -> Perceptron:
    """Return the perceptron of this name in grabcut_constants."""
    from sam_segmentation.models.grabcut.ranking_constants import CONSTANTS

    inputs, units, numbers = CONSTANTS[name]
    values = np.array(numbers.split(), np.float64)
    split = (inputs + 1) * units
    return Perceptron(values[:split].reshape(inputs + 1, units), values[split:])
