# SPDX-License-Identifier: Apache-2.0
"""Weights of the score; written by benchmarks/fit_grasps.py."""

BIAS = 4.0
WEIGHTS = (
    -3.0,  # slope
    -1.0,  # slopes
    -1.0,  # offset
    -1.0,  # swing
    -0.5,  # tip_over
    -0.3,  # far
    -1.0,  # small
    -1.0,  # short
    -0.5,  # narrow
    -1.0,  # shallow
    -0.5,  # unseen
    -0.5,  # blind
    -1.0,  # lean
    -1.5,  # tight
    -0.5,  # wide
    -0.5,  # thin
)
