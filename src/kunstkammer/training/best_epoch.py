"""Which epoch is kept, and when there is nothing better to wait for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kunstkammer.errors import KunstkammerError


@dataclass
class Progress:
    """The history of a run, and what it says about stopping and about the best epoch."""

    metric: str
    keep: str
    patience: int | None
    history: list[dict[str, Any]] = field(default_factory=list)

    def fault(self, record: Mapping[str, Any]) -> str | None:
        """Return the name of the figure that is not finite, so that an epoch cannot be kept; None if all is well.

        Whoever keeps the last epoch does not ask for the metric; a loss that is not a number tells of broken weights.
        """
        return _not_finite(record, ["loss"] if self.keep == "last" else ["loss", self.metric])

    def best(self) -> dict[str, Any] | None:
        """Return the record of the epoch whose weights are kept, None before the first that can be.

        An epoch whose validation loss or chosen metric is not finite never is: nan compares with nothing, and would
        stay the best for ever.
        """
        if self.keep == "last":
            return next((record for record in reversed(self.history) if self.fault(record) is None), None)
        return self._best_by_metric()

    def _best_by_metric(self) -> dict[str, Any] | None:
        usable = [record for record in self.history if _not_finite(record, ["loss", self.metric]) is None]
        key = f"validation_{self.metric}"
        if not usable or key not in usable[-1]:
            return usable[-1] if usable else None
        sign = 1 if self.metric == "loss" else -1
        return min(usable, key=lambda record: (sign * record[key], record["validation_loss"], record["epoch"]))

    def should_stop(self) -> bool:
        """Say whether the last `patience` epochs brought nothing better by the metric, whichever epoch is kept.

        An epoch that is not finite is no better.
        """
        if self.patience is None or not self.history:
            return False
        best = self._best_by_metric()
        return self.history[-1]["epoch"] - (best["epoch"] if best else 0) >= self.patience

    def require_best(self) -> dict[str, Any]:
        """Return the best record; raise `KunstkammerError` where no epoch can be kept."""
        best = self.best()
        if best is None:
            last = self.history[-1] if self.history else {}
            if last and self.fault(last) == f"validation_{self.metric}" and self.metric != "loss":
                raise KunstkammerError(
                    f"training.metric {self.metric} is not defined on the validation part in any of the "
                    f"{len(self.history)} epochs, so none can be kept; choose another, such as training.metric=loss, "
                    "or give data.split.validation a larger share."
                )
            raise KunstkammerError(
                f"The validation loss is not a finite number in any of the {len(self.history)} epochs, so none can be "
                "kept; lower training.optimizer.learning_rate and train into a new folder."
            )
        return best


def _not_finite(record: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the key of the first of these validation figures that a record has and that is not finite."""
    keys = (f"validation_{name}" for name in names)
    return next((key for key in keys if key in record and not math.isfinite(record[key])), None)
