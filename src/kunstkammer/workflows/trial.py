"""Trying slight changes on some pictures of a collection: what `train` and `evaluate` say of a model's stability."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

    from kunstkammer.data.collection import Collection
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.evaluation.stability import Stability
    from kunstkammer.models.run import Run


def try_changes(
    checkpoint: Run,
    collection: Collection,
    predictions: Predictions,
    groups: Sequence[Hashable] | None,
    *,
    count: int,
    resamples: int = 1000,
    seed: int = 0,
) -> Stability | None:
    """Try every slight change on `count` pictures drawn from those of `predictions`; None for none of either.

    groups: what belongs together, a picture of `predictions` each. A scene model reads the unchanged text.
    """
    from kunstkammer.data.plates import make_plates
    from kunstkammer.evaluation.stability import measure_stability

    count = min(count, len(predictions))
    if not count:
        return None
    drawn = np.sort(np.random.default_rng(seed).choice(len(predictions), count, replace=False))
    chosen = predictions.select(drawn)
    tried = collection.select(chosen.places(collection.files))
    plates = make_plates(tried, checkpoint.plate_settings, show_progress=False)
    extras = checkpoint.extras(tried)

    def predict(pixels: torch.Tensor, rows: np.ndarray) -> np.ndarray:
        more = {name: values[rows.tolist()] for name, values in extras.items()}
        return checkpoint.probabilities(pixels, **more)

    return measure_stability(
        predict,
        plates[np.arange(count)],
        label_names=chosen.label_names,
        multi_label=chosen.multi_label,
        thresholds=chosen.thresholds,
        targets=chosen.targets,
        files=chosen.files,
        groups=None if groups is None else [groups[int(i)] for i in drawn],
        resamples=resamples,
        seed=seed,
    )


def stability_line(stability: Stability) -> str:
    """Return what a person reads of it on the terminal."""
    from kunstkammer.evaluation.report.shaken import level_text

    if stability.still or not stability.reactions:
        return f"Stability: {stability.n} pictures get the same answer, changed or not."
    worst = stability.strongest()[0]
    flipped = worst.flipped
    return (
        f"Stability: of {stability.n} pictures slightly changed, most get another label under '{worst.change}' "
        f"({level_text(worst.change, worst.level, stability.side)}): "
        f"{flipped.value:.0%} ({flipped.low:.0%} to {flipped.high:.0%})"
    )
