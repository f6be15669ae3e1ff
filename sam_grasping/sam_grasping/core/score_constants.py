# SPDX-License-Identifier: Apache-2.0
"""Weights of the score, in the order of its features: log-odds that a grasp holds.

Written by benchmarks/fit_grasps.py from 4759 trials in 38 development scenes of
sam_simulation; the held-out scenes took no part.
"""

# Of grasps of a body, and of a rim.
BIAS = (5.558, 6.762)
WEIGHTS = (
    (
        -0.704,  # slope
        -0.091,  # slopes
        -0.429,  # steep
        -0.833,  # squeeze
        -0.697,  # offset
        -0.285,  # swing
        -0.238,  # tip_over
        0.000,  # far
        -0.525,  # uneven
        -0.329,  # top_heavy
        0.000,  # small
        0.000,  # short
        0.000,  # low
        -0.573,  # narrow
        -0.224,  # shallow
        0.000,  # reach
        -1.623,  # unseen
        -0.139,  # blind
        -0.884,  # blind_inner
        -0.198,  # lean
        -0.292,  # tilt
        -0.151,  # tight
        -0.214,  # wide
        0.000,  # thick
        0.000,  # thin
        -0.902,  # hidden
        -1.258,  # behind
        -0.063,  # inside
    ),
    (
        0.000,  # slope
        -0.792,  # slopes
        -0.190,  # steep
        -2.340,  # squeeze
        0.000,  # offset
        -0.592,  # swing
        0.000,  # tip_over
        0.000,  # far
        -0.000,  # uneven
        0.000,  # top_heavy
        0.000,  # small
        0.000,  # short
        -0.071,  # low
        -0.637,  # narrow
        -0.654,  # shallow
        -0.064,  # reach
        -0.850,  # unseen
        -0.268,  # blind
        -1.203,  # blind_inner
        0.000,  # lean
        -0.234,  # tilt
        -0.084,  # tight
        -0.068,  # wide
        -0.000,  # thick
        -0.542,  # thin
        -0.644,  # hidden
        -0.513,  # behind
        0.000,  # inside
    ),
)
