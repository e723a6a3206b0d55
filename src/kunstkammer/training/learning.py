"""What the loop asks of a way of learning, and all that it knows of one. Classification is one, contrastive another.

The loop (`trainer.py`) does the rest alike for all of them: batches in a seeded order, the optimizer and its schedule,
an exact resume, the best epoch, early stopping, the device, several processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from kunstkammer.training.sampling import BatchKey


class Batches(Protocol):
    """The batches of a training, epoch by epoch: the sampler. Each epoch is a pure function of seed and number."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration gives."""
        ...

    def __len__(self) -> int:
        """Return the number of batches of the chosen epoch, the same for all epochs."""
        ...

    def __iter__(self) -> Iterator[BatchKey]:
        """Yield the keys of the batches of the chosen epoch."""
        ...


class Learning(Protocol):
    """One way of learning, with its data.

    A batch need not be plates of one size: what `batch` returns goes to `loss` as it is.
    """

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names that `validate` gives and that `training.metric` may choose from."""
        ...

    def batches(self) -> Batches:
        """Return the sampler. It decides what may stand in one batch."""
        ...

    def start(self, model: Any) -> None:
        """Get ready to teach this model, which is on its device already."""
        ...

    def batch(self, key: BatchKey) -> dict[str, Tensor]:
        """Return the tensors of a batch: pure in the data and the key."""
        ...

    def loss(self, model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, float]]:
        """Return the loss that is differentiated, a scalar, and what to count of the batch.

        Counts are sums over the items of the batch: "seen" is their number, "loss" the sum of their losses, any other
        name a sum too. An epoch reports each of them divided by "seen", as `train_NAME`.
        """
        ...

    def validate(self, model: Any, *, bf16: bool) -> dict[str, float]:
        """Return the figures of the validation part by name, "loss" among them; {} where there is no such part."""
        ...

    def stop(self) -> None:
        """Take off the model what `start` put on it."""
        ...


@dataclass
class EpochCounts:
    """Sums over what the running epoch has seen so far; part of the state, so that a resumed epoch reports the same."""

    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, counts: Mapping[str, float]) -> None:
        """Add the counts of a batch."""
        for name, value in counts.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    @property
    def seen(self) -> int:
        """How many items the epoch has seen."""
        return int(self.sums.get("seen", 0))

    def record(self) -> dict[str, float]:
        """Return the means of the epoch, `train_NAME`."""
        seen = max(self.seen, 1)
        return {f"train_{name}": value / seen for name, value in self.sums.items() if name != "seen"}
