"""Which pictures belong together, and by which label a picture with several counts: one definition for every room.

NumPy alone, except for joining several columns: the server without torch and SciPy reads this module too.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from kunstkammer.errors import DataError

Groups = Sequence[Hashable] | np.ndarray


def names_a_group(value: Any) -> bool:
    """Say whether a value names a group: None, "" and NaN do not."""
    return not (value is None or value == "" or value != value)  # noqa: PLR0124 - NaN alone differs from itself


def group_numbers(groups: Groups | None, count: int) -> np.ndarray:
    """Return int64 (N,): the group of each picture, numbered from 0 in the order in which the groups begin.

    Without groups each picture is its own, and so is one whose value is None, "" or NaN.

    >>> group_numbers(["a", None, "a", "b"], 4).tolist()
    [0, 1, 0, 2]
    """
    if groups is None:
        return np.arange(count)
    places: dict[Hashable, int] = {}
    numbers = []
    for i, group in enumerate(groups.tolist() if isinstance(groups, np.ndarray) else groups):
        key = ("group", group) if names_a_group(group) else ("", i)
        numbers.append(places.setdefault(key, len(places)))
    return np.array(numbers, dtype=np.int64)


def number_in_order(values: np.ndarray) -> np.ndarray:
    """Return int64 (N,): the groups of an array of numbers, numbered anew in the order in which they begin.

    >>> number_in_order(np.array([7, 3, 7, 9])).tolist()
    [0, 1, 0, 2]
    """
    _, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse.reshape(-1)]


def join_groups(*columns: Groups, pictures: int | None = None) -> np.ndarray:
    """Join several ways of grouping into one: pictures that share a value in any column end in one group.

    Args:
        columns: a value for each picture; None, NaN and "" say nothing and join nobody.
        pictures: how many pictures there are, needed only when there are no columns.

    Returns int64 (N,), numbered in the order in which the groups begin. Raises `DataError` for columns of unequal
    length.

    >>> join_groups(["a", "a", "b", None], [1, 2, 2, 3]).tolist()
    [0, 0, 0, 1]
    """
    n = int(pictures if pictures is not None else len(columns[0]) if columns else 0)
    for column in columns:
        if len(column) != n:
            raise DataError(f"There are {len(column)} groups for {n} pictures; give one each.")
    numbered = [group_numbers(column, n) for column in columns]
    if len(numbered) < 2:
        return numbered[0] if numbered else np.arange(n)
    from scipy import sparse
    from scipy.sparse import csgraph

    # A graph of pictures and groups: what is connected is one group.
    starts = n + np.cumsum([0, *(int(one.max(initial=-1)) + 1 for one in numbered)])
    nodes = np.concatenate([start + one for start, one in zip(starts, numbered, strict=False)])
    rows = np.tile(np.arange(n), len(numbered))
    graph = sparse.coo_matrix((np.ones(len(rows), np.int8), (rows, nodes)), shape=(int(starts[-1]), int(starts[-1])))
    _, component = csgraph.connected_components(graph, directed=False)
    return number_in_order(component[:n])


def rarest_label(targets: np.ndarray) -> np.ndarray:
    """Return int64 (N,): the label by which each picture counts; K for a picture that has none.

    Of several labels it is the one that the fewest of these pictures have, of equally rare ones the first.

    Args:
        targets: int (N,) for one label a picture, returned as they are; 0/1 (N, K) for many.

    >>> rarest_label(np.array([[1, 1], [1, 0], [0, 0]])).tolist()
    [1, 0, 2]
    """
    if targets.ndim == 1:
        return targets
    has = targets > 0
    sizes = has.sum(axis=0)
    return np.where(has.any(axis=1), np.where(has, sizes, np.inf).argmin(axis=1), targets.shape[1])
