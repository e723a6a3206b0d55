"""What stands beside a run's checkpoint: run.json (facts), and split.csv, which pictures it was made from. No torch."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunstkammer.errors import ModelError
from kunstkammer.files import atomic_file

FACTS_FILE, SPLIT_FILE = "run.json", "split.csv"
_SHA256 = re.compile(r"[0-9a-f]{64}")
STYLE = "style"
"""The part of pictures of a second collection that lend their style in training, without their labels."""
_FIRST = ("train", "validation", STYLE, "test", "")
"""What counts where one content has several rows: a copy that was left out is still the one that was learned from."""


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what `run.json` says, or {} where there is none. Raises `ModelError` for a damaged one."""
    file = folder / FACTS_FILE
    if not file.is_file():
        return {}
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelError(f"{file} is not JSON ({error}); train again or remove it.") from error
    sections = ("recipe", "data", "training")
    if not isinstance(facts, dict) or not all(isinstance(facts.get(name, {}), dict) for name in sections):
        raise ModelError(f"{file} is damaged: it should hold the sections {', '.join(sections)}; train again.")
    return facts


SEEN = ("train", "validation", STYLE)
"""Parts that a model sees when it is made."""


@dataclass(frozen=True)
class SplitRow:
    """One picture of a run: its name, its part ("" where it is left out), labels, group (-1: none) and SHA-256."""

    file: str
    part: str
    labels: tuple[str, ...]
    group: int
    sha256: str


def write_split(path: Path, rows: Sequence[SplitRow]) -> None:
    """Write which picture is in which part, as CSV."""
    with atomic_file(path) as partial, open(partial, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "part", "labels", "group", "sha256"])
        for row in rows:
            writer.writerow(
                [row.file, row.part, json.dumps(list(row.labels), ensure_ascii=False), row.group, row.sha256]
            )


def read_split(path: Path) -> list[SplitRow]:
    """Read what `write_split` wrote. Raises `ModelError` for a damaged file."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:  # a spreadsheet may have put a byte-order mark there
            rows = [_row(row) for row in csv.DictReader(file)]
        if not rows:
            raise ValueError("it holds no rows")
        return rows
    except (OSError, ValueError, KeyError, TypeError, AttributeError, csv.Error) as error:
        what = f"the column {error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{path} is damaged ({what}), so the run no longer says what it learned from.") from error


def _row(row: dict[str, str]) -> SplitRow:
    part, content = row["part"], row["sha256"].strip().lower()
    if part not in _FIRST:
        raise ValueError(f"there is no part '{part}'")
    if content and not _SHA256.fullmatch(content):
        raise ValueError(f"'{content[:20]}' is no SHA-256")
    return SplitRow(row["file"], part, tuple(json.loads(row["labels"])), int(row["group"]), content)


@dataclass(frozen=True)
class Learned:
    """What a run knows of the pictures that it was made from, by content.

    Attributes:
        parts: SHA-256 -> "train", "validation", "test", "style" (it lent its style), or "" for one that was left out.
        groups: SHA-256 -> the number of its group (copies, and equal values of the recipe's group columns).
    """

    parts: dict[str, str] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, run: str | Path) -> Learned | None:
        """Return what RUN/split.csv says; None for a checkpoint without one.

        Raises `ModelError` for a damaged one: it must have as many pictures of each part as run.json says.
        """
        file = Path(run) / SPLIT_FILE
        if not file.is_file():
            return None
        found = read_split(file)
        expected = (read_facts(Path(run)).get("data") or {}).get("parts") or {}
        here = Counter(row.part for row in found)
        for part, count in expected.items():
            if here[part] != count:
                raise ModelError(
                    f"{file} is damaged: it has {here[part]} pictures of {part}, run.json says {count}; without it "
                    "nobody knows what the model learned from. Put it back, or train again."
                )
        rows = sorted((row for row in found if row.sha256), key=lambda row: -_FIRST.index(row.part))
        return cls({row.sha256: row.part for row in rows}, {row.sha256: row.group for row in rows if row.part != STYLE})

    def part_of(self, content: str) -> str | None:
        """Return the part of a picture by the SHA-256 of its file; None for one that the run does not know.

        >>> Learned({"ab": "train"}).part_of("ab"), Learned({"ab": "train"}).part_of("cd")
        ('train', None)
        """
        return self.parts.get(content)

    def was_seen(self, content: str) -> bool:
        """Say whether the model saw a picture while it was made: learned from it, or was chosen or calibrated by it."""
        return self.parts.get(content) in SEEN
