"""Many logistic regressions on the same features, one a label, solved together.

One regression at a time reads all features for each label at each step: it waits for the memory. Here all labels take
their step at once, so that a step is two products of matrices. Each label has its own L-BFGS (Liu and Nocedal 1989)
with its own length of step; what has converged drops out. Cores share the work by folds and by blocks of labels
(`spread`), one thread each: threads inside each operation would wait for each other hundreds of times a second.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")
R = TypeVar("R")

MEMORY = 10
"""So many pairs of steps and changes of gradient tell the curvature."""

MOST_STEPS = 1000
TOLERANCE = 1e-5
"""Largest gradient, of the mean loss on standardised features, at which a label is done."""

FEWEST_OF_A_BLOCK = 32
"""A block of fewer labels reads all features for too little work."""

_OVERSHOOT, _SHORT = 0.1, 0.9
_TRIES = 12


class Regressions:
    """L2-penalised logistic regressions of K labels that keep their place when their penalty changes.

    Each minimises (1/N) sum_i s_i log(1 + exp(-y_i (w.x_i + b))) + |w|^2 / (2 C N), as scikit-learn's
    `LogisticRegression` does; the bias is not penalised. A label that every or no picture has gets no weights and the
    bias of its prior.

    Args:
        features: float64 (N, D), standardised.
        targets: 0/1 (N, K).
        positive: (K,), the weight of a label's positives beside 1 for its negatives; the weights of each label are
            scaled to a mean of 1, so that C keeps its meaning. None for equal weights.
    """

    def __init__(self, features: np.ndarray, targets: np.ndarray, positive: np.ndarray | None = None) -> None:
        self.features = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float64))
        truth = torch.from_numpy(np.ascontiguousarray(targets > 0.5))
        count, width = self.features.shape
        having = truth.sum(dim=0).double()
        self.open = torch.nonzero((having > 0) & (having < count)).flatten()
        prior = (having + 0.5) / (count + 1)
        self.weight = torch.zeros(width, truth.shape[1], dtype=torch.float64)
        self.bias = torch.log(prior / (1 - prior))
        self.truth = truth[:, self.open]
        self.loud: tuple[Tensor, Tensor] | None = None
        if positive is not None:
            ratio = torch.from_numpy(np.asarray(positive, dtype=np.float64))[self.open]
            mean = (having[self.open] * ratio + (count - having[self.open])) / count
            self.loud = (ratio / mean, 1 / mean)

    def solve(self, strength: float, threads: int = 1) -> tuple[np.ndarray, np.ndarray]:
        """Return weight float64 (K, D) and bias (K,) for the inverse strength C, starting from the last solution.

        threads: blocks of labels that are solved beside each other.
        """
        blocks = max(1, min(threads, len(self.open) // FEWEST_OF_A_BLOCK))

        def solve(columns: Tensor) -> None:
            here = self.open[columns]
            self.weight[:, here], self.bias[here] = _minimise(_State.at(self, columns, strength))

        list(spread(solve, torch.arange(len(self.open)).chunk(blocks), blocks))
        return self.weight.T.numpy().copy(), self.bias.numpy().copy()


def spread(work: Callable[[T], R], items: Sequence[T], threads: int) -> Iterator[R]:
    """Yield work(item) for each item, in order, up to `threads` of them beside each other."""
    if threads < 2 or len(items) < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(threads, thread_name_prefix="regressions") as pool:
        yield from pool.map(work, items)


@contextlib.contextmanager
def one_thread_each() -> Iterator[int]:
    """Let every operation run on one thread for the time; yield how many threads there are to spread work over."""
    from threadpoolctl import threadpool_limits

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield threads
    finally:
        torch.set_num_threads(threads)


@dataclass
class _State:
    """Where the labels that are still moving stand; every array has a column for each.

    Attributes:
        features: (N, D); truth: bool (N, K); loud: weights of positives and negatives, or None; penalty: 1 / (C N).
        weight: (D, K); bias: (K,); logits: (N, K) of them; steps, changes: what L-BFGS remembers, (D + 1, K) each.
    """

    features: Tensor
    truth: Tensor
    loud: tuple[Tensor, Tensor] | None
    penalty: float
    weight: Tensor
    bias: Tensor
    logits: Tensor
    steps: list[Tensor] = field(default_factory=list)
    changes: list[Tensor] = field(default_factory=list)

    @classmethod
    def at(cls, problem: Regressions, columns: Tensor, strength: float) -> _State:
        features, here = problem.features, problem.open[columns]
        weight, bias = problem.weight[:, here], problem.bias[here]
        loud = None if problem.loud is None else (problem.loud[0][columns], problem.loud[1][columns])
        penalty = 1 / (strength * len(features))
        return cls(features, problem.truth[:, columns], loud, penalty, weight, bias, features @ weight + bias)

    def residual(self, logits: Tensor) -> Tensor:
        """Return the derivative of the mean loss by each logit, (N, K)."""
        found = torch.sigmoid(logits).sub_(self.truth.to(logits.dtype))
        return self._weighted(found).div_(len(self.features))

    def curvature(self, logits: Tensor) -> Tensor:
        """Return the second derivative of the mean loss by each logit, (N, K)."""
        share = torch.sigmoid(logits)
        return self._weighted(share * (1 - share)).div_(len(self.features))

    def _weighted(self, values: Tensor) -> Tensor:
        if self.loud is not None:
            values.mul_(torch.where(self.truth, *self.loud))
        return values

    def gradient(self) -> Tensor:
        """Return the gradient by weight and bias, (D + 1, K)."""
        residual = self.residual(self.logits)
        return torch.cat([self.features.T @ residual + self.penalty * self.weight, residual.sum(dim=0, keepdim=True)])

    def keep(self, columns: Tensor) -> None:
        """Go on with some of the labels."""
        self.truth, self.weight, self.bias = self.truth[:, columns], self.weight[:, columns], self.bias[columns]
        self.logits = self.logits[:, columns]
        self.steps = [step[:, columns] for step in self.steps]
        self.changes = [change[:, columns] for change in self.changes]
        if self.loud is not None:
            self.loud = (self.loud[0][columns], self.loud[1][columns])


def _minimise(state: _State) -> tuple[Tensor, Tensor]:
    """Return the weight (D, K) and bias (K,) at which every gradient is small."""
    weight, bias = state.weight.clone(), state.bias.clone()
    if not len(bias):
        return weight, bias
    moving = torch.arange(weight.shape[1])
    gradient = state.gradient()
    for _ in range(MOST_STEPS):
        left = torch.nonzero(gradient.abs().amax(dim=0) > TOLERANCE).flatten()
        if len(left) < 0.8 * len(moving) or not len(left):
            weight[:, moving], bias[moving] = state.weight, state.bias
            if not len(left):
                return weight, bias
            moving, gradient = moving[left], gradient[:, left]
            state.keep(left)
        direction = _direction(gradient, state.steps, state.changes)
        change = state.features @ direction[:-1] + direction[-1]
        length = _length(state, direction, change, gradient)
        step = direction * length
        state.weight = state.weight + step[:-1]
        state.bias = state.bias + step[-1]
        state.logits.add_(change.mul_(length))
        found = state.gradient()
        state.steps = [*state.steps, step][-MEMORY:]
        state.changes = [*state.changes, found - gradient][-MEMORY:]
        gradient = found
    weight[:, moving], bias[moving] = state.weight, state.bias
    return weight, bias


def _direction(gradient: Tensor, steps: list[Tensor], changes: list[Tensor]) -> Tensor:
    """Return the way down of each label, (D + 1, K): L-BFGS (Nocedal and Wright 2006, algorithm 7.4)."""
    if not steps:
        return -gradient / gradient.norm(dim=0).clamp(min=1.0)
    dots = [(step * change).sum(dim=0) for step, change in zip(steps, changes, strict=True)]
    # A pair that shows no curvature (a step of length 0) says nothing; the others are there for convexity.
    rates = [torch.where(dot > 1e-300, 1 / dot.clamp(min=1e-300), 0.0) for dot in dots]
    found, shares = gradient.clone(), []
    for step, change, rate in zip(reversed(steps), reversed(changes), reversed(rates), strict=True):
        share = rate * (step * found).sum(dim=0)
        found -= share * change
        shares.append(share)
    size = changes[-1].square().sum(dim=0)
    found *= torch.where(size > 0, dots[-1] / size.clamp(min=1e-300), 1.0)
    for step, change, rate, share in zip(steps, changes, rates, reversed(shares), strict=True):
        found += step * (share - rate * (change * found).sum(dim=0))
    return -found


def _length(state: _State, direction: Tensor, change: Tensor, gradient: Tensor) -> Tensor:
    """Return how far each label goes, (K,): where its slope along the way is nearly gone.

    The loss along a line is convex, so its slope alone tells whether a step is too short or too long. `change` is what
    the logits change by in a step of length 1, so that no length costs another product of matrices.
    """
    slope = (gradient * direction).sum(dim=0)
    across = state.penalty * (state.weight * direction[:-1]).sum(dim=0)
    along = state.penalty * direction[:-1].square().sum(dim=0)
    length = torch.ones_like(slope)
    low, high = torch.zeros_like(slope), torch.full_like(slope, torch.inf)
    for _ in range(_TRIES):
        logits = state.logits + change * length
        here = (state.residual(logits) * change).sum(dim=0) + across + length * along
        short, far = here < _SHORT * slope, here > -_OVERSHOOT * slope
        open_ = short | far
        if not open_.any():
            break
        low, high = torch.where(here < 0, length, low), torch.where(here > 0, length, high)
        bend = (state.curvature(logits) * change.square()).sum(dim=0) + along
        tried = length - here / bend.clamp(min=1e-300)
        tried = torch.where((tried > low) & (tried < high), tried, torch.where(high.isinf(), 2 * low, (low + high) / 2))
        length = torch.where(open_, torch.minimum(tried, torch.where(high.isinf(), 4 * length, high)), length)
    return length
