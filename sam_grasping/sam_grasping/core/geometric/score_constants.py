# SPDX-License-Identifier: Apache-2.0
"""Weights of the score, in the order of its features: log-odds that a grasp holds.

Written by benchmarks/fit_grasps.py from 4798 trials in 38 development scenes of
sam_simulation; the held-out scenes took no part.
"""

# Of grasps of a body, and of a rim.
BIAS = (5.496, 7.234)
WEIGHTS = (
    (
        -0.604,  # slope
        -0.212,  # slopes
        -0.241,  # steep
        -0.858,  # squeeze
        -1.078,  # offset
        -0.359,  # swing
        -0.246,  # tip_over
        0.000,  # far
        -0.327,  # uneven
        -0.435,  # top_heavy
        -0.177,  # small
        0.000,  # short
        0.000,  # low
        -0.547,  # narrow
        -0.273,  # shallow
        0.000,  # reach
        -1.707,  # unseen
        0.000,  # occlusion
        -0.450,  # blind_inner
        -0.222,  # lean
        -0.355,  # tilt
        -0.299,  # tight
        -0.115,  # wide
        0.000,  # thick
        -0.177,  # thin
        -1.092,  # hidden
        -1.121,  # behind
        -0.062,  # inside
    ),
    (
        0.000,  # slope
        -0.763,  # slopes
        -0.357,  # steep
        -2.180,  # squeeze
        0.000,  # offset
        -0.459,  # swing
        0.000,  # tip_over
        0.000,  # far
        -0.001,  # uneven
        -0.516,  # top_heavy
        0.000,  # small
        -0.141,  # short
        -0.227,  # low
        -0.173,  # narrow
        -0.856,  # shallow
        -0.223,  # reach
        -1.161,  # unseen
        -0.017,  # occlusion
        -1.477,  # blind_inner
        -0.151,  # lean
        -0.324,  # tilt
        -0.405,  # tight
        -0.067,  # wide
        0.000,  # thick
        -0.680,  # thin
        -0.466,  # hidden
        -0.656,  # behind
        -0.181,  # inside
    ),
)
