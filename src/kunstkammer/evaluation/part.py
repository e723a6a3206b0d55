"""Which pictures of a collection measure a run: those that it has not seen, known again by content, with their groups.

A run keeps the SHA-256 of every picture that it was made from (RUN/split.csv). So a collection may be renamed, copied,
read from a table or grown since: what the model learned from, or was chosen and calibrated by, is left out all the
same, or is counted where a person asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from kunstkammer.data.contents import content_hashes
from kunstkammer.data.split import join_groups
from kunstkammer.errors import DataError, guess
from kunstkammer.models.run_files import SEEN

if TYPE_CHECKING:
    from kunstkammer.data.collection import Collection
    from kunstkammer.models.run import Run

SPLITS = ("auto", "train", "validation", "test", "all")
NEW, ALL = "new", "all"


@dataclass(frozen=True)
class Part:
    """The pictures of a collection that are used.

    Attributes:
        name: "train", "validation", "test", "new" (some or all of them are not known to the run, none was seen) or
            "all" (the collection as it is).
        collection: these pictures alone.
        contents: the SHA-256 of each, "" for one that cannot be opened.
        seen: how many of them the model saw when it was made; None where the run does not say what it learned from.
        left_out: how many pictures of the collection were left out because the model saw them.
        set_aside: how many were left out because the training left them out: copies, unreadable, without a label.
        related: how many of the pictures it did not see belong to a group of which it saw others (a title, an artist).
    """

    name: str
    collection: Collection
    contents: tuple[str, ...]
    seen: int | None
    left_out: int = 0
    related: int = 0
    set_aside: int = 0


def run_parts(run: Run, collection: Collection, contents: Sequence[str]) -> list[str | None]:
    """Return the part of each picture: the run's own where it knows the content, else None."""
    if run.learned is None:
        return [None] * len(collection)
    return [run.learned.part_of(content) if content else None for content in contents]


def choose_part(run: Run, collection: Collection, split: str = "auto") -> Part:
    """Choose which pictures of a collection measure a run.

    Args:
        run: the model.
        collection: any, with or without parts of its own.
        split: "auto" leaves out what the model saw and measures the rest: the run's own test part and pictures that
            are new to it, of these only the test part where the collection brings one. "train", "validation" or
            "test": that part as the run has it, or as the collection says for pictures that the run does not know.
            "all": every picture; `Part.seen` counts those that the model saw.

    Raises `DataError` for another split, or where no picture is left.
    """
    if split not in SPLITS:
        raise DataError(f"There is no split '{split}'.{guess(split, SPLITS)} Known: {', '.join(SPLITS)}.")
    contents = content_hashes(collection)
    own, given = run_parts(run, collection, contents), collection.splits
    left_out = 0
    if split == "auto":
        rows, name = _unseen(own, given)
        left_out = sum(part in SEEN for part in own)
        if not len(rows):
            raise _nothing_left(collection, left_out, own.count(""))
    elif split == ALL:
        rows, name = np.arange(len(collection)), ALL
    else:
        parts = [theirs if part is None else part for part, theirs in zip(own, given, strict=True)]
        rows, name = np.array([i for i, part in enumerate(parts) if part == split], dtype=np.int64), split
        if not len(rows):
            here = Counter(part for part in parts if part)
            known = ", ".join(f"{part} ({n})" for part, n in here.items()) or "none"
            raise DataError(f"{collection.name} has no {split} part; its parts are: {known}.")
    found = part_of(run, collection, rows, contents, name, left_out)
    return replace(found, set_aside=own.count("")) if split == "auto" else found


def part_of(
    run: Run, collection: Collection, rows: np.ndarray, contents: Sequence[str], name: str, left_out: int = 0
) -> Part:
    """Return the pictures at `rows` as a `Part`; `contents` are those of the whole collection."""
    chosen = tuple(contents[int(i)] for i in rows)
    seen = None if run.learned is None else sum(run.learned.was_seen(content) for content in chosen)
    return Part(name, collection.select(rows), chosen, seen, left_out, _related(run, collection, rows, contents))


