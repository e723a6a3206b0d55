"""The search behind the splits: groups of pictures to parts, so that every label is spread as the fractions ask.

In the spirit of iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011, "On the stratification of multi-label
data", algorithm 1), carried over to groups that must stay whole: the label with the fewest groups left is dealt out
first, each group to the part that lacks that label most. Then labels that are missing from a part are brought there,
and single groups are moved as long as that brings the parts nearer to the fractions. Few groups are tried in every way.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

_TRIED_IN_EVERY_WAY = 100_000
_MOST_MOVES = 400


@dataclass
class Problem:
    """What is to be dealt out.

    Attributes:
        counts: float64 CSR (G, K): how many pictures of group g carry label k. The last column counts the pictures.
        fractions: float64 (P,), of each part, above 0, together 1. A label with fewer groups than there are parts must
            be in the first of them.
        required: bool (P, K): the labels that must be present in a part, where groups allow it.
        weights: float64 (P, K): what a squared error in the count of a label in a part costs.
        wanted: float64 (P, K): the counts that the fractions ask for.
        alarm: what a label missing from a part costs; more than all errors together.
    """

    counts: sparse.csr_matrix
    fractions: np.ndarray
    required: np.ndarray
    weights: np.ndarray
    wanted: np.ndarray
    alarm: float


def problem(counts: sparse.csr_matrix, fractions: np.ndarray) -> Problem:
    """Set up the search; see `Problem`. A squared error counts as in the chi-square statistic, the size as much as a
    third of all labels together, and a label missing from a part that could have it more than all else."""
    totals = np.asarray(counts.sum(axis=0)).ravel()
    groups_of = np.asarray((counts > 0).sum(axis=0)).ravel()
    parts, labels = len(fractions), len(totals) - 1
    required = groups_of[None, :] > np.arange(parts)[:, None]
    wanted = fractions[:, None] * totals[None, :]
    weights = 1.0 / np.maximum(wanted, 1e-9)
    weights[:, totals == 0] = 0.0
    weights[:, -1] *= max(1.0, labels / 3)
    # Larger than any sum of squared errors can be, so that presence always comes first.
    alarm = 1.0 + float((weights * np.maximum(wanted, totals - wanted) ** 2).sum())
    return Problem(counts, fractions, required, weights, wanted, alarm)


def assign(task: Problem, seed: int) -> np.ndarray:
    """Return the part of each group, int64 (G,). The same task and seed give the same answer."""
    groups, parts = task.counts.shape[0], len(task.fractions)
    if parts == 1:
        return np.zeros(groups, np.int64)
    if groups * np.log(parts) <= np.log(_TRIED_IN_EVERY_WAY):
        return _every_way(task, seed)
    rng = np.random.default_rng(seed)
    dealt = _deal(task, rng)
    search = _Search(task, dealt)
    search.bring_missing()
    search.improve()
    return search.part_of


def cost(task: Problem, filled: np.ndarray) -> np.ndarray:
    """Return what a filling costs; `filled`: (..., P, K), how many pictures with each label each part has."""
    errors = (task.weights * (filled - task.wanted) ** 2).sum(axis=(-2, -1))
    return errors + task.alarm * ((filled == 0) & task.required).sum(axis=(-2, -1))


def _every_way(task: Problem, seed: int) -> np.ndarray:
    groups, parts = task.counts.shape[0], len(task.fractions)
    dense = task.counts.toarray()
    best, least = np.zeros(groups, np.int64), np.inf
    order = np.random.default_rng(seed).permutation(groups)  # which of equal answers is found first
    ways = itertools.product(range(parts), repeat=groups)
    while block := list(itertools.islice(ways, 8192)):
        tried = np.empty((len(block), groups), np.int64)
        tried[:, order] = np.array(block, np.int64).reshape(len(block), groups)
        filled = np.stack([(tried == part).astype(np.float64) @ dense for part in range(parts)], axis=1)
        costs = cost(task, filled)
        if costs.min() < least - 1e-9:
            best, least = tried[int(costs.argmin())], float(costs.min())
    return best


def _deal(task: Problem, rng: np.random.Generator) -> np.ndarray:
    """Deal the groups out, rarest label first."""
    counts = task.counts
    groups = counts.shape[0]
    order = rng.permutation(groups)
    by_label = counts[order].tocsc()
    left = np.diff(by_label.indptr).astype(np.int64)
    need = task.wanted.copy()
    part_of = np.full(groups, -1, np.int64)
    queue = [(int(n), k) for k, n in enumerate(left[:-1]) if n] + [
        (groups + 1, len(left) - 1)
    ]  # the rest by size alone
    heapq.heapify(queue)
    indptr, indices, data = counts.indptr, counts.indices, counts.data
    while queue:
        n, k = heapq.heappop(queue)
        if k < len(left) - 1 and n != left[k]:
            if left[k]:
                heapq.heappush(queue, (int(left[k]), k))
            continue
        column = slice(by_label.indptr[k], by_label.indptr[k + 1])
        mine = order[by_label.indices[column]]
        largest_first = mine[np.argsort(-by_label.data[column], kind="stable")]
        for group in largest_first[part_of[largest_first] < 0].tolist():
            own = slice(indptr[group], indptr[group + 1])
            part = _neediest(need[:, k], need[:, -1])
            part_of[group] = part
            need[part, indices[own]] -= data[own]
            left[indices[own]] -= 1
    return part_of


def _neediest(need: np.ndarray, size_need: np.ndarray) -> int:
    """Return the part that lacks this label most; among equals the one that lacks pictures most, then the first."""
    pairs = list(zip(need.tolist(), size_need.tolist(), strict=True))
    return max(range(len(pairs)), key=pairs.__getitem__)


class _Search:
    """A filling that is made better step by step."""

    def __init__(self, task: Problem, part_of: np.ndarray) -> None:
        self.task, self.part_of = task, part_of
        self.counts = task.counts
        self.squares = self.counts.multiply(self.counts).tocsr()
        parts = len(task.fractions)
        where = sparse.csr_matrix((np.ones(len(part_of)), (part_of, np.arange(len(part_of)))), (parts, len(part_of)))
        self.filled = (where @ self.counts).toarray()

    def gains(self, groups: np.ndarray, target: int) -> np.ndarray:
        """Return by how much the cost changes when each of `groups`, all of one part, moves to `target`."""
        task, source = self.task, int(self.part_of[groups[0]])
        error = self.filled - task.wanted
        push = 2 * (task.weights[target] * error[target] - task.weights[source] * error[source])
        rows = self.counts[groups]
        change = self.squares[groups] @ (task.weights[source] + task.weights[target]) + rows @ push
        lost = (rows.data == self.filled[source, rows.indices]) & task.required[source, rows.indices]
        won = (self.filled[target, rows.indices] == 0) & task.required[target, rows.indices]
        alarms = np.add.reduceat(lost.astype(np.float64) - won, rows.indptr[:-1])
        return change + task.alarm * alarms

    def move(self, group: int, target: int) -> None:
        own = slice(self.counts.indptr[group], self.counts.indptr[group + 1])
        self.filled[self.part_of[group], self.counts.indices[own]] -= self.counts.data[own]
        self.filled[target, self.counts.indices[own]] += self.counts.data[own]
        self.part_of[group] = target

    def bring_missing(self) -> None:
        """Bring every label that a part lacks and could have to it, by the cheapest single move."""
        by_label = self.counts.tocsc()
        for part, label in np.argwhere((self.filled == 0) & self.task.required).tolist():
            if self.filled[part, label] > 0:  # another label's move has brought it along
                continue
            holders = by_label.indices[by_label.indptr[label] : by_label.indptr[label + 1]]
            choices = []
            for source in range(len(self.task.fractions)):
                groups = holders[self.part_of[holders] == source]
                if source != part and len(groups):
                    gains = self.gains(groups, part)
                    choices.append((float(gains.min()), int(groups[int(gains.argmin())])))
            if choices and min(choices)[0] < 0:
                self.move(min(choices)[1], part)

    def improve(self) -> None:
        """Move the group that helps most, again and again, until none helps; every move lowers the cost."""
        parts = range(len(self.task.fractions))
        for _ in range(_MOST_MOVES):
            best = (-1e-6, -1, -1)
            for source in parts:
                groups = np.flatnonzero(self.part_of == source)
                for target in parts if len(groups) else ():
                    if target != source:
                        gains = self.gains(groups, target)
                        best = min(best, (float(gains.min()), int(groups[int(gains.argmin())]), target))
            if best[1] < 0:
                return
            self.move(best[1], best[2])
