"""Frozen features: a linear head by logistic regression on what a network sees, its strength by cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.data.groups import rarest_label
from kunstkammer.errors import DataError, ModelError
from kunstkammer.progress import progress
from kunstkammer.training.losses import WEIGHTS
from kunstkammer.training.regressions import Regressions, one_thread_each, spread

if TYPE_CHECKING:
    from transformers import PreTrainedModel

STRENGTHS = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Inverse strengths C that are tried unless the recipe names others: from nearly the prior to nearly unpenalised, for
standardised features."""


@dataclass(frozen=True)
class LinearHead:
    """A linear classifier of features, and how it was chosen.

    Attributes:
        weight: float64 (K, D); `bias`: float64 (K,). Both act on raw features: the standardisation is folded in.
        strength: the chosen C of scikit-learn, larger is less penalised.
        scores: C -> mean negative log likelihood a picture over the folds, empty where only one C was allowed.
        folds: how many folds there were, 0 for none.
    """

    weight: np.ndarray
    bias: np.ndarray
    strength: float
    scores: dict[float, float] = field(default_factory=dict)
    folds: int = 0

    def logits(self, features: np.ndarray) -> np.ndarray:
        """Return float64 logits (N, K) of features (N, D)."""
        return features.astype(np.float64) @ self.weight.T + self.bias


