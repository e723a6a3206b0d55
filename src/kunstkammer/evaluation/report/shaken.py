"""The section on stability: a row a change with a dot a level, the table of all figures, the most shaken pictures."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from kunstkammer.evaluation.notes import translations
from kunstkammer.evaluation.report import embed, words
from kunstkammer.evaluation.stability import Reaction, Stability, UnstablePrediction
from kunstkammer.pictures.changes import USUAL_SIDE, Change
from kunstkammer.pictures.scale import to_image
from kunstkammer.registry import entries

STEPS = (0.1, 0.2, 0.4, 0.6, 1.0)
"""Where the axis of flipped shares may end."""
BUDGET = 800_000
STEADY = 0.05


@dataclass(frozen=True)
class Dot:
    """One level of a change: where it stands (0 to 1), how large it is drawn (1 to 3), and what it says."""

    at: float
    size: int
    title: words.Both


@dataclass(frozen=True)
class Row:
    """One change: its name and a dot a level."""

    name: words.Both
    dots: list[Dot]


@dataclass(frozen=True)
class Line:
    """One line of the table: a change at a level; the first of a change says how many there are, the others 0."""

    name: words.Both
    levels: int
    level: words.Both
    reaction: Reaction


@dataclass(frozen=True)
class Pair:
    """A picture before and after, as data URIs, and what was said of it."""

    shaken: UnstablePrediction
    before: str
    after: str
    caption: words.Both
    detail: words.Both


@dataclass(frozen=True)
class ShakenSection:
    """What the template shows."""

    stability: Stability
    sentences: list[words.Both]
    ticks: list[tuple[float, words.Both]]
    rows: list[Row]
    lines: list[Line]
    pairs: list[Pair]
    judged: bool


def change_name(change: str) -> words.Both:
    """Return what a change is called; one without a translation keeps its name."""
    key = f"change.{change}"
    return words.word(key) if key in translations() else words.both(change)


def level_text(change: str, level: float, side: int) -> words.Both:
    """Return a level in its unit; pixels are those of plates of this side."""
    facts: dict[str, Change] = {entry.name: entry.thing for entry in entries("changes")}
    unit = facts[change].unit if change in facts else "share"
    if unit == "pixels":
        return words.word("level.pixels", level=words.decimal(level * side / USUAL_SIDE, 1))
    shown = words.percent(level, 0) if unit == "share" else words.decimal(level, 0)
    return words.word(f"level.{unit}", level=shown)


def section(stability: Stability | None) -> ShakenSection | None:
    """Return what the section shows, None where no change altered a picture."""
    if stability is None or not stability.reactions:
        return None
    by_change: dict[str, list[Reaction]] = {}
    for reaction in stability.reactions:
        by_change.setdefault(reaction.change, []).append(reaction)
    most = max(reaction.flipped.value for reaction in stability.reactions)
    end = next(step for step in STEPS if most <= step)
    side = stability.side
    by_change = dict(sorted(by_change.items(), key=lambda item: -item[1][-1].flipped.value))
    return ShakenSection(
        stability,
        _sentences(stability),
        [(share, words.percent(share * end, 0)) for share in (0, 0.25, 0.5, 0.75, 1)],
        [_row(change, found, end, side) for change, found in by_change.items()],
        [
            Line(change_name(change), len(found) if r is found[0] else 0, level_text(change, r.level, side), r)
            for change, found in by_change.items()
            for r in found
        ],
        _pairs(stability),
        any(r.accuracy is not None for r in stability.reactions),
    )


def _row(change: str, found: list[Reaction], end: float, side: int) -> Row:
    name = change_name(change)
    dots = [
        Dot(
            r.flipped.value / end,
            3 - (len(found) - 1 - i),
            words.word(
                "stability.dot",
                change=name,
                level=level_text(change, r.level, side),
                flipped=words.percent(r.flipped.value),
                low=words.percent(r.flipped.low),
                high=words.percent(r.flipped.high),
                n=r.n,
            ),
        )
        for i, r in enumerate(found)
    ]
    return Row(name, dots)


def _sentences(stability: Stability) -> list[words.Both]:
    if stability.still:
        return [words.word("stability.still")]
    strongest = stability.strongest()
    worst, best = strongest[0], strongest[-1]
    many = ".many" if stability.multi_label else ""
    if worst.flipped.value <= STEADY:
        lead = [words.word(f"stability.steady{many}", value=words.percent(worst.flipped.value, 0))]
    else:
        lead = [
            words.word(
                f"stability.worst{many}",
                change=change_name(worst.change),
                level=level_text(worst.change, worst.level, stability.side),
                value=words.percent(worst.flipped.value, 0),
                low=words.percent(worst.flipped.low, 0),
                high=words.percent(worst.flipped.high, 0),
            )
        ]
    if len(strongest) > 1 and best.flipped.value < worst.flipped.value:
        lead.append(
            words.word(
                "stability.best",
                change=change_name(best.change),
                level=level_text(best.change, best.level, stability.side),
                value=words.percent(best.flipped.value, 0),
            )
        )
    return lead


def _pairs(stability: Stability) -> list[Pair]:
    pictures = [to_image(torch.from_numpy(p.copy())) for s in stability.worst for p in (s.plate, s.changed)]
    uris = iter(embed.data_uris(pictures, BUDGET))
    return [
        Pair(shaken, next(uris), next(uris), _caption(shaken), _detail(shaken, stability.side))
        for shaken in stability.worst
    ]


def _caption(shaken: UnstablePrediction) -> words.Both:
    before, after = (", ".join(labels) or "–" for labels in (shaken.before, shaken.after))
    said = f"{before} → {after}" if shaken.flipped else before
    return words.both(f"GT: {', '.join(shaken.truth) or '–'}; PRED: {said}" if shaken.truth is not None else said)


def _detail(shaken: UnstablePrediction, side: int) -> words.Both:
    return words.word(
        "stability.detail",
        change=change_name(shaken.change),
        level=level_text(shaken.change, shaken.level, side),
        label=", ".join(shaken.before) or "–",
        before=words.percent(shaken.probability_before, 0),
        after=words.percent(shaken.probability_after, 0),
    )
