"""Corrections as a collection: what `kunstkammer train --add` learns from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from kunstkammer.errors import DataError, ResourceError, guess
from kunstkammer.files import atomic_folder, write_text
from kunstkammer.pictures.read import SUFFIX_FORMATS
from kunstkammer.web.errors import NotThere
from kunstkammer.web.records import Correction, Picture
from kunstkammer.web.settings import Settings

_SUFFIXES = {format: suffix for suffix, format in reversed(SUFFIX_FORMATS.items())}


class Corrected(Protocol):
    """What is asked of a store."""

    def corrections(self, model: str | None = None) -> Iterator[tuple[Picture, Correction]]:
        """Go over what people said."""
        ...

    def bytes_of(self, visitor: str | None, id: str, kind: Literal["original"] = "original") -> bytes:
        """Return a picture's file."""
        ...


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        out: the folder.
        labels: label -> pictures that people gave it.
        pictures: how many, each content once.
        changed: how many of them the model had called something else.
        contradictions: a sentence for each content that people said different things of; the latest word counts.
    """

    out: Path
    labels: Mapping[str, int]
    pictures: int
    changed: int
    contradictions: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        return {
            "out": str(self.out),
            "pictures": self.pictures,
            "changed": self.changed,
            "labels": dict(self.labels),
            "contradictions": self.contradictions,
        }

    def to_text(self) -> str:
        """Return what a person reads on the terminal."""
        counts = ", ".join(f"{label}: {n}" for label, n in self.labels.items())
        lines = [f"{self.pictures} corrected pictures in {self.out} ({counts or 'no labels'})."]
        lines += self.contradictions[:10]
        if len(self.contradictions) > 10:
            lines.append(f"... and {len(self.contradictions) - 10} more that people do not agree on.")
        return "\n".join([*lines, f"Learn from them: kunstkammer train DATA --add {self.out} --out RUN"])


def export_corrections(store: Corrected, out: str | Path, *, model: str | None = None) -> Path:
    """Write every picture that people corrected, with their labels, as a collection that `kunstkammer.read` opens.

    Returns the folder: `pictures/` and `metadata.jsonl` with `file_name`, `label` (or `labels`, where a picture may
    have several), `corrected_from` (what the model had said), `model`, `version` and `at`. Visitors and their names
    for the pictures are not in it. A content is there once; where people do not agree the latest word counts.

    Raises `DataError` without corrections, for models of different labels together, or where `out` holds something.
    """
    return write_corrections(store, out, model=model).out


def write_corrections(store: Corrected, out: str | Path, *, model: str | None = None) -> Exported:
    """Do what `export_corrections` does and tell more of it."""
    out = Path(out)
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise DataError(f"{out} exists already and is not empty; name a new folder.")
    found = list(store.corrections(model))
    _require_one_vocabulary(store, found, model)
    latest, contradictions = _latest(found)
    several = any(_of_many_labels(*pair) for pair in found)
    rows = []
    with atomic_folder(out) as partial:
        (partial / "pictures").mkdir()
        for sha256, (picture, correction) in latest.items():
            try:
                data = store.bytes_of(None, picture.id)
            except NotThere:  # its visitor has just deleted it
                continue
            name = f"pictures/{sha256[:32]}{_SUFFIXES.get(picture.facts.format, '.img')}"
            (partial / name).write_bytes(data)
            rows.append({"file_name": name, **_row(picture, correction, several)})
        if not rows:
            raise _nothing(store, model)
        write_text(partial / "metadata.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    said = [row["labels"] if several else [row["label"]] for row in rows]
    counts = {label: sum(label in labels for labels in said) for label in sorted({x for own in said for x in own})}
    changed = sum(row["corrected_from"] not in (None, row["labels" if several else "label"]) for row in rows)
    return Exported(out, counts, len(rows), changed, contradictions)


def export(
    out: str | Path,
    *,
    folder: str | Path | None = None,
    database: str | None = None,
    pictures: str | None = None,
    model: str | None = None,
) -> Exported:
    """Write the corrections that a server keeps, which may be running: see `export_corrections`.

    `folder`, `database` and `pictures` are the server's (also by KUNSTKAMMER_FOLDER and so on). Raises `ResourceError`
    where no server has kept anything there.
    """
    from kunstkammer.web.store.store import Store

    settings = Settings.load({"folder": folder, "database": database, "pictures": pictures})
    if not settings.database and not (settings.folder / Store.FILE).is_file():
        raise ResourceError(f"No server has kept anything in {settings.folder}; name its folder with --folder.")
    store = Store.open(settings)
    try:
        return write_corrections(store, out, model=model)
    finally:
        store.close()


def _latest(found: list[tuple[Picture, Correction]]) -> tuple[dict[str, tuple[Picture, Correction]], list[str]]:
    """Return the latest word on each content, and a sentence for each that people do not agree on."""
    by_content: dict[str, list[tuple[Picture, Correction]]] = {}
    for pair in found:
        by_content.setdefault(pair[0].facts.sha256, []).append(pair)
    latest, contradictions = {}, []
    for sha256, pairs in by_content.items():
        pairs.sort(key=lambda pair: pair[1].at)
        latest[sha256] = pairs[-1]
        said = list(dict.fromkeys(_said(correction.labels) for _, correction in pairs))
        if len(said) > 1:
            last = _said(pairs[-1][1].labels)
            contradictions.append(f"{sha256[:32]}: people said {' and '.join(said)}; the latest counts, {last}.")
    return latest, contradictions


def _said(labels: tuple[str, ...]) -> str:
    return "'" + ", ".join(labels) + "'"


def _of_many_labels(picture: Picture, correction: Correction) -> bool:
    """Whether a picture may have several labels: people gave other than one, or the model's shares are no whole."""
    answer = picture.answers.get(correction.model)
    whole = answer is None or abs(sum(score.probability for score in answer.scores) - 1) < 1e-3
    return len(correction.labels) != 1 or not whole or (answer is not None and len(answer.labels) != 1)


def _row(picture: Picture, correction: Correction, several: bool) -> dict[str, Any]:
    answer = picture.answers.get(correction.model)
    before: Any = None if answer is None else sorted(answer.labels)
    labels: dict[str, Any] = {"labels": sorted(correction.labels)} if several else {"label": correction.labels[0]}
    if not several and before is not None:
        before = before[0]
    return {
        **labels,
        "corrected_from": before,
        "model": correction.model,
        "version": "" if answer is None else answer.version,
        "at": correction.at.isoformat(timespec="seconds"),
    }


def _require_one_vocabulary(store: Corrected, found: list[tuple[Picture, Correction]], model: str | None) -> None:
    """Raise where there is nothing, or where models with different labels would be mixed."""
    if not found:
        raise _nothing(store, model)
    words: dict[str, set[str]] = {}
    for picture, correction in found:
        if answer := picture.answers.get(correction.model):
            words.setdefault(correction.model, set()).update(score.label for score in answer.scores)
    if len({frozenset(known) for known in words.values()}) > 1:
        raise DataError(
            f"There are corrections of models with different labels: {', '.join(sorted(words))}; name one with --model."
        )


def _nothing(store: Corrected, model: str | None) -> DataError:
    known = sorted({correction.model for _, correction in store.corrections()})
    if model is None or not known:
        return DataError("Nobody has corrected a picture yet; correct some on the page first.")
    return DataError(f"There are no corrections of '{model}'.{guess(model, known)} There are of: {', '.join(known)}.")
