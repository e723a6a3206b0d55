"""The page of a model of pictures and captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kunstkammer.evaluation.report import embed, page, words
from kunstkammer.files import write_text

if TYPE_CHECKING:
    from PIL import Image

    from kunstkammer.evaluation.pairs import PairEvaluation

BUDGET = 2_000_000
"""Bytes that the pictures of the page may take."""


@dataclass(frozen=True)
class Example:
    """A picture, its own caption, and the caption that the model finds first."""

    picture: Image.Image
    caption: str
    found: str


@dataclass(frozen=True)
class PairsContent:
    """What the page shows: name of the collection, figures, examples, sentences to know, date, the whole recipe."""

    name: str
    evaluation: PairEvaluation
    examples: Sequence[Example]
    notes: Sequence[str]
    created: str
    recipe: str


def write_pairs_page(path: Path, content: PairsContent) -> Path:
    """Write the page to `path`, whole or not at all, and return it. Raises `ResourceError` when the disk refuses."""
    uris = embed.data_uris([example.picture for example in content.examples], BUDGET)
    rows: list[dict[str, Any]] = []
    for name, value in content.evaluation.metrics.items():
        _, _, k, way = name.split("_", 3)
        rows.append({"k": k, "way": way, "interval": value, "chance": content.evaluation.chance[name]})
    html = page.render(
        "pairs.html.j2",
        words.word("captions.title", name=content.name),
        content=content,
        rows=rows,
        examples=list(zip(content.examples, uris, strict=True)),
    )
    write_text(path, html)
    return path
