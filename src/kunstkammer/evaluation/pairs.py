"""How well pictures and captions find each other: recall both ways, with intervals beside chance."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.metrics.intervals import Interval, bootstrap, bootstrap_interval, group_numbers
from kunstkammer.metrics.retrieval import hits_at

RECALLS = (1, 5, 10)
WAYS = {"text_for_picture": "captions found by pictures", "picture_for_text": "pictures found by captions"}


@dataclass(frozen=True)
class PairEvaluation:
    """How well pictures and captions find each other on one part.

    Attributes:
        n: pictures; captions: different captions among them.
        metrics: "recall_at_K_text_for_picture" and "recall_at_K_picture_for_text", each with its 95 % interval.
        chance: the same of a ranking at random.
    """

    n: int
    captions: int
    metrics: dict[str, Interval]
    chance: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return `n`, `metrics` and `zero_r`, which is chance here."""
        return {
            "n": self.n,
            "captions": self.captions,
            "metrics": {name: value.to_json() for name, value in self.metrics.items()},
            "zero_r": dict(self.chance),
        }


def evaluate_pairs(
    pictures: np.ndarray,
    texts: np.ndarray,
    captions: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> PairEvaluation:
    """Measure vectors of pictures and of their captions.

    Each different caption is a candidate once; a picture is right for every text that is its own caption.

    Args:
        pictures, texts: float (N, D) of length 1, row by row a pair.
        captions: of each.
        groups: what belongs together, drawn as a whole; resamples, seed: of the bootstrap over the pictures.

    Raises `DataError` for fewer than two different captions.
    """
    names, first, number = np.unique(
        np.asarray(captions, dtype=object).astype(str), return_index=True, return_inverse=True
    )
    if len(names) < 2:
        raise DataError("The part has fewer than two different captions, so nothing can be told apart.")
    similarity = pictures @ texts[first].T
    relevant = number[:, None] == np.arange(len(names))[None]
    members = group_numbers(groups, len(pictures))
    hits, chance = {}, {}
    for k in RECALLS:
        for way in WAYS:
            table, right = (similarity, relevant) if way == "text_for_picture" else (similarity.T, relevant.T)
            # a caption counts as often as it has pictures, so that both ways are means over the pictures
            rows = slice(None) if way == "text_for_picture" else number
            name = f"recall_at_{k}_{way}"
            hits[name] = hits_at(table, right, k)[rows]
            chance[name] = float(hits_at(np.zeros(right.shape), right, k)[rows].mean())
    draws = bootstrap({name: _mean_of(values) for name, values in hits.items()}, members, resamples, seed)
    metrics = {name: bootstrap_interval(float(values.mean()), draws[name], 0.0, 1.0) for name, values in hits.items()}
    return PairEvaluation(len(pictures), len(names), metrics, chance)


def _mean_of(values: np.ndarray) -> Any:
    return lambda weights: weights @ values / weights.sum(axis=1)
