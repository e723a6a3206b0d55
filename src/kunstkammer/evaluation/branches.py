"""Picture, text, both: what each branch of a scene model is worth, on the same pictures and the same resamples."""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.evaluation.evaluate import affordable_resamples
from kunstkammer.evaluation.notes import Note
from kunstkammer.evaluation.predictions import Predictions
from kunstkammer.metrics.classification import Metric, one_hot
from kunstkammer.metrics.intervals import (
    Interval,
    bootstrap,
    bootstrap_interval,
    class_carriers,
    effective_count,
    group_numbers,
    widen_if_perfect,
)
from kunstkammer.registry import get

BRANCH_METRICS = ("roc_auc", "mean_average_precision")
"""What branches are compared by: how well they rank. Neither depends on a threshold, which each might need its own."""

PRESENCE_GAP, PRESENCE_FEWEST = 0.3, 10
"""From what difference, and from how many pictures on, it is said that having text at all goes with a label."""


@dataclass(frozen=True)
class Branch:
    """One branch on a part.

    Attributes:
        name: "both", "picture" or "text".
        metrics: name -> value with its 95 % interval.
        leads: name -> by how much the joint answer is ahead of this branch, with the interval of the difference on the
            same resamples; empty for the joint answer itself.
    """

    name: str
    metrics: dict[str, Interval]
    leads: dict[str, Interval]

    def to_json(self) -> dict[str, Any]:
        """Return the metrics, and how far the joint answer is ahead."""
        found: dict[str, Any] = {"metrics": {name: value.to_json() for name, value in self.metrics.items()}}
        if self.leads:
            found["both_is_ahead_by"] = {name: value.to_json() for name, value in self.leads.items()}
        return found


@dataclass(frozen=True)
class Branches:
    """All branches on a part.

    Attributes:
        n: the pictures; told: how many of them came with text.
        rows: the joint answer first.
        notes: where the mere presence of text tells a label, for then the text's figures may rest on that alone.
    """

    n: int
    told: int
    rows: list[Branch]
    notes: list[Note] = field(default_factory=list)

    @property
    def together_is_better(self) -> bool:
        """Whether the joint answer ranks (ROC-AUC) better than every branch alone, beyond chance (95 %)."""
        leads = [row.leads.get("roc_auc") for row in self.rows if row.name != "both"]
        return bool(leads) and all(lead is not None and lead.low > 0 for lead in leads)

    def to_json(self) -> dict[str, Any]:
        """Return the object that stands in metrics.json."""
        notes = [note.text for note in self.notes]
        return {"n": self.n, "with_text": self.told, **{row.name: row.to_json() for row in self.rows}, "notes": notes}


def compare_branches(
    answers: Mapping[str, Predictions],
    *,
    told: np.ndarray,
    groups: Sequence[Hashable] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Branches:
    """Compare the answers of a scene model's branches on the same pictures.

    Args:
        answers: "both", "picture", "text" -> predictions for the same files with the same truth.
        told: bool (N,), which of the pictures came with text.
        groups, resamples, seed: as for `evaluate_predictions`.

    Raises `DataError` where the pictures differ or no truth is known.
    """
    both = answers["both"]
    if any(one.files != both.files for one in answers.values()):
        raise DataError("The branches were asked about different pictures, so they cannot be compared.")
    chosen = np.flatnonzero(both.known())
    if not len(chosen) or both.targets is None:
        raise DataError("None of these pictures has a label that the model knows, so no branches can be compared.")
    targets = both.targets[chosen]
    tables = {name: one.probabilities[chosen] for name, one in answers.items()}
    members = group_numbers(None if groups is None else [groups[int(i)] for i in chosen], len(chosen))
    metrics: list[Metric] = [get("metrics", name) for name in BRANCH_METRICS]
    values = {(m.name, who): m.function(targets, table) for m in metrics for who, table in tables.items()}
    metrics = [m for m in metrics if all(np.isfinite(values[m.name, who]) for who in tables)]
    functions = {
        f"{m.name} {who}": functools.partial(m.function, targets, table)
        for m in metrics
        for who, table in tables.items()
    }
    draws = bootstrap(functions, members, affordable_resamples(resamples, tables["both"].size), seed)
    carriers = class_carriers(
        one_hot(targets, len(both.label_names)).sum(axis=0), effective_count(np.ones(len(targets)), members)
    )
    rows = []
    for who in tables:
        found, leads = {}, {}
        for m in metrics:
            own = draws[f"{m.name} {who}"]
            interval = bootstrap_interval(values[m.name, who], own, m.low, m.high)
            found[m.name] = widen_if_perfect(interval, m.high, carriers)
            if who != "both":
                ahead = values[m.name, "both"] - values[m.name, who]
                leads[m.name] = bootstrap_interval(ahead, draws[f"{m.name} both"] - own, -m.high, m.high)
        rows.append(Branch(who, found, leads))
    told = np.asarray(told)[chosen]
    return Branches(len(chosen), int(told.sum()), rows, presence_notes(told, targets, both.label_names))


def presence_notes(told: np.ndarray, targets: np.ndarray, label_names: Sequence[str]) -> list[Note]:
    """Return a note on the label that the mere presence of text, bool (N,), tells most of; none where it tells little.

    A label is told where the shares of pictures with text, among those that carry it and those that do not, lie at
    least `PRESENCE_GAP` apart, with `PRESENCE_FEWEST` pictures or more on both sides.
    """
    truth = one_hot(targets, len(label_names))
    gaps = []
    for k, label in enumerate(label_names):
        inside, outside = told[truth[:, k]], told[~truth[:, k]]
        if min(len(inside), len(outside)) >= PRESENCE_FEWEST:
            gaps.append((abs(inside.mean() - outside.mean()), label, inside.mean(), outside.mean()))
    if not gaps:
        return []
    gap, label, inside, outside = max(gaps, key=lambda found: found[0])
    if gap < PRESENCE_GAP:
        return []
    return [Note("text_tells", label=label, inside=round(100 * inside), outside=round(100 * outside))]
