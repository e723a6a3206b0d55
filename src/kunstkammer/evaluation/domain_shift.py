"""Where the features of two sets of pictures lie: a picture of them, and one number for how far apart they are.

The number is the ROC-AUC of a *domain classifier*: a logistic regression that is asked which of the two sets a picture
comes from, judged on pictures that it has not seen (Ben-David et al. 2007, "Analysis of representations for domain
adaptation", section 4, use its error as the distance between domains). 0.5: the model sees no difference. 1.0: it could
always tell. Where the sets hold the classes in other shares, the class of a picture alone betrays its set; therefore
the same is asked within each class, with classes and sets weighted evenly, and the mean over the classes stands beside.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.metrics.classification import class_roc_auc, one_hot
from kunstkammer.metrics.intervals import (
    Interval,
    bootstrap,
    bootstrap_interval,
    group_numbers,
    widen_if_perfect,
)

FEWEST = 10
FEWEST_OF_CLASS = 10
FOLDS = 5
COMPONENTS = 256
MOST = 1000
PLOTTED = 300
C = 0.01
"""Strength of the logistic regression's L2 penalty, inverted: many features beside few pictures need much of it."""
FEWEST_PLOTTED = 30


@dataclass(frozen=True)
class DomainAUC:
    """How well a classifier tells from the features which of two sets a picture comes from.

    Attributes:
        value: its ROC-AUC on pictures that it has not seen: 0.5 none of the two, 1 always. low, high: the 95 %
            interval over the pictures; that the classifier itself was fitted by chance on these is not in it.
        within_class: the mean over the classes of the same within each class; None where no class is known or none has
            ten pictures in both sets.
        by_class: number of a class -> its ROC-AUC.
        n_a, n_b: the pictures of each set that were used.
    """

    value: float
    low: float
    high: float
    within_class: Interval | None = None
    by_class: dict[int, float] = field(default_factory=dict)
    n_a: int = 0
    n_b: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return all attributes but the classes."""
        within = None if self.within_class is None else self.within_class.to_json()
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "within_class": within,
            "n_a": self.n_a,
            "n_b": self.n_b,
        }


def domain_auc(
    features_a: np.ndarray,
    features_b: np.ndarray,
    classes_a: np.ndarray | None = None,
    classes_b: np.ndarray | None = None,
    *,
    groups_a: Sequence[Hashable] | np.ndarray | None = None,
    groups_b: Sequence[Hashable] | np.ndarray | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> DomainAUC:
    """Say how well a classifier tells two sets apart by their features.

    features_a (N, D), features_b (M, D): as `models.features.collect_features` returns them. classes_a, classes_b:
    targets as in `Predictions`, int (N,) or 0/1 (N, K), -1 where not known. groups_a, groups_b: keys of pictures that
    belong together, also across the sets (a face as photograph and as drawing); they stay in one fold, or the
    classifier would know one by the other. Without them, pictures of both sets with equal features (the same picture
    in both) are kept together.

    Standardised, reduced to at most 256 principal components, logistic regression with both sets weighted evenly, five
    folds; pictures are compared within a fold only. Of more than 1,000 pictures a set, 1,000 are drawn.

    Raises `DataError` for fewer than ten pictures of a set, or features that do not fit together.

    >>> rng = np.random.default_rng(0)
    >>> found = domain_auc(rng.normal(size=(60, 4)), rng.normal(3.0, size=(60, 4)))
    >>> found.value > 0.98
    True
    """
    _check(features_a, features_b)
    rng = np.random.default_rng(seed)
    rows_a, rows_b = (_some(len(f), MOST, rng) for f in (features_a, features_b))
    features = np.concatenate([features_a[rows_a], features_b[rows_b]]).astype(np.float64)
    domain = np.repeat([False, True], [len(rows_a), len(rows_b)])
    members = _members(groups_a, groups_b, rows_a, rows_b)
    if members is None:
        members = _twins(features, domain)
    known = classes_a is not None and classes_b is not None
    classes = np.concatenate([np.asarray(classes_a)[rows_a], np.asarray(classes_b)[rows_b]]) if known else None
    folds = _folds(domain, classes, members, seed)
    even = 1 / np.bincount(domain)[domain.astype(int)]
    drawn = np.arange(len(domain)) if members is None else members
    scores = _scores(features, domain, folds, even, seed)
    overall = _interval([_strata(domain, folds)], domain, scores, drawn, resamples, seed)
    found = DomainAUC(overall.value, overall.low, overall.high, n_a=len(rows_a), n_b=len(rows_b))
    inside = {} if classes is None else _classes(classes, domain)
    strata = {k: part for k, own in inside.items() if (part := _strata(domain, folds, own))}
    if classes is None or not strata:
        return found
    scores = _scores(features, domain, folds, _even_weights(domain, classes, even), seed)
    whole = np.ones((1, len(domain)))
    by_class = {k: float(_auc(part, domain, scores, whole)[0]) for k, part in strata.items()}
    within = _interval(list(strata.values()), domain, scores, drawn, resamples, seed)
    return replace(found, within_class=within, by_class=by_class)


def _check(a: np.ndarray, b: np.ndarray) -> None:
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise DataError(f"Features need shapes (N, D) and (M, D), not {a.shape} and {b.shape}.")
    if min(len(a), len(b)) < FEWEST:
        raise DataError(f"A domain classifier needs {FEWEST} pictures of each set; there are {len(a)} and {len(b)}.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError("The features are not all finite numbers.")


def _some(count: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.arange(count) if count <= most else np.sort(rng.choice(count, most, replace=False))


def _members(groups_a: Any, groups_b: Any, rows_a: np.ndarray, rows_b: np.ndarray) -> np.ndarray | None:
    """Return int (N + M,), the group of each picture; None where each is its own."""
    if groups_a is None and groups_b is None:
        return None
    keys = [
        *([None] * len(rows_a) if groups_a is None else [groups_a[int(i)] for i in rows_a]),
        *([None] * len(rows_b) if groups_b is None else [groups_b[int(i)] for i in rows_b]),
    ]
    return group_numbers(keys, len(keys))


def _twins(features: np.ndarray, domain: np.ndarray) -> np.ndarray | None:
    """Return the groups that pictures of both sets with (almost) equal features form; None where there are none.

    Equal is what lies a hundred times nearer than the pictures of the first set lie to their nearest neighbours.
    """
    from sklearn.neighbors import NearestNeighbors

    first, second = np.flatnonzero(~domain), np.flatnonzero(domain)
    scaled = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-12)
    neighbours = NearestNeighbors(n_neighbors=2).fit(scaled[first])
    usual = float(np.median(neighbours.kneighbors(scaled[first])[0][:, 1]))
    near, place = neighbours.kneighbors(scaled[second], n_neighbors=1)
    twin = near[:, 0] <= usual / 100
    if not twin.any() or not usual:
        return None
    members = np.arange(len(domain))
    members[second[twin]] = first[place[twin, 0]]
    return np.unique(members, return_inverse=True)[1]


def _folds(domain: np.ndarray, classes: np.ndarray | None, members: np.ndarray | None, seed: int) -> np.ndarray:
    """Return int (N,), the fold of each picture: sets and classes spread evenly, groups whole."""
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    strata = domain.astype(np.int64)
    if classes is not None and classes.ndim == 1:
        both = 2 * (classes.astype(np.int64) + 1) + domain
        frequent = np.bincount(both, minlength=both.max() + 1)[both] >= FOLDS
        strata = np.where(frequent, both + 2, strata)
        # the rare ones together may be too rare themselves; they then go with the most frequent class of their set
        for side in (0, 1):
            rest = strata == side
            if 0 < rest.sum() < FOLDS and frequent[domain == side].any():
                strata[rest] = np.bincount(strata[(domain == side) & frequent]).argmax()
    fold = np.zeros(len(domain), dtype=np.int64)
    if members is None:
        splits = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(strata, strata)
    else:
        splits = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(strata, strata, members)
    for number, (_, judged) in enumerate(splits):
        fold[judged] = number
    return fold


def _scores(features: np.ndarray, domain: np.ndarray, folds: np.ndarray, weights: np.ndarray, seed: int) -> np.ndarray:
    """Return (N,), how much each picture looks like one of b to a classifier that was fitted without its fold."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    scores = np.zeros(len(domain))
    for fold in range(FOLDS):
        own = folds == fold
        if not own.any() or len(np.unique(domain[~own])) < 2:
            continue
        size = min(COMPONENTS, features.shape[1], int((~own).sum()) - 1)
        model = make_pipeline(
            StandardScaler(),
            PCA(size, svd_solver="randomized" if size < min(features.shape) // 2 else "full", random_state=seed),
            LogisticRegression(C=C, max_iter=2000),
        )
        fair = weights[~own] / weights[~own].mean()
        model.fit(features[~own], domain[~own], logisticregression__sample_weight=fair)
        scores[own] = model.decision_function(features[own])
    return scores


def _even_weights(domain: np.ndarray, classes: np.ndarray, even: np.ndarray) -> np.ndarray:
    """Return (N,): weights that give each class of each set the same sum, so that the class betrays no set."""
    if classes.ndim != 1:
        return even
    both = 2 * (classes.astype(np.int64) + 1) + domain
    return 1 / np.bincount(both)[both]


def _classes(classes: np.ndarray, domain: np.ndarray) -> dict[int, np.ndarray]:
    """Return number -> bool (N,) of the classes with ten pictures in both sets."""
    table = one_hot(np.maximum(classes, 0), 0) if classes.ndim == 2 else one_hot(classes, int(classes.max()) + 1)
    found = {}
    for k, own in enumerate(table.T):
        if min((own & domain).sum(), (own & ~domain).sum()) >= FEWEST_OF_CLASS:
            found[k] = own
    return found


def _strata(domain: np.ndarray, folds: np.ndarray, own: np.ndarray | None = None) -> list[np.ndarray]:
    """Return the places of the pictures that are compared with one another: a fold, or a class's pictures in it."""
    inside = np.ones(len(domain), dtype=bool) if own is None else own
    parts = [np.flatnonzero(inside & (folds == fold)) for fold in range(FOLDS)]
    return [part for part in parts if domain[part].any() and not domain[part].all()]


def _auc(strata: list[np.ndarray], domain: np.ndarray, scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (R,): the share of right pairs over all strata, with weights (R, N)."""
    right, pairs = np.zeros(len(weights)), np.zeros(len(weights))
    for part in strata:
        own = weights[:, part]
        count = own[:, domain[part]].sum(axis=1) * own[:, ~domain[part]].sum(axis=1)
        right += np.nan_to_num(class_roc_auc(domain[part], scores[part], own)) * count
        pairs += count
    return np.divide(right, pairs, out=np.full(len(weights), np.nan), where=pairs > 0)


def _interval(
    groups: list[list[np.ndarray]],
    domain: np.ndarray,
    scores: np.ndarray,
    members: np.ndarray,
    resamples: int,
    seed: int,
) -> Interval:
    """Return the mean over groups of strata of their ROC-AUC, with its interval over the pictures, or their groups."""

    def mean(weights: np.ndarray) -> np.ndarray:
        values = np.stack([_auc(strata, domain, scores, weights) for strata in groups], axis=1)
        return np.nanmean(values, axis=1)

    value = float(mean(np.ones((1, len(domain))))[0])
    draws = bootstrap({"auc": mean}, members, resamples, seed)["auc"]
    found = bootstrap_interval(value, draws, 0.0, 1.0)
    return widen_if_perfect(found, 1.0, float(min(domain.sum(), (~domain).sum())))


@dataclass(frozen=True)
class Plane:
    """Features of two sets in two dimensions.

    Attributes:
        points_a, points_b: float (N, 2), 0 to 1 on both axes with one scale.
        rows_a, rows_b: which of the features they are.
        method: "t-SNE" or "PCA".
    """

    points_a: np.ndarray
    points_b: np.ndarray
    rows_a: np.ndarray
    rows_b: np.ndarray
    method: str


def plane(features_a: np.ndarray, features_b: np.ndarray, *, most: int = PLOTTED, seed: int = 0) -> Plane:
    """Lay the features of two sets into one plane, at most `most` pictures of each.

    t-SNE (van der Maaten and Hinton 2008) of the first 50 principal components, fitted on both sets at once without
    being told which is which; with fewer than 30 pictures, the first two principal components. The same features and
    seed give the same plane.
    """
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(seed)
    rows_a, rows_b = (_some(len(f), most, rng) for f in (features_a, features_b))
    both = np.concatenate([features_a[rows_a], features_b[rows_b]]).astype(np.float64)
    scaled = StandardScaler().fit_transform(both)
    size = min(50, *scaled.shape)
    points, method = scaled, "PCA"
    if scaled.any():
        points = PCA(size, svd_solver="full").fit_transform(scaled)
        if len(points) >= FEWEST_PLOTTED and size > 2:
            perplexity = min(30.0, (len(points) - 1) / 3)
            points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(points)
            method = "t-SNE"
    points = np.pad(points, ((0, 0), (0, max(0, 2 - points.shape[1]))))[:, :2]
    low, span = points.min(axis=0), np.ptp(points, axis=0)
    points = 0.5 + (points - low - span / 2) / max(float(span.max()), 1e-12)
    return Plane(points[: len(rows_a)], points[len(rows_a) :], rows_a, rows_b, method)
