"""Made-up predictions: a good model, a weak one, a collapsed one."""

from __future__ import annotations

import numpy as np
import pytest

from kunstkammer.evaluation.predictions import Predictions

EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "neutrality", "sadness", "surprised")
COUNTS = np.array([890, 208, 439, 570, 1406, 524, 746, 775])
PUBLISHED = np.array([0.195, 0.037, 0.080, 0.132, 0.125, 0.103, 0.153, 0.176])


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def calibrated(n: int, prior: np.ndarray, strength: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw targets and the exact posterior of a Gaussian signal: calibrated by construction, as strong as asked."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(len(prior), n, p=prior)
    signal = rng.normal(size=(n, len(prior))) + strength * np.eye(len(prior))[targets]
    return targets, softmax(np.log(prior) + strength * signal)


def make(targets: np.ndarray, probabilities: np.ndarray, names: tuple[str, ...] | None = None) -> Predictions:
    width = probabilities.shape[1]
    files = [f"{i:04d}.png" for i in range(len(targets))]
    many = targets.ndim == 2
    return Predictions(files, names or tuple(f"class {k}" for k in range(width)), probabilities, targets, many)


@pytest.fixture
def good() -> Predictions:
    """200 pictures of two classes, about 92 % right."""
    targets, p = calibrated(200, np.array([0.4, 0.6]), 2.0)
    return make(targets, p, ("comic", "manga"))


@pytest.fixture
def collapsed() -> Predictions:
    """The published failure on 300 drawings: every picture gets nearly the same."""
    rng = np.random.default_rng(0)
    p = np.abs(PUBLISHED + rng.normal(size=(300, 8)) * 0.005)
    return make(rng.choice(8, 300, p=COUNTS / COUNTS.sum()), p / p.sum(axis=1, keepdims=True), EMOTIONS)


@pytest.fixture
def many() -> Predictions:
    """120 pictures with up to five labels."""
    rng = np.random.default_rng(0)
    targets = (rng.random((120, 5)) < 0.3).astype(np.float32)
    p = 1 / (1 + np.exp(-(rng.normal(size=targets.shape) + 4 * targets - 2)))
    return make(targets, p, ("bust", "eagle", "patera", "wreath", "zeus"))
