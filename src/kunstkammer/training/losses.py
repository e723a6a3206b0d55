"""Losses: a name -> a function of logits and targets. One function each, registered under its usual name."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kunstkammer.errors import RecipeError, guess
from kunstkammer.registry import get, register


class Loss(Protocol):
    """What every loss is called with.

    Args:
        logits: float32 (N, K).
        targets: int64 (N,) class indices, or float32 (N, K) multi-hot for several labels a picture.
        class_weights: float32 (K,) or None. With one label a picture: the weight of a picture, by its class. With
            several: the weight of a label's positives, that of its negatives being 1 (PyTorch's `pos_weight`); a
            factor of both would only make some labels louder, and leave each as unbalanced as it is.
        options: the loss's own settings, by name.

    Returns:
        the mean over the pictures, a scalar.
    """

    def __call__(
        self, logits: Tensor, targets: Tensor, class_weights: Tensor | None = None, **options: float
    ) -> Tensor:
        """Return the loss."""
        ...


def multi_hot(targets: Tensor, classes: int) -> Tensor:
    """Return float targets (N, K): one-hot for class indices, unchanged for multi-hot ones."""
    return targets if targets.is_floating_point() else F.one_hot(targets, classes).float()


@register("losses", "cross-entropy", "cross-entropy over the softmax; options: label_smoothing (0 to 1)")
def cross_entropy(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None = None, *, label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of the softmax, -log p_y, with label smoothing (Szegedy et al. 2016, section 7).

    With several labels a picture the target is their uniform distribution.

    >>> round(cross_entropy(torch.zeros(1, 4), torch.tensor([2])).item(), 4)
    1.3863
    """
    if targets.is_floating_point():
        targets = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
    return F.cross_entropy(logits, targets, weight=class_weights, label_smoothing=label_smoothing)


