# SPDX-License-Identifier: Apache-2.0
"""Weights of the score; written by benchmarks/fit_grasps.py."""

# Of grasps of a body, and of a rim.
BIAS = (5.403, 5.642)
WEIGHTS = (
    (
        -0.345,  # slope
        -0.692,  # slopes
        -0.295,  # steep
        -0.408,  # squeeze
        0.000,  # offset
        -0.299,  # swing
        -0.093,  # tip_over
        0.000,  # far
        0.000,  # uneven
        -0.668,  # top_heavy
        0.000,  # small
        0.000,  # short
        -0.188,  # low
        -0.250,  # narrow
        -0.339,  # shallow
        -0.292,  # reach
        -1.588,  # unseen
        0.000,  # blind
        -0.493,  # blind_inner
        -0.403,  # lean
        -0.200,  # tilt
        -0.240,  # tight
        0.000,  # wide
        0.000,  # thick
        0.000,  # thin
        -0.688,  # hidden
        -0.809,  # behind
        -0.038,  # inside
    ),
    (
        0.000,  # slope
        -0.258,  # slopes
        -0.095,  # steep
        -1.409,  # squeeze
        0.000,  # offset
        -0.408,  # swing
        0.000,  # tip_over
        0.000,  # far
        0.000,  # uneven
        -0.592,  # top_heavy
        0.000,  # small
        0.000,  # short
        0.000,  # low
        0.000,  # narrow
        -0.176,  # shallow
        0.000,  # reach
        -0.345,  # unseen
        0.000,  # blind
        -1.466,  # blind_inner
        -1.393,  # lean
        -0.200,  # tilt
        -0.761,  # tight
        -0.062,  # wide
        -0.497,  # thick
        -0.550,  # thin
        -0.065,  # hidden
        -1.913,  # behind
        0.000,  # inside
    ),
)