def _related(run: Run, collection: Collection, rows: np.ndarray, contents: Sequence[str]) -> int:
    """Return how many of the pictures at `rows` the model did not see, but others of their group."""
    learned = run.learned
    if learned is None or not run.group_columns:
        return 0
    columns = [_column(collection, name) for name in run.group_columns]
    known = [learned.groups.get(content) if content else None for content in contents]
    groups = join_groups(*columns, known)
    saw = np.array([bool(content) and learned.was_seen(content) for content in contents], dtype=bool)
    seen_groups = {learned.groups[content] for content in learned.parts if learned.was_seen(content)}
    of_run = np.array([number in seen_groups for number in known], dtype=bool)
    related = np.isin(groups, groups[saw | of_run])
    chosen = np.zeros(len(collection), dtype=bool)
    chosen[rows] = True
    return int((chosen & related & ~saw).sum())


def training_part(run: Run, collection: Collection) -> Part:
    """Return the pictures of a collection that a run was trained on, known again by content.

    For a checkpoint that does not say what it was trained on: those that the collection calls so, or else the whole
    collection, named "all". For a run of which the collection holds nothing it is the whole collection too, named
    "new": none of these pictures is one that it was trained on.
    """
    contents = content_hashes(collection)
    own = run_parts(run, collection, contents)
    if run.learned is not None and all(part is None for part in own):
        return part_of(run, collection, np.arange(len(collection)), contents, NEW)
    parts = own if run.learned is not None else collection.splits
    rows = np.array([i for i, part in enumerate(parts) if part == "train"], dtype=np.int64)
    if len(rows):
        return part_of(run, collection, rows, contents, "train")
    return part_of(run, collection, np.arange(len(collection)), contents, ALL)


def _unseen(own: Sequence[str | None], given: Sequence[str]) -> tuple[np.ndarray, str]:
    """Return the rows that "auto" measures, and what to call them."""
    if all(part is None for part in own):
        if "test" in given:
            return np.array([i for i, part in enumerate(given) if part == "test"], dtype=np.int64), "test"
        return np.arange(len(own)), ALL
    only_test = "test" in given
    rows = [
        i
        for i, (part, theirs) in enumerate(zip(own, given, strict=True))
        if part == "test" or (part is None and (theirs == "test" or not only_test))
    ]
    name = "test" if all(own[i] == "test" for i in rows) else NEW
    return np.array(rows, dtype=np.int64), name


def _nothing_left(collection: Collection, seen: int, set_aside: int) -> DataError:
    if seen:
        return DataError(
            f"The model saw {seen} of the {len(collection)} pictures of {collection.name} when it was made, and no "
            "other is left to measure it on; name other pictures, or measure on these all the same with --split all."
        )
    if set_aside:
        return DataError(
            f"The training left {set_aside} pictures of {collection.name} out (copies, or without a label), and no "
            "other is there to measure on; measure on these all the same with --split all."
        )
    return DataError(f"{collection.name} has no test picture that measures this model; name its part with --split.")


def group_keys(run: Run, parts: Sequence[Part]) -> list[np.ndarray] | None:
    """Return for each part which of its pictures belong together, int64 (N,), numbered over all parts; or None.

    The groups are the run's: those of its recipe's group columns (`data.groups`) where a collection has these columns,
    those of RUN/split.csv for pictures that the run knows; copies belong together too. None where the recipe names no
    columns: each picture then stands for itself. Where it names some, but neither a column nor a known picture is
    there, None as well: `lacks_groups` tells the two apart.
    """
    if not run.group_columns or lacks_groups(run, parts):
        return None
    columns: list[list[object]] = []
    for name in run.group_columns:
        columns.append([value for part in parts for value in _column(part.collection, name)])
    known = {} if run.learned is None else run.learned.groups
    contents = [content or None for part in parts for content in part.contents]
    columns.append([known.get(content) if content else None for content in contents])
    joined = join_groups(*columns, contents)
    ends = np.cumsum([len(part.collection) for part in parts])[:-1]
    return list(np.split(joined, ends))


def lacks_groups(run: Run, parts: Sequence[Part]) -> bool:
    """Say whether the run's recipe names group columns of which these collections know nothing."""
    if not run.group_columns:
        return False
    known = {} if run.learned is None else run.learned.groups
    return not any(name in part.collection.column_names for part in parts for name in run.group_columns) and not any(
        content in known for part in parts for content in part.contents
    )


def _column(collection: Collection, name: str) -> Sequence[object]:
    return collection.column(name) if name in collection.column_names else [None] * len(collection)
