"""The page on methods of explanation: which find what the model uses, which depend on it, what the paper claimed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.evaluation.map_quality import ALIKE, FAILED, KEPT, PASSED
from kunstkammer.evaluation.report import embed, page, words
from kunstkammer.files import write_text

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.evaluation.map_quality import Claim, Estimate, MethodQuality, SignalSummary

VERDICTS = ("better", "worse", "undecided")
WIDEST, DENSITY = 1600, {"comparison": 1.0}
"""Figures are embedded at most so wide; a pixel of the page shows so many of theirs (1.3), where there is room."""
MANY_LAYERS = 24


@dataclass(frozen=True)
class QualityContent:
    """What the page holds.

    Attributes:
        title: the collection; model: its kind; created: a date.
        part, pictures: what was measured.
        methods, left_out, claims, summaries, signal_note, boxes, notes, facts, settings: as in `quality_found.Quality`.
        signal_left_out: layer -> why rho was not measured there.
        steps: how many patches were replaced.
        figures: name -> picture: "degradation", "degradation-least", "comparison", and as far as they were made
            "randomisation", "signal-linear", "signal-rectified".
    """

    title: str
    model: str
    created: str
    part: str
    pictures: int
    methods: Sequence[MethodQuality]
    left_out: Mapping[str, str]
    claims: Sequence[Claim]
    summaries: Sequence[SignalSummary]
    signal_note: str
    signal_left_out: Mapping[str, str]
    boxes: tuple[int, float] | None
    notes: Sequence[str]
    facts: Sequence[str]
    settings: Mapping[str, Any]
    steps: int
    figures: Mapping[str, Image.Image]


def write_quality_page(path: Path, content: QualityContent) -> Path:
    """Write the page to `path`, whole or not at all, and return it. Raises `ResourceError` when the disk refuses."""
    write_text(path, render(content))
    return path


def render(content: QualityContent) -> str:
    """Return the page as HTML."""
    rows = sorted(content.methods, key=lambda row: -row.beside_random.value)
    reach = _reach([row.beside_random for row in rows])
    return page.render(
        "quality.html.j2",
        words.word("quality.title", title=content.title),
        content=content,
        rows=rows,
        better=[row.name for row in rows if row.degradation == PASSED],
        worse=[row.name for row in rows if row.degradation == FAILED],
        dependent=[row.name for row in rows if row.randomisation == PASSED],
        blind=[row.name for row in rows if row.randomisation == FAILED],
        all_checks=_passing(rows),
        claims=claim_words(content.claims),
        lead=_lead(content, rows),
        reach=reach,
        ticks=[-reach, -reach / 2, 0.0, reach / 2, reach],
        alike=ALIKE,
        kept=KEPT,
        summaries=[_signal_words(row) for row in reversed(content.summaries)],
        budgets=[row.name for row in rows if row.note],
        figures={name: embed.figure_uri(figure, WIDEST) for name, figure in content.figures.items()},
        widths={name: round(figure.width / DENSITY.get(name, 1.3)) for name, figure in content.figures.items()},
        finite=math.isfinite,
        many=len(content.signal_left_out) > MANY_LAYERS,
    )


def _reach(estimates: Sequence[Estimate]) -> float:
    """Return the end of the axis: the farthest end of an interval, rounded up to a round number."""
    ends = [abs(end) for one in estimates for end in (one.low, one.high, one.value) if math.isfinite(end)]
    farthest = max(ends, default=0.1)
    return next((step for step in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8) if farthest <= step), 1.0)


def _passing(rows: Sequence[MethodQuality]) -> list[str]:
    """Return the methods that passed all three checks that every method has."""
    return [
        row.name for row in rows if (row.degradation, row.randomisation, row.sensitivity) == (PASSED, PASSED, PASSED)
    ]


def claim_words(claims: Sequence[Claim]) -> list[words.Both]:
    """Return a sentence for each claimed method: better than ..., worse than ..., undecided against ..."""
    sentences = []
    for name in dict.fromkeys(claim.method for claim in claims):
        told = {v: ", ".join(c.against for c in claims if (c.method, c.verdict) == (name, v)) for v in VERDICTS}
        parts = [words.word(f"quality.claim.{v}", names=names) for v, names in told.items() if names]
        if parts:
            joined = words.Both("; ".join(p.en for p in parts), "; ".join(p.de for p in parts))
            sentences.append(words.word("quality.claim", name=name, said=joined))
    return sentences


def _lead(content: QualityContent, rows: Sequence[MethodQuality]) -> tuple[str, words.Both]:
    """Return the tone ("", "warning" or "bad") and the sentence that answers the question."""
    best = rows[0]
    if best.degradation != PASSED:
        return "bad", words.word("quality.lead.none", n=len(rows))
    passing = _passing(rows)
    if not passing:
        return "warning", words.word("quality.lead.some", best=best.name)
    return "", words.word("quality.lead.best", names=", ".join(passing[:3]))


def _signal_words(row: SignalSummary) -> words.Both:
    values = {
        "random": words.decimal(row.means["random"], 2),
        "filter": words.decimal(row.means["S_w"], 2),
        "linear": words.decimal(row.means["S_a"], 2),
        "two": words.decimal(row.means["S_a+-"], 2),
    }
    key = f"quality.signal.{row.target}"
    return words.word(key, layers=row.layers, above=row.above_filter, best=row.two_best, **values)