@register("losses", "bce", "binary cross-entropy with logits, a label at a time (one-hot for one label a picture)")
def binary_cross_entropy(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Binary cross-entropy of the sigmoid of each logit, averaged over labels and pictures.

    With one label a picture the whole picture is weighted by its class, positive and negatives alike, as the
    class-balanced loss is (Cui et al. 2019, section 4.2); with several, each label's positives are.

    >>> round(binary_cross_entropy(torch.zeros(1, 4), torch.tensor([2])).item(), 4)
    0.6931
    """
    if targets.is_floating_point():
        return F.binary_cross_entropy_with_logits(logits, targets, pos_weight=class_weights)
    hot = multi_hot(targets, logits.shape[1])
    weight = None if class_weights is None else class_weights[targets][:, None]
    return F.binary_cross_entropy_with_logits(logits, hot, weight=weight)


@register("losses", "focal", "focal loss (Lin et al. 2017), for rare classes; options: gamma")
def focal(logits: Tensor, targets: Tensor, class_weights: Tensor | None = None, *, gamma: float = 2.0) -> Tensor:
    """Focal loss, -(1 - p_t)^gamma log p_t (Lin et al. 2017, section 3): over the softmax for one label a picture, over
    each label's sigmoid for several.

    Weights are those of pictures (a weighted mean, as in cross-entropy) or of each label's positives, see `Loss`.

    >>> y = torch.tensor([0])
    >>> focal(torch.tensor([[4.0, 0.0]]), y).item() < cross_entropy(torch.tensor([[4.0, 0.0]]), y).item()
    True
    """
    if targets.is_floating_point():
        positive = targets > 0.5
        log_p = torch.where(positive, F.logsigmoid(logits), F.logsigmoid(-logits))
        losses = -((1 - log_p.exp()) ** gamma) * log_p
        return (losses if class_weights is None else torch.where(positive, losses * class_weights, losses)).mean()
    log_p = F.log_softmax(logits, dim=1).gather(1, targets[:, None]).squeeze(1)
    losses = -((1 - log_p.exp()) ** gamma) * log_p
    if class_weights is None:
        return losses.mean()
    weights = class_weights[targets]
    return (losses * weights).sum() / weights.sum()


@register("losses", "label-smoothing", "cross-entropy against softened targets; options: amount (0 to 1, default 0.1)")
def label_smoothing(
    logits: Tensor, targets: Tensor, class_weights: Tensor | None = None, *, amount: float = 0.1
) -> Tensor:
    """Cross-entropy with a share `amount` of the target spread over all classes (Szegedy et al. 2016, section 7).

    >>> y = torch.tensor([0])
    >>> sure = torch.tensor([[9.0, 0.0]])
    >>> label_smoothing(sure, y).item() > cross_entropy(sure, y).item()
    True
    """
    return cross_entropy(logits, targets, class_weights, label_smoothing=amount)


def check_loss_options(name: str, options: Mapping[str, float]) -> None:
    """Raise `RecipeError` for an option that the loss `name` does not have."""
    known = [key for key, what in inspect.signature(get("losses", name)).parameters.items() if what.kind is _OPTION]
    for key in options:
        if key not in known:
            raise RecipeError(
                f"learning.loss_options: the loss {name} has no option '{key}'.{guess(key, known)} "
                f"Known: {', '.join(known) or 'none'}."
            )


_OPTION = inspect.Parameter.KEYWORD_ONLY


MOST_OF_A_POSITIVE = 100.0
"""A positive weighs at most so much more than a negative, and at least the inverse: a label of one picture in 5,000
would else shake the network at each of its appearances, and its gradient would outweigh that of all others."""

BETA = 0.999
"""Cui et al. 2019 take 0.9 to 0.9999; this suits small collections: of a few thousand pictures a class is complete."""


def class_counts(targets: np.ndarray, classes: int) -> np.ndarray:
    """Return the number of pictures of each class, (K,)."""
    return targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=classes)


def balanced_weights(targets: np.ndarray, classes: int) -> Tensor:
    """Return float32 (K,) weights that give every class, or both sides of every label, the same say in the loss.

    Args:
        targets: int64 (N,), then the weights are n / (K n_k) of a picture of class k, 0 for absent classes; or 0/1
            (N, K), then they are n_negative / n_positive of each label's positives, as PyTorch's documentation of
            `BCEWithLogitsLoss` has it, between 1/100 and 100, and 1 for a label that all or none have.
        classes: K.

    >>> balanced_weights(np.array([0, 0, 0, 1]), 2)
    tensor([0.6667, 2.0000])
    >>> balanced_weights(np.array([[1, 1], [0, 1], [0, 1], [0, 0]]), 2)
    tensor([3.0000, 0.3333])
    """
    counts = class_counts(targets, classes).astype(np.float64)
    if targets.ndim == 2:
        return _positive_weights(len(targets) - counts, counts)
    weights = np.divide(counts.sum(), classes * counts, out=np.zeros(classes), where=counts > 0)
    return torch.tensor(weights, dtype=torch.float32)


def effective_weights(targets: np.ndarray, classes: int, beta: float = BETA) -> Tensor:
    """Return float32 (K,) weights of the class-balanced loss (Cui et al. 2019, equation 4).

    With one label a picture, a picture of a class of n weighs (1 - beta) / (1 - beta^n), the inverse of the class's
    effective number; the weights of the classes that are there average 1, those of absent ones are 0. With several, the
    positives of a label weigh the effective number of its negatives by that of its positives, within the same bounds as
    `balanced_weights`. `beta` 0.999 is the paper's for small collections: classes of far more than 1,000 pictures weigh
    nearly the same.

    >>> effective_weights(np.array([0, 0, 0, 1]), 3)
    tensor([0.5004, 1.4996, 0.0000])
    >>> effective_weights(np.array([[1], [0], [0], [0]]), 1)
    tensor([2.9970])
    """
    counts = class_counts(targets, classes).astype(np.float64)
    if targets.ndim == 2:
        return _positive_weights(1 - beta ** (len(targets) - counts), 1 - beta**counts)
    present = counts > 0
    weights = np.zeros(classes)
    weights[present] = (1 - beta) / (1 - beta ** counts[present])
    return torch.tensor(weights * present.sum() / weights.sum(), dtype=torch.float32)


def _positive_weights(negative: np.ndarray, positive: np.ndarray) -> Tensor:
    """Return negative / positive within its bounds; 1 where a side is empty and there is nothing to balance."""
    both = (negative > 0) & (positive > 0)
    ratio = np.divide(negative, positive, out=np.ones(len(positive)), where=both)
    return torch.tensor(ratio.clip(1 / MOST_OF_A_POSITIVE, MOST_OF_A_POSITIVE), dtype=torch.float32)


WEIGHTS = {"balanced": balanced_weights, "class-balanced": effective_weights}
"""What `learning.class_weights` may name beside none."""