def fit_head(
    features: np.ndarray,
    targets: np.ndarray,
    classes: int,
    *,
    groups: np.ndarray | None = None,
    strengths: Sequence[float] = STRENGTHS,
    folds: int = 5,
    class_weights: str = "none",
    seed: int = 0,
) -> LinearHead:
    """Fit a linear head on features.

    Multinomial logistic regression for one label a picture (scikit-learn, L-BFGS), one binary regression a label for
    many, all together (`regressions`); L2-penalised on standardised features. The C with the smallest held-out log loss
    is taken, of those where it is finite.

    Args:
        features: float32 (N, D).
        targets: int64 (N,), or float32 (N, K) of 0 and 1 for many labels.
        classes: K.
        groups: int (N,): pictures of one group (copies, one title) never stand on both sides of a fold.
        strengths: the C that are tried, all above 0.
        folds: at most so many folds; fewer where the rarest class, or the groups, give no more.
        class_weights: "none", or a name of `losses.WEIGHTS`: pictures weigh by their class, or the positives of each
            label.
        seed: of the folds.

    Raises `DataError` where there is nothing to tell apart, a feature is not a number, or no C has a finite log loss.
    """
    if not np.isfinite(features).all():
        bad = int((~np.isfinite(features)).any(axis=1).sum())
        raise DataError(f"The features of {bad} pictures are not numbers; the network's weights are damaged.")
    if targets.ndim == 1 and len(np.unique(targets)) < 2:
        raise DataError("There is only one class to learn; a linear head needs two.")
    tried = sorted({float(c) for c in strengths})
    scaled, mean, spread = _standardise(features)
    parts = list(fold_rows(targets, groups, folds, seed)) if len(tried) > 1 else []
    with one_thread_each() as threads:
        scores = _cross_validate(scaled, targets, classes, tried, parts, class_weights, threads) if parts else {}
        finite = {c: score for c, score in scores.items() if np.isfinite(score)}
        if scores and not finite:
            raise DataError(
                "The held-out log loss of the linear head is not finite for any of learning.linear_head.strengths."
            )
        best = min(finite, key=lambda c: finite[c]) if finite else tried[len(tried) // 2]
        path = _path(scaled, targets, classes, [c for c in tried if c <= best], class_weights, threads)
        weight, bias = list(path)[-1]
    weight = weight / spread
    return LinearHead(weight, bias - weight @ mean, best, scores, len(parts))


def _cross_validate(
    scaled: np.ndarray,
    targets: np.ndarray,
    classes: int,
    strengths: Sequence[float],
    parts: Sequence[np.ndarray],
    class_weights: str,
    threads: int = 1,
) -> dict[float, float]:
    """Return C -> held-out log loss a picture, from the strongest penalty on until two in a row make it worse.

    The features were standardised over all folds together; that differs from a fold's own mean and spread by a hair and
    tells nothing of the labels.
    """
    rows = np.arange(len(targets))
    kept = [np.setdiff1d(rows, part) for part in parts]
    paths = [_path(scaled[mine], targets[mine], classes, strengths, class_weights) for mine in kept]
    scores: dict[float, float] = {}
    with progress("cross-validation", len(strengths) * len(parts)) as advance:
        for strength in strengths:
            loss = 0.0
            for held_out, (weight, bias) in zip(parts, spread(next, paths, threads), strict=True):
                loss += _log_loss(scaled[held_out] @ weight.T + bias, targets[held_out])
                advance(1)
            scores[strength] = loss / len(targets)
            last = list(scores.values())[-3:]
            if len(last) == 3 and last[0] < last[1] < last[2]:
                break
    return scores


def _standardise(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return float64 features of mean 0 and variance 1, the mean and the spread; constant features become 0."""
    values = features.astype(np.float64)
    mean, spread = values.mean(axis=0), values.std(axis=0)
    spread[spread < 1e-8 * max(1.0, float(np.abs(mean).max(initial=0.0)))] = np.inf
    return (values - mean) / spread, mean, spread


def fold_rows(targets: np.ndarray, groups: np.ndarray | None, folds: int, seed: int) -> Iterator[np.ndarray]:
    """Yield the rows of each fold: groups whole, classes spread evenly; nothing where two folds are not possible.

    A group goes by the label of its first picture, for many labels by its rarest one.
    """
    random = np.random.default_rng((seed, 3))
    labels = rarest_label(targets)
    names, first, number = np.unique(
        np.arange(len(targets)) if groups is None else groups, return_index=True, return_inverse=True
    )
    counts = np.bincount(np.unique(labels[first], return_inverse=True)[1])
    folds = int(min(folds, len(names), max(2, counts.min())))
    if folds < 2 or len(names) < 4:
        return
    order = random.permutation(len(names))
    order = order[np.argsort(labels[first][order], kind="stable")]
    fold_of = np.empty(len(names), dtype=np.int64)
    fold_of[order] = np.arange(len(names)) % folds
    for fold in range(folds):
        rows = np.flatnonzero(fold_of[number] == fold)
        if len(rows):
            yield rows


def _path(
    scaled: np.ndarray,
    targets: np.ndarray,
    classes: int,
    strengths: Sequence[float],
    class_weights: str,
    threads: int = 1,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (weight (K, D), bias (K,)) for each C in turn, each fit starting from the last."""
    weights = WEIGHTS[class_weights](targets, classes).double().numpy() if class_weights in WEIGHTS else None
    one = (
        _Multinomial(scaled, targets, classes, weights) if targets.ndim == 1 else Regressions(scaled, targets, weights)
    )
    for strength in strengths:
        yield one.solve(strength)


class _Multinomial:
    """A multinomial regression that keeps its place when its penalty changes."""

    def __init__(self, scaled: np.ndarray, targets: np.ndarray, classes: int, weights: np.ndarray | None) -> None:
        from sklearn.linear_model import LogisticRegression

        self.scaled, self.targets, self.classes = scaled, targets, classes
        self.present = np.unique(targets)
        self.pictures = None
        if weights is not None:  # of a mean of 1, so that C keeps its meaning
            self.pictures = weights[targets] / weights[targets].mean()
        self.model = LogisticRegression(warm_start=True, max_iter=1000, tol=1e-3)

    def solve(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Return weight (K, D) and bias (K,); a class that is absent here is given next to no probability."""
        self.model.set_params(C=strength).fit(self.scaled, self.targets, sample_weight=self.pictures)
        coefficients, intercepts = self.model.coef_, self.model.intercept_
        if len(self.present) == 2:  # one logit z for the second class; the pair (-z/2, z/2) has the same softmax
            coefficients = np.concatenate([-coefficients, coefficients]) / 2
            intercepts = np.concatenate([-intercepts, intercepts]) / 2
        weight = np.zeros((self.classes, self.scaled.shape[1]))
        bias = np.full(self.classes, intercepts.min() - 10.0)
        weight[self.present], bias[self.present] = coefficients, intercepts
        return weight, bias


def _log_loss(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the summed negative log likelihood; over many labels the mean over labels, summed over pictures."""
    if targets.ndim == 1:
        top = logits.max(axis=1)
        total = top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
        return float((total - logits[np.arange(len(targets)), targets]).sum())
    return float((np.logaddexp(0, logits) - logits * targets).mean(axis=1).sum())


def put_head(model: PreTrainedModel, head: LinearHead) -> None:
    """Make a linear head the output layer of a model, in place. Raises `ModelError` where it does not fit."""
    import torch

    from kunstkammer.models.catalogue import output_layer

    layer = output_layer(model)
    weight, bias = head.weight, head.bias
    if layer.out_features == 1 and len(weight) == 2:  # a single unit z whose logits are (-z/2, z/2)
        weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
    if tuple(layer.weight.shape) != weight.shape:
        raise ModelError(
            f"The output layer of {type(model).__name__} is {tuple(layer.weight.shape)}, the head {weight.shape}."
        )
    if layer.bias is None:
        layer.bias = torch.nn.Parameter(torch.zeros(len(weight), device=layer.weight.device))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.from_numpy(bias))


def head_facts(head: LinearHead) -> dict[str, Any]:
    """Return what `run.json`, the card and the report say of how the head was chosen."""
    return {
        "strength": head.strength,
        "folds": head.folds,
        "cross_validation": {f"{c:g}": round(score, 5) for c, score in head.scores.items()},
    }
