# SPDX-License-Identifier: Apache-2.0
"""Weights of the score; written by benchmarks/fit_grasps.py."""

# Of grasps of a body, and of a rim.
BIAS = (7.086, 6.761)
WEIGHTS = (
    (
        -0.474,  # slope
        -1.051,  # slopes
        -0.466,  # steep
        -0.579,  # squeeze
        -0.270,  # offset
        -0.831,  # swing
        -0.058,  # tip_over
        0.000,  # far
        0.000,  # uneven
        -0.814,  # top_heavy
        0.000,  # small
        -0.047,  # short
        -0.215,  # low
        -0.630,  # narrow
        -0.547,  # shallow
        0.000,  # reach
        -2.167,  # unseen
        0.000,  # blind
        -0.837,  # blind_inner
        -0.256,  # lean
        0.000,  # tight
        0.000,  # wide
        0.000,  # thick
        -0.005,  # thin
        -0.912,  # hidden
        -0.141,  # behind
        -0.000,  # inside
    ),
    (
        -0.179,  # slope
        -0.325,  # slopes
        -0.537,  # steep
        -1.201,  # squeeze
        0.000,  # offset
        -0.128,  # swing
        0.000,  # tip_over
        0.000,  # far
        0.000,  # uneven
        0.000,  # top_heavy
        -0.122,  # small
        0.000,  # short
        -0.026,  # low
        -1.332,  # narrow
        -0.860,  # shallow
        -0.269,  # reach
        -0.743,  # unseen
        -0.331,  # blind
        -0.576,  # blind_inner
        0.000,  # lean
        0.000,  # tight
        0.000,  # wide
        -0.023,  # thick
        -0.499,  # thin
        -0.209,  # hidden
        -0.276,  # behind
        -0.178,  # inside
    ),
)
