"""Two sets of judged pictures, resampled together or on their own: the draws under every difference of `domain_gap`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.classification import label_counts
from kunstkammer.metrics.decisions import one_hot
from kunstkammer.metrics.intervals import (
    Interval,
    bootstrap,
    bootstrap_interval,
    difference_of,
    group_numbers,
    share_interval,
    wilson,
)

PAIRED_FROM = 0.9
"""Sets are paired by themselves when so many of the names of the larger one stand in the other too."""

Draw = Callable[["Side", np.ndarray], np.ndarray]
"""A figure of one side on resamples: weights (R, N) to (R,) or (R, K)."""


@dataclass(frozen=True)
class Side:
    """The pictures of one set whose truth is known: as in `Predictions`; `predicted` bool (N, K), `groups` of each."""

    files: list[str]
    targets: np.ndarray
    probabilities: np.ndarray
    predicted: np.ndarray
    groups: list[Hashable] | None

    @classmethod
    def of(cls, predictions: Predictions, groups: Sequence[Hashable] | np.ndarray | None) -> Side:
        """Take the judged pictures out of predictions."""
        chosen = np.flatnonzero(predictions.known())
        judged = predictions.select(chosen)
        targets = np.asarray(judged.targets)
        if not predictions.multi_label:
            targets = targets.astype(np.int64)
        own = None if groups is None else [groups[int(i)] for i in chosen]
        return cls(judged.files, targets, judged.probabilities, judged.decided(), own)

    @property
    def truth(self) -> np.ndarray:
        """bool (N, K): the true labels."""
        return one_hot(self.targets, self.probabilities.shape[1])

    @property
    def stems(self) -> list[str]:
        """The names without their suffixes."""
        return [str(PurePosixPath(file).with_suffix("")) for file in self.files]

    @property
    def members(self) -> np.ndarray:
        """int (N,): the group of each picture."""
        return group_numbers(self.groups, len(self.files))

    def recalls(self, weights: np.ndarray) -> np.ndarray:
        """Return the recall of each class, (R, K); nan where it does not occur."""
        right, _, true = label_counts(self.targets, self.predicted, weights)
        return _ratio(right, true)

    def f1s(self, weights: np.ndarray) -> np.ndarray:
        """Return the F1 of each class, (R, K); nan where it is neither true nor predicted."""
        right, said, true = label_counts(self.targets, self.predicted, weights)
        return _ratio(2 * right, said + true)

    def recall(self, k: int) -> Interval | None:
        """Return the recall of one class with Wilson's interval, None where it does not occur."""
        own = self.truth[:, k]
        if not own.any():
            return None
        found = self.predicted[own, k]
        return share_interval(found, np.unique(self.members[own], return_inverse=True)[1])


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)


def ties(a: Side, b: Side, paired: bool | None) -> tuple[list[Hashable], list[Hashable]] | None:
    """Return what ties pictures of both sets together, a key a picture; None where nothing does.

    Groups that both sets have, else equal names without the suffix. `paired` None: by names if 90 % of those of the
    larger set stand in the other with the same labels.
    """
    if a.groups is not None and b.groups is not None:
        return (a.groups, b.groups) if set(a.groups) & set(b.groups) - {None, ""} else None
    if a.groups is not None or b.groups is not None or paired is False:
        return None
    first, second = a.stems, b.stems
    place = {stem: i for i, stem in enumerate(second)}
    if len(set(first)) < len(first) or len(place) < len(second):
        return None
    shared = [stem for stem in first if stem in place]
    if paired is None:
        truth_a, truth_b = a.truth, b.truth
        alike = all(np.array_equal(truth_a[i], truth_b[place[s]]) for i, s in enumerate(first) if s in place)
        paired = alike and len(shared) >= PAIRED_FROM * max(len(first), len(second))
    return (list(first), list(second)) if paired and shared else None


class TwoSets:
    """Two sets and their resamples: joint where keys tie their pictures together, independent otherwise.

    Attributes:
        pairs: pictures of b that belong to one of a.
    """

    def __init__(
        self, a: Side, b: Side, keys: tuple[list[Hashable], list[Hashable]] | None, *, resamples: int, seed: int
    ) -> None:
        self.a, self.b, self.resamples, self.seed = a, b, resamples, seed
        self._joint = None if keys is None else group_numbers([*keys[0], *keys[1]], len(keys[0]) + len(keys[1]))
        self.pairs = 0 if keys is None else sum(key in set(keys[0]) - {None, ""} for key in keys[1])

    def draws(self, functions: Mapping[str, Draw], resamples: int | None = None) -> dict[str, np.ndarray]:
        """Return name -> the values on the resamples of a and of b, (2, R) or (2, R, K)."""
        count = resamples or self.resamples
        if self._joint is None:
            found = [
                bootstrap({k: functools.partial(f, side) for k, f in functions.items()}, side.members, count, seed)
                for side, seed in ((self.a, self.seed), (self.b, self.seed + 1))
            ]
            return {k: np.stack([found[0][k], found[1][k]]) for k in functions}
        split = len(self.a.files)

        def both(f: Draw, weights: np.ndarray) -> np.ndarray:
            # the resamples go first, so that chunks of them can be joined
            return np.stack([f(self.a, weights[:, :split]), f(self.b, weights[:, split:])], axis=1)

        with np.errstate(
            invalid="ignore"
        ):  # few pairs among many others: a resample may hold none of a set, and is nan
            functions_of_both = {k: functools.partial(both, f) for k, f in functions.items()}
            joined = bootstrap(functions_of_both, self._joint, count, self.seed)
        return {k: np.moveaxis(values, 1, 0) for k, values in joined.items()}

    def difference(
        self, a: Interval, b: Interval, draws: np.ndarray, most: float = 1.0, *, biased: bool = False
    ) -> Interval:
        """Return b - a with its interval, from the draws (2, R) of both and the intervals of each.

        most: the largest difference that there can be. biased: as for `bootstrap_interval`.
        """
        if self._joint is None and "wilson" in (a.method, b.method):
            return difference_of(a, b)
        found = bootstrap_interval(b.value - a.value, draws[1] - draws[0], -most, most, biased=biased)
        if found.high - found.low > 1e-12:
            return found
        if self._joint is None:
            return difference_of(a, b)
        # all pairs agree: as many might not as Wilson's bound for none of so many says
        apart = wilson(0.0, self.pairs)[1]
        return Interval(found.value, max(found.value - apart, -most), min(found.value + apart, most), "wilson")
