"""Experiments: whether a change of the training lowers the error, over several seeds and a fixed set of pictures."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from kunstkammer.metrics.intervals import LEVEL, Interval, group_numbers


@dataclass(frozen=True)
class Change:
    """A difference of two mean errors with its 95 % interval.

    Attributes:
        value, low, high: error with the change minus error without; below 0 is better.
        p: two-sided p-value of no difference.
    """

    value: float
    low: float
    high: float
    p: float

    def to_json(self) -> dict[str, float]:
        """Return value, low, high and p."""
        return {"value": self.value, "low": self.low, "high": self.high, "p": self.p}


def mean_error(errors: np.ndarray, groups: Sequence[Hashable] | np.ndarray | None = None) -> Interval:
    """Return the mean error over S seeds and N pictures, with an interval over both.

    Args:
        errors: float (S, N): 0 right, 1 wrong, or anything between (1 - F1 for many labels).
        groups: of the pictures, as for `bootstrap`; pictures of one group count together.
    """
    value, deviation, freedom = _moments(errors, groups)
    half = _quantile(freedom) * deviation
    return Interval(value, max(0.0, value - half), min(1.0, value + half), "seeds and pictures")


def paired_change(
    without: np.ndarray, with_it: np.ndarray, groups: Sequence[Hashable] | np.ndarray | None = None
) -> Change:
    """Return the change of the mean error, paired by seed and picture.

    Seeds and pictures both count as drawn at random (a two-way layout with crossed random effects; Searle, Casella &
    McCulloch 1992, chapter 4): the variance of the mean is that of the seeds' means, plus that of the pictures' (or
    groups') means, minus what both hold of the variance within, and never less than either. Degrees of freedom are
    Satterthwaite's (1946); with few seeds that differ, the interval is wide.

    Args:
        without, with_it: float (S, N), the errors of the same seeds on the same pictures.
        groups: of the pictures, None where each stands for itself.
    """
    from scipy import stats

    if without.shape != with_it.shape:
        raise ValueError(f"Paired errors need one shape, not {without.shape} and {with_it.shape}.")
    value, deviation, freedom = _moments(with_it - without, groups)
    half = _quantile(freedom) * deviation
    p = 1.0 if value == 0 else 0.0 if deviation == 0 else float(2 * stats.t.sf(abs(value) / deviation, freedom))
    return Change(value, max(-1.0, value - half), min(1.0, value + half), p)


def _moments(values: np.ndarray, groups: Sequence[Hashable] | np.ndarray | None) -> tuple[float, float, float]:
    """Return mean, standard error and degrees of freedom of values (S, N) over random seeds and random groups."""
    seeds, count = values.shape
    members = group_numbers(groups, count)
    number = int(members.max()) + 1
    mean = float(values.mean())
    # A ratio estimate: what a group adds to the mean under each seed, its size taken into account.
    added = np.stack([np.bincount(members, row - mean, minlength=number) for row in values]) * number / count
    of_groups, of_seeds = added.mean(axis=0), added.mean(axis=1)
    over_groups = float(np.square(of_groups).sum() / max(number - 1, 1) / number)
    if seeds == 1 or number == 1:
        return mean, math.sqrt(over_groups), float(max(number - 1, 1))
    over_seeds = float(np.square(of_seeds).sum() / (seeds - 1) / seeds)
    rest = added - of_groups - of_seeds[:, None]
    within = float(np.square(rest).sum() / ((seeds - 1) * (number - 1)) / (seeds * number))
    total = max(over_groups + over_seeds - within, over_groups, over_seeds)
    if total == 0:
        return mean, 0.0, float(number - 1)
    parts = over_groups**2 / (number - 1) + over_seeds**2 / (seeds - 1) + within**2 / ((seeds - 1) * (number - 1))
    return mean, math.sqrt(total), max(1.0, total**2 / parts)


def _quantile(freedom: float) -> float:
    from scipy import stats

    return float(stats.t.ppf(0.5 + LEVEL / 2, freedom))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number (Holm 1979).

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted.tolist()
