"""How far a figure can be trusted: 95 % intervals over the pictures, or over groups of pictures that belong together.

Metrics: the percentile bootstrap (Efron and Tibshirani 1993, chapter 13). Two cases need more than that. A share of
pictures, such as the accuracy, has Wilson's score interval (Wilson 1927): with 20 of 20 right a bootstrap would say
[1, 1], Wilson says [0.84, 1]. And any other metric without spread at its best value gets Wilson's bound for as many
pictures as carry it. With groups (pages of one title, copies of one picture) the groups are drawn, not the pictures:
pictures of one group tell less than as many strangers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kunstkammer.data.groups import group_numbers as group_numbers  # noqa: PLC0414 - handed on

Z95 = 1.959963984540054
LEVEL = 0.95
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval; `method` says how that was found ("bootstrap", "wilson",
    "square-and-add")."""

    value: float
    low: float
    high: float
    method: str = "bootstrap"

    def to_json(self) -> dict[str, float]:
        """Return value, low and high."""
        return {"value": self.value, "low": self.low, "high": self.high}


def resample_weights(members: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield chunks (R, N) of how often each picture is drawn; the chunks have `resamples` rows together.

    members: int (N,), the group of each picture. As many groups are drawn as there are, with replacement.
    """
    rng = np.random.default_rng(seed)
    groups = int(members.max()) + 1
    rows = max(1, min(resamples, _CHUNK // max(len(members), 1)))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = rng.integers(0, groups, size=(size, groups)) + np.arange(size)[:, None] * groups
        counts = np.bincount(drawn.ravel(), minlength=size * groups).reshape(size, groups)
        yield counts[:, members].astype(np.float64)


def wilson(share: float, n: float, z: float = Z95) -> tuple[float, float]:
    """Return Wilson's score interval for a share of `n` pictures (which may be an effective, broken number).

    >>> [round(x, 4) for x in wilson(1.0, 20)]
    [0.8389, 1.0]
    """
    if n <= 0:
        return 0.0, 1.0
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if share == 0 else low), (1.0 if share == 1 else high)


def effective_count(right: np.ndarray, members: np.ndarray) -> float:
    """Return how many independent pictures the pictures of a share are worth, given their groups.

    n / deff, where deff is the variance of the share over groups (the ultimate cluster estimator) beside that over
    independent pictures. Where all are right or all wrong there is no variance to see: then the number of groups.
    """
    n, groups = len(right), int(members.max()) + 1
    if groups == n:
        return float(n)
    share = right.mean()
    if groups < 2 or share in (0.0, 1.0):
        return float(groups)
    sums = np.bincount(members, weights=right - share, minlength=groups)
    clustered = groups / (groups - 1) * float((sums**2).sum()) / n**2
    if clustered == 0:
        return float(n)
    return min(float(n), max(share * (1 - share) / clustered, 1.0))


def share_interval(right: np.ndarray, members: np.ndarray) -> Interval:
    """Return the share of True in `right` (N,) with Wilson's interval, for the effective number of pictures."""
    share = float(right.mean())
    low, high = wilson(share, effective_count(right.astype(float), members))
    return Interval(share, low, high, "wilson")


def bootstrap_interval(value: float, draws: np.ndarray, low: float, high: float, *, biased: bool = False) -> Interval:
    """Return the percentile interval of a metric from its values on the resamples; nan draws do not count.

    low, high: the range of the metric. With `biased` the interval is turned about the value (the basic bootstrap, 2 v -
    quantile): resampling repeats the upward bias of such a metric, and the turn takes it off instead of doubling it.
    The value itself always lies inside.
    """
    draws = draws[np.isfinite(draws)]
    if not len(draws):
        return Interval(value, low, high)
    lower, upper = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    if biased:
        lower, upper = 2 * value - upper, 2 * value - lower
    lower, upper = min(lower, value), max(upper, value)
    return Interval(value, float(max(lower, low)), float(min(upper, high)))


def difference_of(a: Interval, b: Interval) -> Interval:
    """Return the interval of b - a from the intervals of two independent values (square and add).

    d - sqrt((b - b_low)^2 + (a_high - a)^2) to d + sqrt((b_high - b)^2 + (a - a_low)^2): for two shares with Wilson's
    intervals this is method 10 of Newcombe 1998 ("Interval estimation for the difference between independent
    proportions"); for any others, Zou and Donner 2008.

    >>> found = difference_of(Interval(0.9, 0.8, 0.95), Interval(0.5, 0.4, 0.6))
    >>> round(found.low, 3), round(found.high, 3)
    (-0.512, -0.259)
    """
    gap = b.value - a.value
    low = gap - math.hypot(b.value - b.low, a.high - a.value)
    high = gap + math.hypot(b.high - b.value, a.value - a.low)
    return Interval(gap, low, high, "square-and-add")


def widen_if_perfect(interval: Interval, best: float, carriers: float) -> Interval:
    """Give an interval without spread at a metric's best value (0 or 1) Wilson's bound for `carriers` pictures."""
    if interval.value != best or interval.high - interval.low > 1e-12 or best not in (0.0, 1.0):
        return interval
    low, high = wilson(best, carriers)
    return Interval(interval.value, low, high, "wilson")


def class_carriers(support: np.ndarray, limit: float) -> float:
    """Return how many pictures a mean over classes rests on: K^2 / sum_k 1/n_k over the classes that occur.

    A mean of K recalls with n_k pictures each varies like a share of that many pictures; at most `limit`.
    """
    present = support[support > 0].astype(float)
    return min(limit, float(len(present) ** 2 / (1 / present).sum())) if len(present) else 0.0


def bootstrap(
    functions: Mapping[str, Callable[[np.ndarray], np.ndarray]], members: np.ndarray, resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Return the values (resamples,) of functions of the weights (R, N), all on the same resamples."""
    parts: dict[str, list[Any]] = {name: [] for name in functions}
    if functions:
        for weights in resample_weights(members, resamples, seed):
            for name, function in functions.items():
                parts[name].append(function(weights))
    return {name: np.concatenate(values) for name, values in parts.items()}
