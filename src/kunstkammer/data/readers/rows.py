"""What a reader finds, before it becomes a `Collection`, and what all readers share on labels and splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kunstkammer.data.collection import Collection, make_collection
from kunstkammer.data.texts import label_text
from kunstkammer.errors import DataError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


@dataclass
class Rows:
    """Pictures in the order found, as columns of equal length, and the facts that belong to the whole."""

    files: list[str] = field(default_factory=list)
    sources: list[str | bytes] = field(default_factory=list)
    labels: list[list[str]] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    columns: dict[str, list[Any]] = field(default_factory=dict)
    multi_label: bool = False
    empty_classes: list[str] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    label_names: list[str] = field(default_factory=list)  # labels that count although no picture may carry them

    def add(self, file: str, source: str | bytes, labels: list[str], split: str) -> None:
        """Append one picture that has no further columns."""
        self.files.append(file)
        self.sources.append(source)
        self.labels.append(labels)
        self.splits.append(split)

    def extend(self, other: Rows) -> None:
        """Append the pictures of `other`; columns that one of the two lacks are filled with None."""
        for name in {**self.columns, **other.columns}:
            mine = self.columns.get(name, [None] * len(self.files))
            self.columns[name] = mine + other.columns.get(name, [None] * len(other.files))
        self.files += other.files
        self.sources += other.sources
        self.labels += other.labels
        self.splits += other.splits
        self.multi_label |= other.multi_label
        self.empty_classes += other.empty_classes
        self.ignored += other.ignored
        self.notes += [note for note in other.notes if note not in self.notes]
        self.label_names = sorted({*self.label_names, *other.label_names})

    def collection(self, name: str, root: Path | None) -> Collection:
        """Build the collection. Raises `DataError` when there is no picture in it."""
        if not self.files:
            raise DataError(f"There is no picture in '{name}'; name a folder or a table that has some.")
        return make_collection(
            name=name,
            files=self.files,
            sources=self.sources,
            labels=self.labels,
            splits=self.splits,
            multi_label=self.multi_label,
            columns=self.columns,
            label_names=tuple(sorted({*self.label_names, *(name for own in self.labels for name in own)})),
            root=root,
            empty_classes=tuple(self.empty_classes),
            ignored=tuple(self.ignored),
            notes=tuple(self.notes),
        )


def split_text(value: Any, where: str) -> str:
    """Return "train", "validation", "test" or "" for the cell of a `split` column; `DataError` for other words."""
    text = label_text(value)
    if not text:
        return ""
    if text.lower() not in SPLIT_NAMES:
        raise DataError(f"{where}: '{text}' is not a split; write train, validation or test.")
    return SPLIT_NAMES[text.lower()]


def split_of_path(file: str) -> str:
    """Return the split that a relative path starts with, or ""."""
    first, slash, _ = file.partition("/")
    return SPLIT_NAMES.get(first.lower(), "") if slash else ""


def a_few(names: list[str], limit: int = 3) -> str:
    """Name the first of many.

    >>> a_few(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    shown = ", ".join(names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
