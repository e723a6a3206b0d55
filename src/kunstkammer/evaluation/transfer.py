"""The outcome of a transfer experiment: a row for each condition, compared with the plain one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kunstkammer.errors import DataError
from kunstkammer.evaluation.experiment import Change, holm, mean_error, paired_change
from kunstkammer.metrics.classification import picture_f1

if TYPE_CHECKING:
    from kunstkammer.evaluation.predictions import Predictions
    from kunstkammer.metrics.intervals import Interval

SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Result:
    """One condition measured: its predictions on the test parts of A and B, a pair for each seed.

    Attributes:
        name: the condition.
        on_a, on_b: the predictions, the same pictures in the same order for every seed.
        runs: the folders of the networks.
        shift: how well a classifier tells A from B by the network's features (AUC, mean over seeds);
            None where there are too few pictures to say.
        note: what was fitted or done, in a sentence.
    """

    name: str
    on_a: list[Predictions]
    on_b: list[Predictions]
    runs: list[str]
    shift: float | None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """What one condition came to.

    Attributes:
        name: the condition, "none" for the plain one.
        error_a, error_b: mean error over seeds and test pictures of A and B, with 95 % intervals.
        change_a, change_b: error with the condition minus error without, paired; None for the plain one.
        p: of `change_b`, adjusted for the number of conditions (Holm).
        shift: how well a classifier tells A from B by the network's features (AUC, mean over seeds);
            None where there are too few pictures to say.
        recalls: label -> share of its pictures found on B, mean over seeds.
        runs: the folders of its networks.
        note: what was fitted or done, in a sentence.
    """

    name: str
    error_a: Interval
    error_b: Interval
    change_a: Change | None
    change_b: Change | None
    p: float | None
    shift: float | None
    recalls: dict[str, float | None]
    runs: list[str]
    note: str = ""

    @property
    def verdict(self) -> str:
        """ "lowers", "raises" or "undecided", for the error on B; "" for the plain condition."""
        if self.change_b is None or self.p is None:
            return ""
        if self.p >= SIGNIFICANT:
            return "undecided"
        return "lowers" if self.change_b.value < 0 else "raises"

    def to_json(self) -> dict[str, Any]:
        """Return the row for `--json`."""
        return {
            "name": self.name,
            "error_a": self.error_a.to_json(),
            "error_b": self.error_b.to_json(),
            "change_a": self.change_a.to_json() if self.change_a else None,
            "change_b": self.change_b.to_json() if self.change_b else None,
            "p_adjusted": self.p,
            "verdict": self.verdict,
            "shift_auc": self.shift,
            "recall_b": self.recalls,
            "runs": self.runs,
            "note": self.note,
        }


def compare_conditions(
    results: Sequence[Result], groups_a: np.ndarray | None = None, groups_b: np.ndarray | None = None
) -> list[Row]:
    """Return a row for each result, its errors compared with those of the first, paired by seed and picture.

    The p-values of the changes on B are adjusted for their number (Holm 1979). `groups_a`, `groups_b` int (N,):
    pictures of one group count together.
    """
    errors = [(picture_errors(result.on_a), picture_errors(result.on_b)) for result in results]
    plain = errors[0]
    changes = [
        (paired_change(plain[0], on_a, groups_a), paired_change(plain[1], on_b, groups_b)) for on_a, on_b in errors[1:]
    ]
    adjusted = holm([on_b.p for _, on_b in changes])
    rows = []
    for i, (result, (on_a, on_b)) in enumerate(zip(results, errors, strict=True)):
        rows.append(
            Row(
                name=result.name,
                error_a=mean_error(on_a, groups_a),
                error_b=mean_error(on_b, groups_b),
                change_a=changes[i - 1][0] if i else None,
                change_b=changes[i - 1][1] if i else None,
                p=adjusted[i - 1] if i else None,
                shift=result.shift,
                recalls=_recalls(result.on_b),
                runs=result.runs,
                note=result.note,
            )
        )
    return rows


def picture_errors(predictions: Sequence[Predictions]) -> np.ndarray:
    """Return float (S, N): 1 where a prediction is wrong; for many labels 1 minus the picture's F1."""
    found = []
    for one in predictions:
        if one.targets is None:
            raise DataError("The test pictures have no labels, so no error can be measured.")
        if one.multi_label:
            found.append(1 - picture_f1(one.targets, one.decided()))
        else:
            found.append((one.probabilities.argmax(axis=1) != one.targets).astype(float))
    return np.stack(found)


def _recalls(predictions: Sequence[Predictions]) -> dict[str, float | None]:
    """Return the share of each label's pictures that were found, mean over seeds; None for a label without pictures."""
    first = predictions[0]
    if first.targets is None:
        return {}
    found: dict[str, float | None] = {}
    for k, name in enumerate(first.label_names):
        truth = first.targets[:, k] > 0.5 if first.multi_label else first.targets == k
        if not truth.any():
            found[name] = None
            continue
        said = [
            one.probabilities[truth, k] > 0.5 if one.multi_label else one.probabilities[truth].argmax(axis=1) == k
            for one in predictions
        ]
        found[name] = float(np.mean(said))
    return found
