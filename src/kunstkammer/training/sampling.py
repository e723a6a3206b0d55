"""In what order, and how often, the pictures of the training part are drawn. Each epoch is a function of the seed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kunstkammer.data.groups import rarest_label


@dataclass(frozen=True)
class BatchKey:
    """One batch: which pictures, and the seed of all that is random in it. The batch is a pure function of its key."""

    indices: np.ndarray
    seed: int


def draw_weights(targets: np.ndarray, sampling: str) -> np.ndarray | None:
    """Return the probability of each picture to be drawn, or None where every picture comes once an epoch.

    "fixed" is shuffled once for all epochs. "balanced": every class as often as every other; "square-root": in
    proportion to the square root of its size. A picture with several labels counts as its rarest one.
    """
    if sampling in ("shuffled", "fixed"):
        return None
    if targets.ndim == 2:
        sizes = np.append(np.maximum(targets.sum(axis=0), 1), len(targets))
        size = sizes[rarest_label(targets)].astype(float)
    else:
        size = np.bincount(targets)[targets].astype(float)
    weights = 1 / size if sampling == "balanced" else 1 / np.sqrt(size)
    return weights / weights.sum()


def epoch_order(
    count: int, weights: np.ndarray | None, seed: int, epoch: int, strata: np.ndarray | None = None
) -> np.ndarray:
    """Return the order of an epoch: a permutation of `count`, or `count` draws by weight.

    Draws are systematic (Madow 1949): over pictures in random order within their class, at even steps of the summed
    weights. So the classes get their share of every epoch to within one picture, and no picture of a class is drawn
    twice before each has been drawn once; independent draws would leave both to chance.
    """
    random = np.random.default_rng((seed, 1, epoch))
    order = random.permutation(count)
    if weights is None:
        return order
    if strata is not None:
        order = order[np.argsort(strata[order], kind="stable")]
    places = (np.arange(count) + random.random()) / count
    drawn = np.searchsorted(np.cumsum(weights[order]), places * weights.sum(), side="right")
    return random.permutation(order[np.minimum(drawn, count - 1)])


class SeededBatches:
    """A batch sampler whose epoch `e` is the same whenever and wherever it is asked for, so that a run can resume.

    The last batch of an epoch is smaller where the batch size does not divide; a last batch of one picture joins the
    batch before, because batch normalisation cannot learn from a single picture.
    """

    def __init__(self, indices: np.ndarray, targets: np.ndarray, batch_size: int, sampling: str, seed: int) -> None:
        self.indices = indices
        self.weights = draw_weights(targets, sampling)
        self.strata = rarest_label(targets)
        self.batch_size = batch_size
        self.seed = seed
        self.fixed = sampling == "fixed"
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        full, rest = divmod(len(self.indices), self.batch_size)
        return full + (rest > 1 or (rest == 1 and full == 0))

    def __iter__(self) -> Iterator[BatchKey]:
        """Yield the batches of the chosen epoch."""
        epoch = 0 if self.fixed else self.epoch
        order = epoch_order(len(self.indices), self.weights, self.seed, epoch, self.strata)
        batches = len(self)
        for batch in range(batches):
            stop = (batch + 1) * self.batch_size if batch < batches - 1 else len(order)
            rows = self.indices[order[batch * self.batch_size : stop]]
            yield BatchKey(rows, step_seed(self.seed, self.epoch, batch))


def step_seed(seed: int, epoch: int, batch: int) -> int:
    """Return the seed of a step: a 63-bit hash of (seed, epoch, batch), so that neighbours share nothing."""
    return int(np.random.SeedSequence((seed, 2, epoch, batch)).generate_state(1, np.uint64)[0] >> 1)
