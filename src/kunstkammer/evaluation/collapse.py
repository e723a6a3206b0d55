"""Collapse: a model whose predictions hardly move from picture to picture, which accuracy alone does not reveal.

The published case: every drawing got about 0.195 0.037 0.080 0.132 0.125 0.103 0.153 0.176, near the class prior, and
nothing reported it.

What is measured. The *movement* is the mean total variation distance between a picture's predicted distribution and
the mean prediction, mean_i (1/2) sum_k |p_ik - mean_k|. A model that is sure and right moves by sum_k q_k (1 - q_k) on
data with class shares q: its *reach*. The *drift* is the mean distance from the prior, in the same unit.

The rule. Predictions are still when they move by less than 5 % of the reach. The threshold cannot catch a weak but
calibrated model that knows anything worth knowing: for such a model the mean probability of a class differs between
its own and the other pictures by Var(p_k) / (q_k (1 - q_k)), and a movement of 5 % of the reach holds that to a ROC-AUC
of about 0.53. Still predictions are a collapse, except
- where the part holds (almost) one class, or no truth is known, and the predictions stay away from the prior: then
  saying the same of every picture may be right;
- where the small movement ranks the pictures rightly (mean ROC-AUC of 0.6 or more, beyond three standard errors) and
  the answers differ (no label is given to 90 % of the pictures): then the model is far too unsure, but says something.
  Where it ranks rightly and answers the same of nearly all, the sentence adds that longer training may be the mend.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from kunstkammer.metrics.classification import roc_auc
from kunstkammer.metrics.decisions import decide, one_hot

STILL = 0.05
NEAR_PRIOR = 0.3
RANKS_RIGHTLY = 0.6
FEWEST = 10
NEARLY_ALL = 0.9
HOPE = "The little it moves ranks the pictures rightly, so longer training or a higher learning rate may mend it."


@dataclass(frozen=True)
class Collapse:
    """Whether predictions collapsed, and what shows it.

    Attributes:
        collapsed: the verdict.
        movement: the mean total variation distance between a prediction and the mean prediction, from 0 to 1; with
            many labels the mean distance a label.
        reach: what a model that is sure and right would move by on data like the training part, in the same unit.
        drift: the mean distance of a prediction from the prior, in the same unit.
        predicted_classes: how many labels are predicted for at least one picture.
        most_frequent: the label predicted most often ("" if none ever is), `share` of the pictures that get it, and
        prior_share: its share of the training part.
        sentence: all that in words.
    """

    collapsed: bool
    movement: float
    reach: float
    drift: float
    predicted_classes: int
    most_frequent: str
    share: float
    prior_share: float
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return all attributes."""
        return asdict(self)


def find_collapse(
    probabilities: np.ndarray,
    prior: np.ndarray,
    label_names: tuple[str, ...] | None = None,
    *,
    targets: np.ndarray | None = None,
    multi_label: bool = False,
    thresholds: np.ndarray | None = None,
) -> Collapse:
    """Say whether predictions collapsed.

    probabilities: (N, K). prior: (K,), the share of each class in the training part. targets: as in `Predictions`,
    where known. thresholds: (K,), as in `Predictions`. Fewer than ten pictures are not judged.

    >>> same = np.tile([0.195, 0.037, 0.080, 0.132, 0.125, 0.103, 0.153, 0.175], (100, 1))
    >>> find_collapse(same, np.full(8, 1 / 8)).collapsed
    True
    """
    count, width = probabilities.shape
    names = label_names or tuple(str(k) for k in range(width))
    # both sums run over the labels, halved for one label a picture: a total variation distance then
    unit = 1 / width if multi_label else 0.5
    mean = probabilities.mean(axis=0) if count else prior
    movement, drift = (_distance(probabilities, centre) * unit for centre in (mean, prior))
    reach = _reach(prior) * unit
    said = decide(probabilities, multi_label=multi_label, thresholds=thresholds).sum(axis=0)
    classes, top = int((said > 0).sum()), int(said.argmax())
    most, share = (names[top], float(said[top] / count)) if classes else ("", 0.0)
    still = count >= FEWEST and reach > 0 and movement < STILL * reach
    ranks = still and targets is not None and _ranks_rightly(targets, probabilities)
    says_something = ranks and 0 < share < NEARLY_ALL
    collapsed = (
        still and not says_something and not _excused(probabilities, prior, targets, far=drift >= NEAR_PRIOR * reach)
    )
    draft = Collapse(collapsed, movement, reach, drift, classes, most, share, float(prior[top]), "")
    return replace(draft, sentence=_sentence(draft, count) + (f" {HOPE}" if collapsed and ranks else ""))


def _distance(probabilities: np.ndarray, centre: np.ndarray) -> float:
    return float(np.abs(probabilities - centre).sum(axis=1).mean()) if len(probabilities) else 0.0


def _reach(shares: np.ndarray) -> float:
    """Return 2 sum_k q_k (1 - q_k): how far a sure and right model moves, summed over the labels."""
    return float(2 * (shares * (1 - shares)).sum())


def _excused(probabilities: np.ndarray, prior: np.ndarray, targets: np.ndarray | None, *, far: bool) -> bool:
    """Say whether still predictions may be right after all: see the rule above."""
    if targets is not None:
        truth = one_hot(targets, probabilities.shape[1])
        if _reach(truth.mean(axis=0)) >= _reach(prior) / 2:
            return False
    return far


def _ranks_rightly(targets: np.ndarray, probabilities: np.ndarray) -> bool:
    """Say whether the ROC-AUC is at least 0.6 and three standard errors above chance (Mann and Whitney 1947)."""
    truth = one_hot(targets, probabilities.shape[1])
    inside = truth.sum(axis=0).astype(float)
    outside = len(truth) - inside
    both = (inside > 0) & (outside > 0)
    if not both.any():
        return False
    variance = (len(truth) + 1) / (12 * inside[both] * outside[both])
    error = float(np.sqrt(variance.sum()) / both.sum())
    return roc_auc(targets, probabilities) - 0.5 >= max(RANKS_RIGHTLY - 0.5, 3 * error)


def _sentence(found: Collapse, count: int) -> str:
    if count < FEWEST:
        return f"Too few pictures ({count}) to say whether the predictions collapsed."
    moves = (
        f"the predictions move by {found.movement:.3f} on average from picture to picture, "
        f"where {found.reach:.3f} is usual of a sure model"
    )
    often = "no label is predicted for any picture"
    if found.most_frequent:
        often = f"'{found.most_frequent}' is predicted for {found.share:.0%} of the pictures"
    if found.collapsed:
        return f"The model has collapsed: {moves}; {often}. It says nearly the same of every picture."
    several = "class is" if found.predicted_classes == 1 else "classes are"
    return f"No collapse: {moves}; {found.predicted_classes} {several} predicted; {often}."
