"""Splits: train, validation and test, stratified over one or many labels, with groups kept whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import sparse

from kunstkammer.data.groups import Groups, join_groups, number_in_order
from kunstkammer.data.split_search import assign, problem
from kunstkammer.errors import DataError

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection

PARTS = ("train", "validation", "test")
_BY_NEED = ("train", "test", "validation")  # who gets a label first that has too few groups for all

_BARELY = 0.05
"""Whole groups do not suffice when labels that make up more than this share of all are missing from a part for want of
groups, or when validation gets less than half or more than twice its share of the pictures."""

_BY_PICTURE = (
    "There are too few groups to keep validation apart by whole groups: it is drawn by picture from the groups of "
    "train, so its figures flatter. Test is kept apart by whole groups."
)


@dataclass(frozen=True)
class SplitPlan:
    """The part of each picture and, in sentences, what could not be done as asked.

    Attributes:
        parts: "train", "validation" or "test" for each picture.
        notes: what a person should know of how it was done; empty when there is nothing to say.
    """

    parts: list[str]
    notes: list[str] = field(default_factory=list)


def split_collection(
    collection: Collection,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    groups: Groups | None = None,
    seed: int = 0,
) -> list[str]:
    """Return the part of each picture: "train", "validation" or "test". A group never crosses a split.

    See `plan_split`, of which this is the strict form.
    """
    return plan_split(collection, fractions, groups=groups, seed=seed, strict=True).parts


def plan_split(
    collection: Collection,
    fractions: Sequence[float] = (0.8, 0.1, 0.1),
    *,
    groups: Groups | None = None,
    copies: Groups | None = None,
    seed: int = 0,
    strict: bool = False,
) -> SplitPlan:
    """Split a collection by shares, stratified by its labels, one or many a picture.

    Every label is spread over the parts as the fractions ask, and every label with enough groups (pictures, where there
    are no groups) is in every part: one group goes to train, a second to test, a third to validation.

    Args:
        collection: its labels are stratified; its own splits are not looked at.
        fractions: of train, validation and test; a part of fraction 0 stays empty.
        groups: pictures of equal value stay in one part (titles, artists, dies; see `join_groups`).
        copies: groups of copies of one picture, which stay together in any case (`fingerprints.duplicate_groups`).
        seed: another seed gives another, equally good split.
        strict: keep groups whole in validation too. Otherwise, where there are too few groups, only test is kept apart
            by whole groups, and validation is drawn by picture (copies kept together) from the groups of train; a note
            says so.

    Raises `DataError` for fractions that are not shares of 1 or groups that do not fit.
    """
    shares = _shares(fractions)
    labels = _labels(collection)
    unit = join_groups(*(column for column in (groups, copies) if column is not None), pictures=len(collection))
    parts = _assign(labels, unit, shares, seed)
    if (
        not strict
        and groups is not None
        and shares[1] > 0
        and shares[0] > 0
        and _falls_short(labels, unit, parts, shares)
    ):
        inner = join_groups(*(() if copies is None else (copies,)), pictures=len(collection))
        parts = _test_apart(labels, unit, inner, shares, seed)
        return SplitPlan(parts, [_BY_PICTURE, *_missing(collection, labels, unit, parts, shares)])
    return SplitPlan(parts, _missing(collection, labels, unit, parts, shares))


def carve_validation(
    collection: Collection,
    share: float = 0.1,
    *,
    groups: Groups | None = None,
    copies: Groups | None = None,
    seed: int = 0,
    strict: bool = False,
) -> SplitPlan:
    """Take `share` of the training pictures of a collection that brings no validation part; the rest stays as it is.

    Stratified, groups whole; where there are too few groups for that, by picture (copies kept together) unless
    `strict`, and a note says so. Args as for `plan_split`. Raises `DataError` where there is no training part.
    """
    parts = list(collection.splits)
    train = np.array([i for i, part in enumerate(parts) if part == "train"], dtype=np.int64)
    if not len(train):
        raise DataError(f"'{collection.name}' has no training pictures to take validation from.")
    shares = _shares((1.0 - share, share, 0.0))
    labels = _labels(collection)[train]
    chosen = [_chosen(column, len(collection), train) for column in (groups, copies)]
    unit = join_groups(*(column for column in chosen if column is not None), pictures=len(train))
    carved, notes = _assign(labels, unit, shares, seed), []
    if not strict and groups is not None and _falls_short(labels, unit, carved, shares):
        inner = join_groups(*(() if chosen[1] is None else (chosen[1],)), pictures=len(train))
        carved = _assign(labels, inner, shares, seed)
        notes = ["There are too few groups in train: validation is drawn from them by picture, so its figures flatter."]
    for i, part in zip(train.tolist(), carved, strict=True):
        parts[i] = part
    return SplitPlan(parts, notes + _missing(collection, labels, unit, carved, shares))


def _shares(fractions: Sequence[float]) -> np.ndarray:
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.shape != (3,) or not np.all(np.isfinite(shares)) or (shares < 0).any() or abs(shares.sum() - 1) > 1e-6:
        raise DataError(
            f"The fractions of train, validation and test must be three shares of 1, not {tuple(fractions)}."
        )
    return shares


def _chosen(column: Groups | None, n: int, rows: np.ndarray) -> list[Any] | None:
    if column is None:
        return None
    if len(column) != n:
        raise DataError(f"There are {len(column)} groups for {n} pictures; give one each.")
    return [column[i] for i in rows.tolist()]


def _labels(collection: Collection) -> sparse.csr_matrix:
    """Return which picture carries which label, CSR (N, K + 1); the last column stands for pictures without a label."""
    place = {label: k for k, label in enumerate(collection.label_names)}
    none = len(place)
    rows, columns = [], []
    for i, labels in enumerate(collection.labels):
        own = [place[label] for label in labels if label in place] or [none]
        rows += [i] * len(own)
        columns += own
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(collection), none + 1))


def _grouped(labels: sparse.csr_matrix, unit: np.ndarray) -> sparse.csr_matrix:
    """Return how often each label occurs in each group, and in the last column the pictures: CSR (G, K + 2)."""
    n = len(unit)
    members = sparse.csr_matrix((np.ones(n), (unit, np.arange(n))), shape=(int(unit.max(initial=-1)) + 1, n))
    return sparse.hstack([members @ labels, members @ np.ones((n, 1))]).tocsr()


def _assign(labels: sparse.csr_matrix, unit: np.ndarray, shares: np.ndarray, seed: int) -> list[str]:
    """Deal the groups `unit` out by `shares` of train, validation and test."""
    names = [name for name in _BY_NEED if shares[PARTS.index(name)] > 0]
    fractions = np.array([shares[PARTS.index(name)] for name in names])
    if not len(unit):
        return []
    part_of = assign(problem(_grouped(labels, unit), fractions), seed)
    return [names[part] for part in part_of[unit].tolist()]


def _falls_short(labels: sparse.csr_matrix, unit: np.ndarray, parts: list[str], shares: np.ndarray) -> bool:
    """Whether whole groups give a poor validation part: labels missing for want of groups, or its size far off."""
    here = np.array(parts)
    inside = here == "validation"
    size = inside.mean()
    sizes = np.bincount(unit)
    if sizes.max() == 1:
        return False
    totals = np.asarray(labels.sum(axis=0)).ravel()
    absent = np.zeros(len(totals), dtype=bool)
    for name in (name for name in PARTS if shares[PARTS.index(name)] > 0):
        found = np.asarray(labels[here == name].sum(axis=0)).ravel()
        absent |= (found == 0) & (totals * shares[PARTS.index(name)] >= 1)
    poor = totals[absent].sum() > _BARELY * totals.sum()
    return bool(poor or not shares[1] / 2 <= size <= shares[1] * 2) and bool(len(unit) * shares[1] >= 1)


def _test_apart(
    labels: sparse.csr_matrix, unit: np.ndarray, inner: np.ndarray, shares: np.ndarray, seed: int
) -> list[str]:
    """Keep test apart by whole groups, and draw validation from the rest by the smaller groups `inner`."""
    parts = _assign(labels, unit, np.array([shares[0] + shares[1], 0.0, shares[2]]), seed)
    rest = np.array([i for i, part in enumerate(parts) if part == "train"], dtype=np.int64)
    share = shares[1] / (shares[0] + shares[1])
    carved = _assign(labels[rest], number_in_order(inner[rest]), np.array([1 - share, share, 0.0]), seed)
    for i, part in zip(rest.tolist(), carved, strict=True):
        parts[i] = part
    return parts


def _missing(
    collection: Collection, labels: sparse.csr_matrix, unit: np.ndarray, parts: list[str], shares: np.ndarray
) -> list[str]:
    """Say which labels a part lacks, and why."""
    notes = []
    here = np.array(parts)
    totals = np.asarray(labels.sum(axis=0)).ravel()[:-1]
    groups_of = np.asarray((_grouped(labels, unit) > 0).sum(axis=0)).ravel() if len(unit) else np.zeros(len(totals))
    for name in PARTS:
        if not shares[PARTS.index(name)] > 0:
            continue
        found = np.asarray(labels[here == name].sum(axis=0)).ravel()[:-1]
        lacking = np.flatnonzero((found == 0) & (totals > 0))
        if len(lacking):
            named = ", ".join(f"'{collection.label_names[k]}'" for k in lacking[:3].tolist())
            more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
            few = "they have too few pictures or groups" if (groups_of[lacking] < 3).all() else "groups cannot be split"
            notes.append(f"No picture of {named}{more} is in {name}: {few}.")
    return notes
