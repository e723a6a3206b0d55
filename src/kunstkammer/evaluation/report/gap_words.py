"""The domain gap in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.evaluation.report.words import Both, both, decimal, percent, points, word

if TYPE_CHECKING:
    from kunstkammer.evaluation.domain_gap import Gap
    from kunstkammer.evaluation.domain_shift import DomainAUC
    from kunstkammer.evaluation.tallies import Calibration

TOLD = ((0.6, "hardly"), (0.8, "partly"), (0.95, "mostly"), (1.01, "always"))
"""Up to which AUC two sets are told apart how."""


@dataclass(frozen=True)
class GapVerdict:
    """`level` is "good", "warning" or "bad"; `lead` the one sentence that counts, `sentences` what follows."""

    level: str
    lead: Both
    sentences: list[Both]


def lead(gap: Gap) -> Both:
    """Return by how much the first figure is lower or higher on the second set."""
    found = gap.headline.gap
    key = "same" if found.low <= 0 <= found.high else "lower" if found.value < 0 else "higher"
    low, high = (found.low, found.high) if key == "same" else sorted((abs(found.low), abs(found.high)))
    return word(
        f"gap.{key}",
        metric=_inside(word(f"metric.{gap.headline.name}")),
        a=gap.name_a,
        b=gap.name_b,
        gap=points(abs(found.value)),
        low=points(low),
        high=points(high),
    )


def _inside(name: Both) -> Both:
    """Return a name as it stands inside a sentence: English begins it small."""
    return Both(name.en[:1].lower() + name.en[1:], name.de)


def told_apart(gap: Gap, auc: DomainAUC) -> Both:
    """Return how well the two sets can be told apart by what the model sees in them."""
    inside = auc.within_class
    value = inside if inside is not None else auc
    key = next(name for limit, name in TOLD if value.value < limit)
    return word(
        f"gap.told.{key}" + (".within" if inside is not None else ""),
        a=gap.name_a,
        b=gap.name_b,
        value=decimal(value.value, 2),
        low=decimal(value.low, 2),
        high=decimal(value.high, 2),
    )


def gap_verdict(gap: Gap, auc: DomainAUC | None) -> GapVerdict:
    """Judge a gap: lost or not, and what there is beside it."""
    worse = gap.headline.gap.high < 0
    lost = gap.b.collapse.collapsed or gap.b.gains[gap.b.headline].low <= 0
    level = "bad" if lost else "warning" if worse else "good"
    sentences = [lead(gap)]
    if lost:  # then the difference is not what counts most
        key = "gap.collapsed" if gap.b.collapse.collapsed else "gap.no_better"
        sentences.insert(0, word(key, name=gap.name_b, b=gap.name_b))
    if gap.a.collapse.collapsed:
        sentences.append(word("gap.collapsed", name=gap.name_a))
    if gap.labels.shifted:
        sentences.append(_shares(gap))
    if auc is not None:
        sentences.append(told_apart(gap, auc))
    sentences += _confidence(gap)
    sentences += _most_lost(gap)
    for key, names in (("gap.only_a", gap.only_a), ("gap.only_b", gap.only_b)):
        if names:
            sentences.append(word(key, a=gap.name_a, b=gap.name_b, names=_some(names)))
    if gap.pairs:
        sentences.append(word("gap.pairs", n=gap.pairs))
    return GapVerdict(level, sentences[0], sentences[1:])


def _some(names: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _shares(gap: Gap) -> Both:
    if gap.adjusted is None:
        return word("gap.shares", a=gap.name_a, b=gap.name_b)
    return word(
        "gap.shares.adjusted",
        a=gap.name_a,
        b=gap.name_b,
        value=points(gap.adjusted.value),
        low=points(gap.adjusted.low),
        high=points(gap.adjusted.high),
    )


def _mean(calibration: Calibration, column: str) -> float:
    values = [value or 0.0 for value in getattr(calibration, column)]
    return float(np.average(values, weights=np.array(calibration.count)))


def _confidence(gap: Gap) -> list[Both]:
    if gap.a.calibration is None or gap.b.calibration is None:
        return []
    numbers = {
        f"{column}_{side}": percent(_mean(found, column), 0)
        for side, found in (("a", gap.a.calibration), ("b", gap.b.calibration))
        for column in ("confidence", "accuracy")
    }
    return [word("gap.confidence", a=gap.name_a, b=gap.name_b, **numbers)]


def _most_lost(gap: Gap) -> list[Both]:
    rows = [row for row in gap.classes if row.recall_gap is not None and row.recall_gap.high < 0]
    rows = [row for row in rows if row.recall_a is not None and row.recall_b is not None]
    if len(gap.classes) < 2 or not rows:
        return []
    row = min(rows, key=lambda r: r.recall_gap.value if r.recall_gap else 0.0)
    found = [percent(value.value, 0) if value else both("–") for value in (row.recall_a, row.recall_b)]
    return [word("gap.most_lost", label=row.label, a=gap.name_a, b=gap.name_b, before=found[0], after=found[1])]
