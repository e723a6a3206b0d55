"""How well what is asked for is found: recall among the first k of a ranking."""

from __future__ import annotations

import numpy as np


def hits_at(similarity: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """Return float64 (Q,): 1 where one of the k most similar candidates is relevant, else 0.

    Candidates that are equally similar share the places that they take: the hit is then the chance that one of the
    relevant ones is drawn among the first k, so that a model that says the same of everything has the recall of chance.

    Args:
        similarity: (Q, C), larger is nearer.
        relevant: bool (Q, C).
        k: at least 1.

    >>> hits_at(np.array([[0.9, 0.1, 0.5]]), np.array([[False, False, True]]), 2).tolist()
    [1.0]
    >>> hits_at(np.zeros((1, 4)), np.array([[True, False, False, False]]), 1).tolist()
    [0.25]
    """
    count = similarity.shape[1]
    k = min(k, count)
    edge = -np.partition(-similarity, k - 1, axis=1)[:, k - 1 : k]
    above, tied = similarity > edge, similarity == edge
    sure = (above & relevant).any(axis=1)
    places = k - above.sum(axis=1)  # what is left for those that are tied at the edge
    ties, wanted = tied.sum(axis=1), (tied & relevant).sum(axis=1)
    missed = np.ones(len(similarity))
    for step in range(int(places.max(initial=0))):  # drawn one after the other without being put back
        drawn = step < places
        left = np.maximum(ties - step, 1)
        missed = np.where(drawn, missed * np.clip(left - wanted, 0, None) / left, missed)
    return np.where(sure, 1.0, 1.0 - missed)


def recall_at(similarity: np.ndarray, relevant: np.ndarray, k: int) -> float:
    """Return the share of queries for which one of the first k candidates is relevant, 0 to 1; see `hits_at`.

    nan where there is no query. (Radford et al. 2021, section 3.1.3, and Karpathy and Fei-Fei 2015 report it so.)
    """
    return float(hits_at(similarity, relevant, k).mean()) if len(similarity) else float("nan")
