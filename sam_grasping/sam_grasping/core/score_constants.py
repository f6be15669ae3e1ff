# SPDX-License-Identifier: Apache-2.0
"""Weights of the score; written by benchmarks/fit_grasps.py."""

BIAS = 6.553
WEIGHTS = (
    0.000,  # slope
    -3.069,  # slopes
    -1.0,  # steep
    0.000,  # offset
    -0.548,  # swing
    -0.365,  # tip_over
    0.000,  # far
    0.000,  # small
    0.000,  # short
    0.000,  # narrow
    -1.135,  # shallow
    -2.034,  # unseen
    0.000,  # blind
    0.000,  # lean
    -2.082,  # tight
    -0.194,  # wide
    0.000,  # thin
    -2.489,  # hidden
    -2.100,  # behind
    -0.054,  # inside
)
