"""The page on the domain gap: two or more sets of pictures side by side, one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from kunstkammer.evaluation.domain_gap import ClassGap, Gap, MetricGap
from kunstkammer.evaluation.domain_shift import DomainAUC, Plane
from kunstkammer.evaluation.notes import Note
from kunstkammer.evaluation.report import charts, page, words
from kunstkammer.evaluation.report.gap_words import GapVerdict, gap_verdict
from kunstkammer.files import write_text

FIRST_CLASSES = 30
CHARTED = 5
MOST_PLANES = 12
_OF_BOTH = ("few_pictures", "few_groups")
"""Notes of an evaluation that hold for the comparison too."""


@dataclass
class Contrast:
    """Two sets beside one another, the second against the first.

    Attributes:
        gap: every figure on both.
        auc: how well their features can be told apart, None where that was not measured. plane: where they lie.
        classes_a, classes_b: bool (N, K), the true labels of the points of the plane.
        notes: what a reader must know of this comparison.
    """

    gap: Gap
    auc: DomainAUC | None = None
    plane: Plane | None = None
    classes_a: np.ndarray | None = None
    classes_b: np.ndarray | None = None
    notes: Sequence[Note] = ()


@dataclass
class OneSet:
    """One of the sets: its name, which part of it was judged, on how many pictures, and where its own report lies."""

    name: str
    part: str
    n: int
    report: str


@dataclass
class GapContent:
    """The content of the page."""

    title: str
    sets: Sequence[OneSet]
    contrasts: Sequence[Contrast]
    model: str | None = None
    created: str | None = None
    usage: Sequence[str] = field(default_factory=list)


@dataclass(frozen=True)
class Dots:
    """Points of one series as a path of dots (round ends of lines without a length)."""

    path: str
    key: str


@dataclass(frozen=True)
class Panel:
    """A chart of the plane: a label (None: all), and the series of a and of b over what is grey."""

    label: str | None
    series: list[Dots]


@dataclass(frozen=True)
class _Shown:
    """What the template shows of one contrast."""

    number: int
    contrast: Contrast
    gap: Gap
    verdict: GapVerdict
    rows: list[MetricGap]
    charted: list[MetricGap]
    classes: list[ClassGap]
    calibrations: list[tuple[str, charts.CalibrationChart]]
    panels: list[Panel]
    notes: list[Note]


def write_gap_report(path: str | Path, content: GapContent) -> Path:
    """Write the page to `path`, whole or not at all, and return it. Raises `ResourceError` when the disk refuses."""
    path = Path(path)
    write_text(path, render(content))
    return path


def render(content: GapContent) -> str:
    """Return the page as HTML."""
    shown = [_show(i, contrast) for i, contrast in enumerate(content.contrasts, 1)]
    values: dict[str, Any] = {"content": content, "shown": shown, "first_classes": FIRST_CLASSES}
    return page.render("gap.html.j2", words.word("gap.page.title", title=content.title), **values)


def _show(number: int, contrast: Contrast) -> _Shown:
    gap = contrast.gap
    rows = _in_order(gap)
    pairs = (("a", gap.a.calibration), ("b", gap.b.calibration))
    return _Shown(
        number,
        contrast,
        gap,
        gap_verdict(gap, contrast.auc),
        rows,
        [row for row in rows if row.higher_is_better][:CHARTED],
        sorted(gap.classes, key=lambda row: row.recall_gap.value if row.recall_gap else 1.0)
        if len(gap.classes) > FIRST_CLASSES
        else [row for row in gap.classes if row.n_a or row.n_b],
        [(key, charts.calibration_chart(found)) for key, found in pairs if found is not None],
        _panels(contrast),
        [*dict.fromkeys(note for note in (*gap.a.notes, *gap.b.notes) if note.key in _OF_BOTH), *contrast.notes],
    )


def _in_order(gap: Gap) -> list[MetricGap]:
    """Return the metrics in the order of reading, those where more is better first."""
    first = [gap.a.headline, "balanced_accuracy", "macro_f1"]
    names = [name for name in first if name in gap.metrics]
    names += [name for name, m in gap.metrics.items() if name not in names and m.higher_is_better]
    names += [name for name in gap.metrics if name not in names]
    if not gap.a.multi_label and "micro_f1" in names:
        names.remove("micro_f1")  # with one label a picture it is the accuracy once more
    return [gap.metrics[name] for name in names]


def _panels(contrast: Contrast) -> list[Panel]:
    """Return the plane with both sets, then one panel a class (all others grey), of the most frequent classes."""
    plane, first, second = contrast.plane, contrast.classes_a, contrast.classes_b
    if plane is None:
        return []
    panels = [Panel(None, [Dots(_dots(plane.points_a), "a"), Dots(_dots(plane.points_b), "b")])]
    if first is None or second is None:
        return panels
    everyone = Dots(_dots(np.concatenate([plane.points_a, plane.points_b])), "rest")
    support = first.sum(axis=0) + second.sum(axis=0)
    shown = sorted(np.argsort(-support, kind="stable")[:MOST_PLANES].tolist())
    names = contrast.gap.a.label_names
    if (support > 0).sum() > 1:
        panels += [
            Panel(
                names[k],
                [
                    everyone,
                    Dots(_dots(plane.points_a[first[:, k]]), "a"),
                    Dots(_dots(plane.points_b[second[:, k]]), "b"),
                ],
            )
            for k in shown
            if support[k]
        ]
    return panels


def _dots(points: np.ndarray, size: int = 300, edge: int = 8) -> str:
    """Return a path with a dot a point, in a square of `size`."""
    places = edge + points * (size - 2 * edge)
    return "".join(f"M{x:.1f} {size - y:.1f}h0" for x, y in places)
