"""Calibrated probabilities: a temperature that is folded into the output layer, and with many labels a threshold each.

`evaluation/calibration.py` finds them on the validation part, `models/folding.py` puts the temperature into the
weights, and both stand in the checkpoint's config.json: `kunstkammer_calibration` says what was done,
`label_thresholds` is what every path of Kunstkammer decides by (`transformers` itself knows no thresholds). No torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kunstkammer.errors import ModelError
from kunstkammer.metrics.decisions import to_probabilities

CALIBRATION_KEY, THRESHOLDS_KEY = "kunstkammer_calibration", "label_thresholds"
OLD_FILE = "calibration.json"
"""Where an earlier version kept both, beside weights that were not calibrated."""


@dataclass(frozen=True)
class Calibration:
    """How a model's probabilities were made to hold (Guo et al. 2017, "On Calibration of Modern Neural Networks",
    section 4.2: softmax(z / T); with many labels sigmoid(z / T) of each).

    Attributes:
        temperature: T > 0, which the output layer has been divided by; above 1 it makes answers less confident. It
            changes no order of labels.
        pictures: how many of the validation part it was fitted on.
        loss_before, loss_after: mean negative log-likelihood on those pictures.
        thresholds: with many labels, the probability above which each is predicted, (K,); None for one label a
            picture. They are for the calibrated probabilities.
    """

    temperature: float
    pictures: int
    loss_before: float
    loss_after: float
    thresholds: tuple[float, ...] | None = None

    def undo(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the probabilities (N, K) that the model gave before it was calibrated.

        >>> Calibration(2.0, 100, 0.0, 0.0).undo(np.array([[0.119, 0.881]])).round(3).tolist()
        [[0.018, 0.982]]
        """
        many = self.thresholds is not None
        return to_probabilities(self.temperature * logits_of_probabilities(probabilities, many=many), multi_label=many)

    def to_config(self) -> dict[str, Any]:
        """Return what the checkpoint's config says of it."""
        facts = {key: value for key, value in asdict(self).items() if key != "thresholds"}
        own: dict[str, Any] = {CALIBRATION_KEY: facts}
        return own if self.thresholds is None else {**own, THRESHOLDS_KEY: list(self.thresholds)}

    @classmethod
    def of_config(cls, config: Mapping[str, Any], labels: int) -> Calibration | None:
        """Return what a checkpoint's config says; None where it was not calibrated. Raises `ModelError` if damaged."""
        facts = config.get(CALIBRATION_KEY)
        if facts is None:
            return None
        thresholds = thresholds_of(config, labels)
        numbers = ("temperature", "pictures", "loss_before", "loss_after")
        sound = isinstance(facts, Mapping) and set(facts) == set(numbers) and all(_is_number(facts[n]) for n in numbers)
        if not sound or facts["temperature"] <= 0:
            raise ModelError(
                f"{CALIBRATION_KEY} in config.json is damaged: it should hold the numbers {', '.join(numbers)}; put it "
                "back, or train again."
            )
        return cls(**facts, thresholds=None if thresholds is None else tuple(thresholds.tolist()))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def thresholds_of(config: Mapping[str, Any], labels: int) -> np.ndarray | None:
    """Return the thresholds (K,) in a checkpoint's config, None where it has none.

    Raises `ModelError` where they are not one number from 0 to 1 for each of the labels.
    """
    given = config.get(THRESHOLDS_KEY)
    if given is None:
        return None
    sound = isinstance(given, list) and len(given) == labels and all(_is_number(value) for value in given)
    found = np.asarray(given if sound else [], dtype=np.float64)
    if not sound or not ((found >= 0) & (found <= 1)).all():
        raise ModelError(
            f"{THRESHOLDS_KEY} in config.json needs a number from 0 to 1 for each of the {labels} labels, in the order "
            "of id2label; correct it, remove it, or train again."
        )
    return found


def logits_of_probabilities(probabilities: np.ndarray, *, many: bool) -> np.ndarray:
    """Return logits (N, K) that have these probabilities; where one is exactly 0 or 1, the last number beside it."""
    least = np.finfo(np.float64).tiny
    values = np.clip(np.asarray(probabilities, dtype=np.float64), least, 1.0)
    if not many:
        return np.log(values)
    return np.log(values) - np.log(np.clip(1.0 - values, np.finfo(np.float64).epsneg, 1.0))
