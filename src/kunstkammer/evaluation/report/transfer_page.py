"""The page of a transfer experiment: what lowers the error on the second collection, and by how much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kunstkammer.evaluation.report import embed, page, words
from kunstkammer.files import write_text

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.evaluation.transfer import Row
    from kunstkammer.metrics.intervals import Interval

BUDGET = 1_500_000


@dataclass(frozen=True)
class TransferContent:
    """What the page holds.

    Attributes:
        names: of A and B; counts: their test pictures; zero_r: ZeroR's error on each.
        rows: a row for each condition, the plain one first.
        seeds: how many trainings of each condition.
        notes: what a reader must know, sentences.
        examples: (title, pictures): A plain, A under each preparation, B.
        recipe: the recipe as YAML; created: a date.
    """

    names: tuple[str, str]
    counts: tuple[int, int]
    zero_r: tuple[float, float]
    rows: Sequence[Row]
    seeds: int
    notes: Sequence[str]
    examples: Sequence[tuple[str, Sequence[Image.Image]]]
    recipe: str
    created: str


def write_transfer_page(path: Path, content: TransferContent) -> Path:
    """Write the page to `path`, whole or not at all, and return it. Raises `ResourceError` when the disk refuses."""
    uris = iter(embed.data_uris([picture for _, pictures in content.examples for picture in pictures], BUDGET))
    examples = [(title, [next(uris) for _ in pictures]) for title, pictures in content.examples]
    rows = content.rows
    reach = _reach([row.change_b for row in rows if row.change_b])
    labels = list(rows[0].recalls)
    html = page.render(
        "transfer.html.j2",
        words.word("transfer.title", a=content.names[0], b=content.names[1]),
        content=content,
        plain=rows[0],
        lead=_lead(content),
        examples=examples,
        reach=reach,
        ticks=[-reach, -reach / 2, 0.0, reach / 2, reach],
        labels=labels,
        most=max((row.error_b.high for row in rows), default=1.0),
    )
    write_text(path, html)
    return path


def _reach(changes: Sequence[Interval] | Sequence[object]) -> float:
    """Return the end of the axis of changes: the farthest end of an interval, rounded up to a round number."""
    farthest = max((max(abs(change.low), abs(change.high)) for change in changes), default=0.0)  # type: ignore[attr-defined]
    for step in (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8):
        if farthest <= step:
            return step
    return float(math.ceil(farthest))


def _lead(content: TransferContent) -> tuple[str, words.Both]:
    """Return the tone ("", "warning" or "bad") and the sentence that answers the question."""
    rows = content.rows
    helping = [row.name for row in rows if row.verdict == "lowers"]
    harming = [row.name for row in rows if row.verdict == "raises"]
    number = len(rows) - 1
    if helping and harming:
        lead = words.word("transfer.lead.both", helping=", ".join(helping), harming=", ".join(harming), number=number)
        return "", lead
    if helping:
        return "", words.word("transfer.lead.lowers", helping=", ".join(helping), number=number)
    if harming:
        return "bad", words.word("transfer.lead.raises", harming=", ".join(harming), number=number)
    return "warning", words.word("transfer.lead.none", number=number)
