"""The geometry of the charts; the templates draw them, with the colours of the page's theme."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from kunstkammer.evaluation.evaluate import Evaluation
from kunstkammer.evaluation.report import words
from kunstkammer.evaluation.tallies import Calibration

WIDTH, HEIGHT = 420, 260
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 14, 38
DOTS_UP_TO = 40
BIGGEST_MATRIX = 20
MOST_PAIRS = 20


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, where it is and what stands there."""

    at: float
    text: words.Both


@dataclass(frozen=True)
class Point:
    """A point of a chart; `title` is what a pointer over it shows."""

    x: float
    y: float
    title: words.Both
    radius: float = 3.0


@dataclass(frozen=True)
class Line:
    """A series: its key in the translations, its path and its points (none where they would crowd)."""

    key: str
    path: str
    points: list[Point]


@dataclass(frozen=True)
class Curves:
    """One chart of values by epoch."""

    key: str
    lines: list[Line]
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    best: float | None
    summary: words.Both
    width: int = WIDTH
    height: int = HEIGHT
    frame: tuple[int, int, int, int] = (LEFT, TOP, WIDTH - RIGHT, HEIGHT - BOTTOM)


class _Scale:
    """From values to places, with ticks at round numbers."""

    def __init__(self, low: float, high: float, start: float, end: float, *, whole: bool = False) -> None:
        ticks = MaxNLocator(nbins=5, integer=whole, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        if whole:
            self.low, self.high = low, high
            self.values = [float(t) for t in ticks if low <= t <= high]
        else:
            self.low, self.high = float(ticks[0]), float(ticks[-1])
            self.values = [float(t) for t in ticks]
        self.start, self.end = start, end

    def __call__(self, value: float) -> float:
        if self.high == self.low:
            return (self.start + self.end) / 2
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)


def curves(history: Sequence[Mapping[str, Any]], what: str, best_epoch: int | None) -> Curves | None:
    """Return the chart of "accuracy" or "loss" by epoch, training and validation; None where there is nothing."""
    series = {
        part: [(int(r["epoch"]), float(r[f"{part}_{what}"])) for r in history if _finite(r.get(f"{part}_{what}"))]
        for part in ("train", "validation")
    }
    series = {part: values for part, values in series.items() if values}
    if not series:
        return None
    epochs = [epoch for values in series.values() for epoch, _ in values]
    heights = [value for values in series.values() for _, value in values]
    low = 0.0 if what == "loss" or min(heights) < 0.5 else min(heights)
    y = _Scale(low, 1.0 if what == "accuracy" else max(heights), HEIGHT - BOTTOM, TOP)
    x = _Scale(min(epochs), max(epochs), LEFT, WIDTH - RIGHT, whole=True)
    digits = max(0, *(_digits(v) for v in y.values))
    kept = best_epoch if best_epoch is not None and min(epochs) <= best_epoch <= max(epochs) else None
    last = {part: words.decimal(values[-1][1]) for part, values in series.items()}
    return Curves(
        what,
        [_line(part, values, x, y) for part, values in series.items()],
        [Tick(x(v), words.whole(int(v))) for v in x.values],
        [Tick(y(v), words.decimal(v, digits)) for v in y.values],
        None if kept is None else x(kept),
        words.word(
            f"curves.{what}.summary",
            epochs=len(set(epochs)),
            train=last.get("train", words.both("–")),
            validation=last.get("validation", words.both("–")),
        ),
    )


def _line(part: str, values: list[tuple[int, float]], x: _Scale, y: _Scale) -> Line:
    path = "M" + "L".join(f"{x(epoch)} {y(value)}" for epoch, value in values)
    points = [
        Point(x(epoch), y(value), words.word("curves.point", part=words.word(f"part.{part}"), epoch=epoch, value=shown))
        for epoch, value in values
        for shown in [words.decimal(value)]
    ]
    return Line(part, path, points if len(points) <= DOTS_UP_TO else [])


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _digits(value: float) -> int:
    text = f"{value:.6f}".rstrip("0")
    return len(text.partition(".")[2])


@dataclass(frozen=True)
class CalibrationChart:
    """Confidence (across) against accuracy (up): a point a bin, its area by the number of pictures."""

    points: list[Point]
    ticks_x: list[Tick]
    ticks_y: list[Tick]
    size: int = 300
    frame: tuple[int, int, int, int] = (46, 12, 288, 254)


def calibration_chart(calibration: Calibration) -> CalibrationChart:
    """Return the chart of a calibration; empty bins have no point."""
    left, top, right, bottom = CalibrationChart.frame
    most = max(*calibration.count, 1)
    points = []
    for count, sure, right_share in zip(calibration.count, calibration.confidence, calibration.accuracy, strict=True):
        if sure is None or right_share is None:
            continue
        title = words.word(
            "calibration.point", count=count, sure=words.percent(sure, 0), right=words.percent(right_share, 0)
        )
        radius = round(3 + 7 * math.sqrt(count / most), 1)
        points.append(Point(left + sure * (right - left), bottom - right_share * (bottom - top), title, radius))
    shares = [0, 0.25, 0.5, 0.75, 1.0]
    return CalibrationChart(
        points,
        [Tick(left + s * (right - left), words.percent(s, 0)) for s in shares],
        [Tick(bottom - s * (bottom - top), words.percent(s, 0)) for s in shares],
    )


@dataclass(frozen=True)
class Cell:
    """One cell of the confusion matrix: pictures, their share of the row, and whether it lies on the diagonal."""

    count: int
    share: float
    right: bool


def matrix(evaluation: Evaluation) -> list[tuple[str, list[Cell]]] | None:
    """Return the rows of the confusion matrix; None for many labels or more than 20 classes."""
    if evaluation.multi_label or len(evaluation.label_names) > BIGGEST_MATRIX:
        return None
    totals = evaluation.confusion.sum(axis=1)
    return [
        (
            label,
            [Cell(int(n), float(n / total) if total else 0.0, i == j) for j, n in enumerate(evaluation.confusion[i])],
        )
        for i, (label, total) in enumerate(zip(evaluation.label_names, totals, strict=True))
    ]


@dataclass(frozen=True)
class Pair:
    """A true label and another predicted label; the pictures with both, and their share of those of the true one."""

    truth: str
    predicted: str
    count: int
    share: float


def confused_pairs(evaluation: Evaluation) -> list[Pair]:
    """Return the pairs confused most often, at most 20.

    With many labels a predicted label beside a true one is no confusion by itself; there the list stays empty.
    """
    if evaluation.multi_label:
        return []
    wrong = evaluation.confusion.copy()
    np.fill_diagonal(wrong, 0)
    support = evaluation.confusion.sum(axis=1)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    places = [divmod(int(k), len(wrong)) for k in order]
    names = evaluation.label_names
    return [
        Pair(names[i], names[j], int(wrong[i, j]), float(wrong[i, j] / support[i])) for i, j in places if wrong[i, j]
    ]
