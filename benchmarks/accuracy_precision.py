"""Test accuracy in bfloat16 against float32: the same recipe, seeds and drawn comics, with intervals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from benchmarks.contest import Found, Measure, Options, Rounds, Skipped, Target, quietly
from kunstkammer.models.devices import choose_device
from kunstkammer.training.precision import native_bf16
from kunstkammer.workflows.draw import draw
from kunstkammer.workflows.train import train

if TYPE_CHECKING:
    from kunstkammer.evaluation.predictions import Predictions

JOB = "accuracy_precision"
RECIPE = "demo"
PRECISIONS = ("fp32", "bf16")
RESAMPLES = 2000


def measure(options: Options) -> Iterator[Found]:
    """Train with each precision from each seed; measure on the test part, which is the same for all."""
    name = f"test accuracy, recipe {RECIPE}, {options.seeds} seeds, {options.drawn} drawn pages"
    if not native_bf16(choose_device()):
        yield Skipped(JOB, name, "this processor has no bfloat16 arithmetic")
        return
    pages = options.scratch / "pages"
    with quietly():
        draw("comics", out=pages, n=options.drawn, seed=0)
    rounds: Rounds = {precision: [] for precision in PRECISIONS}
    right: dict[str, list[np.ndarray]] = {precision: [] for precision in PRECISIONS}
    for seed in range(options.seeds):
        for precision in PRECISIONS[:: 1 if seed % 2 else -1]:
            found = correct(_trained(pages, options, precision, seed))
            right[precision].append(found)
            rounds[precision].append(float(found.mean()))
    yield _compared(name, right, rounds)


def _trained(pages: Path, options: Options, precision: str, seed: int) -> Predictions:
    settings = {
        "seed": seed,
        "training.precision": precision,
        "evaluation.pictures": 0,
        "evaluation.explainer": None,
    }
    with quietly():
        return train(pages, RECIPE, out=options.scratch / f"{precision}-{seed}", settings=settings).predictions


def correct(predictions: Predictions) -> np.ndarray:
    """Return 1.0 for each picture whose label was predicted and 0.0 for the others, ordered by file."""
    assert predictions.targets is not None, "the drawn pages carry their labels"
    hits = predictions.probabilities.argmax(axis=1) == predictions.targets
    return hits[np.argsort(predictions.files)].astype(float)


def _compared(name: str, right: dict[str, list[np.ndarray]], rounds: Rounds) -> Measure:
    """Return both accuracies, each with its interval, and the interval of their difference picture by picture."""
    fp32, bf16 = (np.mean(right[precision], axis=0) for precision in PRECISIONS)
    low, _ = interval(fp32)
    shown = [f"{p} {values.mean():.3f} ({_span(interval(values))})" for p, values in (("fp32", fp32), ("bf16", bf16))]
    difference = f"bf16 - fp32 {bf16.mean() - fp32.mean():+.3f} ({_span(interval(bf16 - fp32), '+')})"
    return Measure(
        JOB,
        name,
        "accuracy",
        ours=float(bf16.mean()),
        peer=float(fp32.mean()),
        ratio=float(bf16.mean() / fp32.mean()),
        peer_name="fp32",
        target=Target("value", ">=", low),
        rounds=rounds,
        note=f"95 % intervals over {len(fp32)} test pictures: {'; '.join([*shown, difference])}",
    )


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of a mean over pictures, each value one picture's over all seeds.

    >>> interval(np.ones(5))
    (1.0, 1.0)
    """
    drawn = stats.bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=0)
    return float(drawn.confidence_interval.low), float(drawn.confidence_interval.high)


def _span(bounds: tuple[float, float], sign: str = "") -> str:
    return f"{bounds[0]:{sign}.3f} to {bounds[1]:{sign}.3f}"
