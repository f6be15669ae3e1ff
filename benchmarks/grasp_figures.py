# SPDX-License-Identifier: Apache-2.0
"""What trials of grasps say about the planner: rates with intervals, tables, calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from report import Figure, at_least

from sam_common.types import FloatArray
from sam_simulation.physics.outcome import GraspOutcome

SURE_SCORE = 0.9
SURE_GOAL = 0.95
MOVED_M = 0.02
_Z = 1.959964  # of a two-sided interval of 95 %


@dataclass(frozen=True)
class Trial:
    """The best grasp of one target, tried.

    Parameters
    ----------
    class_name : str
    score : float or None
        Of the grasp; None: there was no plan.
    outcome : GraspOutcome or None
        None: there was no plan.
    cause : str
        How it ended: the outcome's cause, or why there was no plan.
    plan_s : float
        How long planning took [s].

    """

    class_name: str
    score: float | None
    outcome: GraspOutcome | None
    cause: str
    plan_s: float

    @property
    def success(self) -> bool:
        """Whether the object was held."""
        return self.outcome is not None and self.outcome.success


def wilson(successes: int, count: int) -> tuple[float, float]:
    """Return the interval that holds a rate with 95 % confidence, after Wilson (1927)."""
    rate, weight = successes / count, _Z**2 / count
    middle = (rate + weight / 2) / (1 + weight)
    half = _Z * np.sqrt(rate * (1 - rate) / count + weight / (4 * count)) / (1 + weight)
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def rate(
    name: str,
    trials: Sequence[Trial],
    counts: Callable[[Trial], bool] = lambda trial: trial.success,
    *,
    goal: float | None = None,
    detail: str = '',
) -> list[Figure]:
    """Return the share of trials that count, with its interval; nothing where there is none."""
    if not trials:
        return []
    good = sum(map(counts, trials))
    low, high = wilson(good, len(trials))
    text = f'{good} of {len(trials)}, 95 % interval {low:.3f} to {high:.3f}'
    text += f'; {detail}' if detail else ''
    value = good / len(trials)
    if goal is None:
        return [Figure(name, value, '', detail=text)]
    return [at_least(name, value, '', goal, text)]


def figures(condition: str, trials: Sequence[Trial], goal: float, detail: str) -> list[Figure]:
    """Return the figures of one condition."""
    tried = [trial for trial in trials if trial.outcome is not None]
    sure = [trial for trial in tried if trial.score is not None and trial.score >= SURE_SCORE]
    result = [
        *rate(f'success, {condition}', trials, goal=goal, detail=detail),
        *rate(
            f'success where score >= {SURE_SCORE:g}, {condition}',
            sure,
            goal=SURE_GOAL,
            detail=f'{len(sure) / max(1, len(trials)):.0%} of all targets',
        ),
        *rate(f'success per attempt, {condition}', tried, detail='where there was a plan'),
        *rate(f'no plan, {condition}', trials, lambda trial: trial.outcome is None),
        *rate(
            f'others moved, {condition}',
            tried,
            lambda trial: trial.outcome is not None and _moved_m(trial.outcome) > MOVED_M,
            detail=f'another object by more than {MOVED_M:g} m',
        ),
        *rate(
            f'strict success, {condition}',
            trials,
            lambda trial: trial.outcome is not None and trial.outcome.strict_success,
            detail='any touch before the fingers close is a failure',
        ),
    ]
    if tried:
        scores, held = _scores(tried)
        result.append(
            Figure(
                f'Brier score, {condition}',
                float(np.mean((scores - held) ** 2)),
                '',
                detail=f'of the score as probability; {held.mean() * (1 - held.mean()):.3f} '
                'if it were always the mean success',
            )
        )
    return result


def print_tables(condition: str, trials: Sequence[Trial]) -> None:
    """Print success by class, causes of failure, and the calibration of the score."""
    print(f'\n{condition}, worst class first:')
    names = {trial.class_name for trial in trials}
    groups = [(name, [t for t in trials if t.class_name == name]) for name in sorted(names)]
    for name, mine in sorted(groups, key=lambda group: np.mean([t.success for t in group[1]])):
        low, high = wilson(sum(t.success for t in mine), len(mine))
        causes = Counter(t.cause for t in mine if not t.success).most_common()
        print(
            f'  {name:<9} {np.mean([t.success for t in mine]):5.3f} ({low:.2f} to {high:.2f}) '
            f'of {len(mine):3d}  ' + ', '.join(f'{count} {cause}' for cause, count in causes)
        )
    causes = Counter(t.cause for t in trials if not t.success).most_common()
    print('  failures: ' + ', '.join(f'{count} {cause}' for cause, count in causes))
    tried = [trial for trial in trials if trial.outcome is not None]
    if not tried:
        return
    print('  score   mean score   success')
    scores, held = _scores(tried)
    bins = np.minimum((scores * 10).astype(int), 9)
    for index in np.unique(bins):
        mine_ = bins == index
        print(
            f'  {index / 10:.1f}-{(index + 1) / 10:.1f} {scores[mine_].mean():9.3f} '
            f'{held[mine_].mean():11.3f} of {mine_.sum()}'
        )


def _scores(tried: Sequence[Trial]) -> tuple[FloatArray, FloatArray]:
    """Return the scores of grasps, and 1 where they held, shape (N,)."""
    return (
        np.array([trial.score for trial in tried], np.float64),
        np.array([trial.success for trial in tried], np.float64),
    )


def _moved_m(outcome: GraspOutcome) -> float:
    return max(outcome.moved_m.values(), default=0.0)
