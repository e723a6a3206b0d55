"""The verdict in plain words: a level for its colour and a few sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kunstkammer.evaluation.evaluate import Evaluation
from kunstkammer.evaluation.report.words import Both, percent, points, whole, word
from kunstkammer.evaluation.tallies import Calibration

HONEST = 0.05
WEAK_CLASS = 0.1
ENOUGH = 5


@dataclass(frozen=True)
class Verdict:
    """`level` is "good", "warning" or "bad"; `lead` the one sentence that counts, `sentences` what follows."""

    level: str
    lead: Both
    sentences: list[Both]


def verdict(evaluation: Evaluation) -> Verdict:
    """Judge an evaluation: collapsed, not shown to be better than ZeroR, or better, and by how much."""
    gain = evaluation.gains[evaluation.headline]
    if evaluation.collapse.collapsed:
        return Verdict("bad", word("verdict.collapsed"), [collapse_sentence(evaluation)])
    level, key = ("good", "better") if gain.low > 0 else ("warning", "unproven")
    if gain.high < 0:
        level, key = "bad", "worse"
    lead = word(
        f"verdict.{key}",
        gain=points(abs(gain.value)),
        low=points(gain.low),
        high=points(gain.high),
    )
    return Verdict(level, lead, [*_how_good(evaluation), *_how_sure(evaluation.calibration), *_weakest(evaluation)])


def collapse_sentence(evaluation: Evaluation) -> Both:
    """Return how much the predictions move, and what is predicted."""
    found = evaluation.collapse
    values = {
        "movement": percent(found.movement),
        "reach": percent(found.reach),
        "share": percent(found.share, 0),
        "label": found.most_frequent,
    }
    return word("collapse.sentence" if found.most_frequent else "collapse.sentence.none", **values)


def _of_hundred(value: float) -> Both:
    """Return a share as pictures of a hundred, rounded so that only a perfect one is 100 and only none is 0."""
    rounded = round(100 * value)
    if rounded == 100 and value < 1:
        rounded = 99
    if rounded == 0 and value > 0:
        return word("less_than_one")
    return whole(rounded)


def _how_good(evaluation: Evaluation) -> list[Both]:
    name = evaluation.headline
    found, zero = evaluation.metrics[name], evaluation.zero_r[name]
    values = {
        "value": _of_hundred(found.value),
        "low": _of_hundred(found.low),
        "high": _of_hundred(found.high),
        "zero": _of_hundred(zero),
    }
    if evaluation.multi_label:
        values["exact"] = _of_hundred(evaluation.metrics["subset_accuracy"].value)
    return [word(f"verdict.{name}", **values)]


def _how_sure(calibration: Calibration | None) -> list[Both]:
    if calibration is None:
        return []
    count = np.array(calibration.count)
    sure, right = (
        float(np.average([v or 0.0 for v in column], weights=count))
        for column in (calibration.confidence, calibration.accuracy)
    )
    key = "honest" if abs(sure - right) < HONEST else "too_sure" if sure > right else "too_unsure"
    return [word(f"verdict.{key}", sure=percent(sure, 0), right=percent(right, 0))]


def _weakest(evaluation: Evaluation) -> list[Both]:
    rows = [(row.recall, row) for row in evaluation.classes if row.n >= ENOUGH and row.recall is not None]
    if len(rows) < 2:
        return []
    recall, row = min(rows, key=lambda pair: pair[0])
    mean = float(np.mean([value for value, _ in rows]))
    if recall > mean - WEAK_CLASS:
        return []
    return [word("verdict.weakest", label=row.label, value=_of_hundred(recall))]
