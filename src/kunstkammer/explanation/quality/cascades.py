"""Do maps change with the model? The cascade of `sanity.randomisation` for every method."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from kunstkammer.errors import KunstkammerError
from kunstkammer.explanation.facts import facts_of
from kunstkammer.explanation.interface import explain
from kunstkammer.explanation.patterns.fit import fit_patterns
from kunstkammer.explanation.quality.plan import Plan, Subject, budget_of, pictures_to_check
from kunstkammer.explanation.quality.store import Arrays, Store
from kunstkammer.explanation.sanity import randomisation

SLOW_STEPS = 2
"""Methods of many passes are looked at after the output layer and after all layers only."""
BATCH = 8


def run_cascades(
    subject: Subject, plan: Plan, pixels: Tensor, targets: np.ndarray, store: Store, advance: Callable[[int], None]
) -> tuple[dict[str, list[tuple[str, np.ndarray]]], dict[str, str]]:
    """Return method -> [(layer, likeness (M,))] for pixels (M, C, H, W), and method -> why it could not be done."""
    found: dict[str, list[tuple[str, np.ndarray]]] = {}
    failed: dict[str, str] = {}
    for method in plan.methods:
        try:
            kept = store.get(f"cascade-{method}", lambda m=method: _cascade(subject, plan, pixels, targets, m))  # type: ignore[misc]
            found[method] = list(zip(kept["layers"].tolist(), kept["likeness"], strict=True))
        except KunstkammerError as error:
            failed[method] = str(error)
        advance(1)
    return found, failed


def _cascade(subject: Subject, plan: Plan, pixels: Tensor, targets: np.ndarray, method: str) -> Arrays:
    own = subject.options(method, pixels.shape[2:])
    count = pictures_to_check(plan, method, pixels.shape[2:])
    pixels, targets = pixels[:count], targets[:count]
    classes = torch.from_numpy(targets)

    def make(model: nn.Module) -> Tensor:
        options = dict(own)
        if facts_of(method).patterns:
            # Patterns follow from model and pictures: a changed model has its own, fitted on the same pictures.
            fitting = pixels if subject.fitting is None else subject.fitting
            options["patterns"] = fit_patterns(model, fitting.split(BATCH), show_progress=False)
        return explain(model, pixels, classes, method, batch_size=BATCH, **options)

    steps = min(SLOW_STEPS, plan.cascade) if budget_of(method, pixels.shape[2:]).options else plan.cascade
    rows = randomisation(subject.model, make, plan.seed, most=steps, flat=np.nan)
    return {"layers": np.array([name for name, _ in rows]), "likeness": np.stack([values for _, values in rows])}
