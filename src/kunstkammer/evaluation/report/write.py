"""Writing the report: one HTML file that holds everything and asks for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kunstkammer.evaluation.evaluate import Evaluation
from kunstkammer.evaluation.report import charts, embed, page, shaken, words
from kunstkammer.evaluation.report.content import Card, ReportContent
from kunstkammer.evaluation.report.verdict import collapse_sentence, verdict
from kunstkammer.files import write_text
from kunstkammer.registry import entries

MOST_EXAMPLE_CLASSES = 12
CHARTED = 5
FIRST_CLASSES = 30
_QUIET = {"linear_head", "undefined", "fewer_resamples", "prior_from_part"}
"""Notes that say that the figures themselves cannot be believed; they stand first, in red."""


@dataclass(frozen=True)
class _Shown:
    """A card with its pictures as data URIs."""

    card: Card
    picture: str
    overlay: str | None

    @property
    def wide(self) -> bool:
        """Whether picture and heat map look better one above the other."""
        return self.card.picture.width > 1.2 * self.card.picture.height


def write_report(path: str | Path, content: ReportContent) -> Path:
    """Write the report to `path`, whole or not at all, and return it. Raises `ResourceError` when the disk refuses."""
    path = Path(path)
    write_text(path, render(content))
    return path


def render(content: ReportContent) -> str:
    """Return the report as HTML."""
    return page.render(
        "report.html.j2",
        words.word("page.title", title=content.title),
        content=content,
        evaluation=content.evaluation,
        **_figures(content),
        galleries=_galleries(content),
        shaken=shaken.section(content.stability),
    )


def _figures(content: ReportContent) -> dict[str, Any]:
    evaluation = content.evaluation
    every_note = [*content.warnings, *evaluation.notes]
    drawn = (charts.curves(content.history, what, content.best_epoch) for what in ("accuracy", "loss"))
    return {
        "verdict": verdict(evaluation),
        "collapse": collapse_sentence(evaluation) if evaluation.collapse.collapsed else None,
        "alarms": [n for n in every_note if n.grave],
        "warnings": [n for n in every_note if n.key not in _QUIET and not n.grave],
        "remarks": [n for n in every_note if n.key in _QUIET],
        "rows": _metric_rows(evaluation),
        "charted": _charted(evaluation),
        "curves": [chart for chart in drawn if chart is not None],
        "matrix": charts.matrix(evaluation),
        "pairs": charts.confused_pairs(evaluation) if len(evaluation.label_names) > charts.BIGGEST_MATRIX else [],
        "classes": sorted(evaluation.classes, key=lambda row: (row.f1 is None, row.f1))
        if len(evaluation.classes) > FIRST_CLASSES
        else evaluation.classes,
        "first_classes": FIRST_CLASSES,
        "has_roc_auc": any(row.roc_auc is not None for row in evaluation.classes),
        "calibration": charts.calibration_chart(evaluation.calibration) if evaluation.calibration else None,
        "part_classes": _part_classes(content),
    }


def _metric_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the metrics in the order of reading: the headline, the decisions, the ranking, the probabilities."""
    facts = {entry.name: entry.thing for entry in entries("metrics")}
    ranking = ["roc_auc"] if evaluation.multi_label else []
    first = [evaluation.headline, *ranking, "subset_accuracy", "balanced_accuracy", "macro_f1", "micro_f1"]
    names = [name for name in first if name in evaluation.metrics]
    names += [name for name in evaluation.metrics if name not in names and facts[name].higher_is_better]
    names += [name for name in evaluation.metrics if name not in names]
    if not evaluation.multi_label:
        names.remove("micro_f1")  # with one label a picture it is the accuracy once more
    return [
        {
            "name": name,
            "interval": evaluation.metrics[name],
            "zero_r": evaluation.zero_r[name],
            "gain": evaluation.gains[name],
            "higher": facts[name].higher_is_better,
        }
        for name in names
    ]


def _charted(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return the metrics that go from 0 to 1 upward, for the chart beside ZeroR."""
    return [row for row in _metric_rows(evaluation) if row["higher"]][:CHARTED]


def _part_classes(content: ReportContent) -> list[tuple[str, list[int]]]:
    """Return a row a label: its pictures in each part."""
    if content.data is None:
        return []
    parts = list(content.data.parts.values())
    labels = sorted({label for part in parts for label in part})
    return [(label, [int(part.get(label, 0)) for part in parts]) for label in labels]


def _galleries(content: ReportContent) -> list[tuple[str, str | None, list[_Shown]]]:
    """Return (key, label, cards) of each gallery that has any; every picture of the page shares one budget of bytes."""
    groups: list[tuple[str, str | None, Sequence[Card]]] = [
        ("worst", None, content.worst),
        ("doubtful", None, content.doubtful),
        ("best", None, content.best),
    ]
    groups += [("example", label, cards) for label, cards in list(content.examples.items())[:MOST_EXAMPLE_CLASSES]]
    groups = [group for group in groups if group[2]]
    pictures = [
        picture for _, _, cards in groups for card in cards for picture in (card.picture, card.overlay) if picture
    ]
    uris = iter(embed.data_uris(pictures))
    return [
        (key, label, [_Shown(card, next(uris), next(uris) if card.overlay else None) for card in cards])
        for key, label, cards in groups
    ]
