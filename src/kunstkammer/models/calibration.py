"""Calibrated probabilities: a temperature on the logits, and with many labels a threshold for each. Needs no torch.

`evaluation/calibration.py` finds them on the validation part; `train` writes them beside the weights.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kunstkammer.errors import ModelError
from kunstkammer.files import write_json

CALIBRATION_FILE = "calibration.json"
FORMAT = "kunstkammer-calibration-1"
THRESHOLD = 0.5


@dataclass(frozen=True)
class Calibration:
    """How a model's logits become probabilities that hold (Guo et al. 2017, "On Calibration of Modern Neural Networks",
    section 4.2: softmax(z / T); with many labels sigmoid(z / T) of each).

    Attributes:
        temperature: T > 0; above 1 it makes answers less sure. It changes no order of labels.
        thresholds: with many labels, the probability above which each is said, (K,); None for one label a picture.
        pictures: how many of the validation part it was fitted on.
        weights: the SHA-256 of the weights it was fitted to (`models.digest`).
        loss_before, loss_after: mean negative log-likelihood on those pictures.
    """

    temperature: float
    thresholds: tuple[float, ...] | None
    pictures: int
    weights: str
    loss_before: float
    loss_after: float

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Return float64 (N, K) for logits (N, K).

        >>> Calibration(2.0, None, 100, "", 0.0, 0.0).probabilities(np.array([[0.0, 4.0]])).round(3).tolist()
        [[0.119, 0.881]]
        """
        return probabilities_of(logits, many=self.thresholds is not None, temperature=self.temperature)

    def recalibrate(self, probabilities: np.ndarray) -> np.ndarray:
        """Return what the probabilities (N, K) of the model as it is become."""
        return self.probabilities(logits_of_probabilities(probabilities, many=self.thresholds is not None))

    def save(self, folder: str | Path) -> Path:
        """Write RUN/calibration.json, whole or not at all. Raises `ResourceError` when the disk refuses."""
        path = Path(folder) / CALIBRATION_FILE
        write_json(path, {"format": FORMAT, **asdict(self)})
        return path

    @classmethod
    def load(cls, folder: str | Path, weights: str, labels: int) -> Calibration | None:
        """Return the calibration in a folder, None where there is none.

        Raises `ModelError` for one of other weights, or of another number of labels, or a damaged one.
        """
        path = Path(folder) / CALIBRATION_FILE
        if not path.is_file():
            return None
        try:
            found = _checked(json.loads(path.read_text(encoding="utf-8")), labels)
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise ModelError(f"The calibration {path} is damaged ({error}); remove it, or train again.") from error
        if found.weights != weights:
            raise ModelError(
                f"The calibration {path} belongs to other weights ({found.weights[:12]}, these are {weights[:12]}); "
                "remove it, or train again."
            )
        return found


def _checked(values: dict[str, Any], labels: int) -> Calibration:
    if values.pop("format") != FORMAT:
        raise ValueError("another format")
    thresholds = values.pop("thresholds")
    found = Calibration(thresholds=None if thresholds is None else tuple(map(float, thresholds)), **values)
    if not (np.isfinite(found.temperature) and found.temperature > 0):
        raise ValueError(f"its temperature is {found.temperature}")
    if found.thresholds is not None and len(found.thresholds) != labels:
        raise ValueError(f"it has {len(found.thresholds)} thresholds for {labels} labels")
    return found


def probabilities_of(logits: np.ndarray, *, many: bool, temperature: float = 1.0) -> np.ndarray:
    """Return float64 (N, K): softmax over the labels, or a sigmoid of each where a picture can have many."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    if many:
        return np.exp(-np.logaddexp(0.0, -scaled))
    shifted = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def logits_of_probabilities(probabilities: np.ndarray, *, many: bool) -> np.ndarray:
    """Return logits (N, K) that have these probabilities; where one is exactly 0 or 1, the last number beside it."""
    least = np.finfo(np.float64).tiny
    values = np.clip(np.asarray(probabilities, dtype=np.float64), least, 1.0)
    if not many:
        return np.log(values)
    return np.log(values) - np.log(np.clip(1.0 - values, np.finfo(np.float64).epsneg, 1.0))
